"""What a scrape of the metrics costs: time for the one who asks, and time of the daemon's event loop.

    python -m bench.scrape_cost [--scrapes 300] [--windows 8]

Started from the top folder. Scrapes are made as Prometheus makes them (OpenMetrics), one after the
other. What they cost the event loop shows in what another request has to wait for: ``/healthz`` alone,
and while the daemon is scraped without a pause.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import psutil

from tests.support import running_daemon, window_on

PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}


async def timed(ask: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """How many milliseconds each of so many requests took."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def report(what: str, taken: list[float]) -> None:
    ordered = sorted(taken)
    late = ordered[int(len(ordered) * 0.99)]
    print(f"{what:44} median {statistics.median(ordered):6.2f} ms, 99 % {late:6.2f} ms", flush=True)


async def measure(scrapes: int, count: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        daemon = await stack.enter_async_context(running_daemon(folder))
        session = await stack.enter_async_context(daemon.session())
        for _ in range(count):
            await stack.enter_async_context(window_on(daemon, "--managed", "--pixmaps", "65536"))

        def asking(path: str, **headers: str) -> Callable[[], Awaitable[bytes]]:
            async def ask() -> bytes:
                async with session.get(path, headers=headers) as response:
                    return await response.read()

            return ask

        process = psutil.Process(daemon.pid)
        scrape, healthz = asking("/metrics", **PROMETHEUS), asking("/healthz")
        print(f"{len(await scrape())} bytes")
        report("/healthz", await timed(healthz, scrapes))
        before = process.cpu_times()
        report("/metrics", await timed(scrape, scrapes))
        after = process.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / scrapes * 1000
        print(f"{'processor time of the daemon for a scrape':44} {cpu:13.2f} ms")
        scraping = asyncio.ensure_future(timed(scrape, 10 * scrapes))
        async with (
            daemon.session() as other
        ):  # a connection of its own: nothing queues behind a scrape

            async def ask() -> None:
                async with other.get("/healthz") as response:
                    await response.read()

            report("/healthz, while scraped without a pause", await timed(ask, scrapes))
        scraping.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
            await scraping


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scrapes", type=int, default=300)
    parser.add_argument("--windows", type=int, default=8)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.scrapes, arguments.windows))


if __name__ == "__main__":
    main()

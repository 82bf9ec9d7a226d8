"""What the daemon's own process costs while programs sit on the desktop or keep it busy.

    python -m bench.desktop_cost [--seconds 20] [--windows 4]

Started from the top folder. Prints the processor time of the daemon (not of its children) as a share of
one core: with an empty desktop, with idle windows, with one that changes its title 60 times a second,
and with one that does so as fast as it can.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from tests.support import Daemon, Program, running_daemon, window_on

RATE = 60


async def share(daemon: Daemon, seconds: float) -> float:
    """The share of a core that the daemon uses in the next seconds."""
    process = psutil.Process(daemon.pid)
    before = process.cpu_times()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / seconds


async def slow_titles(program: Program) -> None:
    for number in range(1 << 30):
        await program.do(f"title frame {number}")
        await asyncio.sleep(1 / RATE)


async def fast_titles(program: Program) -> None:
    while True:
        await program.do("titles 2000", limit=60)


async def measure(seconds: float, count: int) -> None:
    def report(what: str, value: float) -> None:
        print(f"{what:42} {value:7.2%} of a core", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        async with running_daemon(Path(folder)) as daemon, contextlib.AsyncExitStack() as windows:
            await asyncio.sleep(2)
            report("empty desktop", await share(daemon, seconds))
            programs = [
                await windows.enter_async_context(window_on(daemon, "--managed"))
                for _ in range(count)
            ]
            await asyncio.sleep(2)
            report(f"{count} idle windows", await share(daemon, seconds))
            storms: list[tuple[str, Callable[[Program], Awaitable[None]]]] = [
                (f"a title that changes {RATE} times a second", slow_titles),
                ("a title that changes without end", fast_titles),
            ]
            for what, storm in storms:
                task = asyncio.ensure_future(storm(programs[0]))
                report(what, await share(daemon, seconds))
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--windows", type=int, default=4)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.seconds, arguments.windows))


if __name__ == "__main__":
    main()

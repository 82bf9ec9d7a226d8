"""What the gateway costs: bytes and round trips through it, against websockify alone.

    python bench/viewer_path.py [--seconds 3]

A unix socket server stands in x11vnc's place. It sends 64 KiB blocks as fast as they are taken, or
echoes 32 bytes. Both ways are measured in turn, several times in one run, and compared as ratios;
the numbers themselves depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web

from vizproxy.gateway.viewer import Gateway, Limits

BLOCK = b"\x5a" * 65536
ROUNDS = 3


async def serve_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Stream if the client says S, echo if it says E."""
    with contextlib.suppress(ConnectionError):
        if await reader.readexactly(1) == b"S":
            while True:
                writer.write(BLOCK)
                await writer.drain()
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def path(directory: Path) -> AsyncIterator[tuple[Path, Path]]:
    """The peer, websockify before it and the gateway before that; yields the two front sockets."""
    peer, bridge, front = (directory / name for name in ("peer", "bridge", "front"))
    server = await asyncio.start_unix_server(serve_peer, str(peer))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "websockify"),
        *("--unix-listen", str(bridge), "--unix-target", str(peer)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    while not bridge.exists():  # noqa: ASYNC110 - a file appears without telling anybody
        await asyncio.sleep(0.01)
    gateway = Gateway(bridge, Limits(4, stall_timeout=30, max_message=1 << 22, buffer=1 << 24))
    app = web.Application()
    app.router.add_get("/websockify", lambda request: gateway.serve(request, None))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.UnixSite(runner, str(front)).start()
    try:
        yield bridge, front
    finally:
        await runner.cleanup()
        process.terminate()
        await process.wait()
        server.close()


@contextlib.asynccontextmanager
async def viewer(socket: Path) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket client on a unix socket."""
    connector = aiohttp.UnixConnector(str(socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(
            "http://bench/websockify", protocols=("binary",), max_msg_size=0, compress=0
        ) as socket_,
    ):
        yield socket_


async def throughput(socket: Path, seconds: float) -> float:
    """MiB/s that a viewer receives."""
    async with viewer(socket) as peer:
        await peer.send_bytes(b"S")
        await peer.receive_bytes()
        began, received = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            received += len(await peer.receive_bytes())
        return received / (time.perf_counter() - began) / 2**20


async def round_trip(socket: Path, seconds: float) -> float:
    """Median milliseconds for 32 bytes there and back."""
    async with viewer(socket) as peer:
        await peer.send_bytes(b"E")
        times, began = [], time.perf_counter()
        while time.perf_counter() - began < seconds:
            sent = time.perf_counter()
            await peer.send_bytes(bytes(32))
            await peer.receive_bytes()
            times.append(time.perf_counter() - sent)
        return statistics.median(times) * 1000


async def main(seconds: float) -> None:
    """Measure both ways in turn and print their ratio."""
    with tempfile.TemporaryDirectory() as directory:
        async with path(Path(directory)) as (bridge, front):
            print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
            for name, unit, measure in (
                ("throughput", "MiB/s", throughput),
                ("round trip", "ms", round_trip),
            ):
                direct, through = [], []
                for _ in range(ROUNDS):
                    direct.append(await measure(bridge, seconds / ROUNDS))
                    through.append(await measure(front, seconds / ROUNDS))
                one, two = statistics.median(direct), statistics.median(through)
                print(
                    f"{name:<11} websockify {one:8.3f} {unit}   gateway {two:8.3f} {unit}   "
                    f"ratio {two / one:.2f}"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6, help="time for each measurement")
    asyncio.run(main(parser.parse_args().seconds))

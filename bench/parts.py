"""The servers of the chain that the benchmarks start as processes of their own.

    python -m bench.parts peer SOCKET                     stands in x11vnc's place
    python -m bench.parts gateway SOCKET RFB WEBSOCKIFY   the daemon's gateway, without a desktop
    python -m bench.parts bare SOCKET                     a WebSocket server and nothing else

What a viewer says to each of them is an RFB session: a greeting, then messages. To a request for an
update the answer is block after block, as fast as they are taken; everything else is echoed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import sys
from dataclasses import fields
from pathlib import Path

from aiohttp import web

from vizproxy.config import Viewer
from vizproxy.gateway.idleness import Idleness
from vizproxy.gateway.rfb import SECURITY_NONE, SHARED, VERSION
from vizproxy.gateway.viewer import SUBPROTOCOL, Gateway, Limits
from vizproxy.listen import listening

BLOCK_BYTES = 64 * 1024
BLOCK = random.Random(6143).randbytes(BLOCK_BYTES)
"""Nothing that deflate could make smaller: pictures arrive compressed."""

SIZE = (1600, 900)
SERVER_INIT = struct.pack(">HH16xI", *SIZE, 0)
SERVER_GREETING = VERSION + bytes([1]) + SECURITY_NONE + bytes(4) + SERVER_INIT
VIEWER_GREETING = VERSION + SECURITY_NONE + SHARED

UPDATE_REQUEST = struct.pack(">BBHHHH", 3, 0, 0, 0, *SIZE)
KEYS = struct.pack(">BBxxI", 4, 1, ord("v")) * 4
PASTE = struct.pack(">BxxxI", 6, BLOCK_BYTES - 8) + bytes(BLOCK_BYTES - 8)
"""What a viewer sends to have it echoed: 32 bytes of key presses, and 64 KiB of text."""


async def speak_rfb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection to what stands in x11vnc's place."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        writer.write(VERSION)
        await reader.readexactly(len(VERSION))
        writer.write(bytes([1]) + SECURITY_NONE)
        await reader.readexactly(len(SECURITY_NONE))
        writer.write(bytes(4))
        await reader.readexactly(len(SHARED))
        writer.write(SERVER_INIT)
        data = await reader.read(BLOCK_BYTES)
        while data[:1] == UPDATE_REQUEST[:1]:
            writer.write(BLOCK)
            await writer.drain()
        while data:
            writer.write(data)
            await writer.drain()
            data = await reader.read(BLOCK_BYTES)
    writer.close()


async def run_peer(path: Path) -> None:
    """Stand in x11vnc's place."""
    async with await asyncio.start_unix_server(speak_rfb, str(path)) as server:
        await server.serve_forever()


async def speak_bare(request: web.Request) -> web.WebSocketResponse:
    """One connection to the WebSocket server that is nothing else."""
    deflate = request.path.endswith("/deflate")
    socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=0, compress=deflate)
    await socket.prepare(request)
    with contextlib.suppress(ConnectionError):
        await socket.receive_bytes()
        await socket.send_bytes(SERVER_GREETING)
        async for message in socket:
            while message.data == UPDATE_REQUEST:
                await socket.send_bytes(BLOCK)
            await socket.send_bytes(message.data)
    return socket


async def run_bare(path: Path) -> None:
    """Serve blocks without anything behind it."""
    app = web.Application()
    app.router.add_get("/{path:.*}", speak_bare)
    async with listening(app, path, None):
        await asyncio.Event().wait()


async def speak_to_launcher(request: web.Request) -> web.WebSocketResponse:
    """One connection of a Jupyter server: it is told that there is a desktop, and nothing happens."""
    socket = web.WebSocketResponse(max_msg_size=0)
    await socket.prepare(request)
    await socket.send_json({"type": "desktop", "environment": {}, "virtualgl_display": None})
    async for _ in socket:
        pass
    return socket


async def run_gateway(path: Path, rfb: Path, websockify: Path) -> None:
    """Serve the gateway as the daemon does, with the default settings."""

    async def screen_size() -> tuple[int, int]:
        return SIZE

    viewer = Viewer()
    gateway = Gateway(
        rfb=rfb,
        websockify=websockify,
        limits=Limits(*(getattr(viewer, field.name) for field in fields(Limits))),
        screen_size=screen_size,
        idleness=Idleness(),
        changed=lambda: None,
    )
    app = web.Application()
    app.router.add_get("/api/v1/launcher", speak_to_launcher)
    app.router.add_get("/ready", lambda _: web.Response())
    app.router.add_get("/websockify", lambda request: gateway.serve(request, None))
    async with listening(app, path, None):
        await asyncio.Event().wait()


if __name__ == "__main__":
    run = {"peer": run_peer, "bare": run_bare, "gateway": run_gateway}[sys.argv[1]]
    asyncio.run(run(*map(Path, sys.argv[2:])))

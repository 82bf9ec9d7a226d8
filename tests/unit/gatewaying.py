"""A gateway between viewers and servers that stand in x11vnc's and websockify's places."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.support import eventually
from vizproxy.gateway.access import Role
from vizproxy.gateway.idleness import Idleness
from vizproxy.gateway.rfb import SECURITY_NONE, SHARED, VERSION
from vizproxy.gateway.tally import ViewerTally
from vizproxy.gateway.viewer import SUBPROTOCOL, Gateway, Limits
from vizproxy.listen import listening

SIZE = (8, 8)
MIB = 1024 * 1024

GREETING = VERSION + SECURITY_NONE + SHARED
"""What a viewer says before anything else."""


async def _tell_size(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """In x11vnc's place: an RFB server, as far as the size of its framebuffer."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        writer.write(VERSION + bytes([1]) + SECURITY_NONE + bytes(4))
        await reader.readexactly(len(GREETING))
        writer.write(struct.pack(">HH16xI", *SIZE, 0))
        await reader.read()
    writer.close()


@dataclass
class Bridge:
    """In websockify's place: ``sockets`` are those that the gateway has opened."""

    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), compress=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            self.received += message.data
        return socket

    async def flood(self) -> None:
        """Send more than any buffer holds, for as long as it is taken."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self.sockets[0].send_bytes(bytes(MIB))


@dataclass
class Site:
    """A gateway that is served. ``unready`` is the reason why there is no picture."""

    gateway: Gateway
    bridge: Bridge
    path: Path
    unready: str | None = None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        role = Role[request.match_info["role"]]
        return await self.gateway.serve(request, self.unready, role)

    @contextlib.asynccontextmanager
    async def viewer(
        self, role: Role = Role.CONTROL, *, autoping: bool = True
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A viewer's WebSocket."""
        connector = aiohttp.UnixConnector(str(self.path))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.ws_connect(
                f"http://vizproxy/{role.name}",
                protocols=(SUBPROTOCOL,),
                autoping=autoping,
                max_msg_size=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.1),
            ) as socket,
        ):
            yield socket

    async def until(self, holds: Callable[[ViewerTally], object]) -> ViewerTally:
        """The first tally for which something holds."""

        async def seen() -> ViewerTally | None:
            tally = self.gateway.tally
            return tally if holds(tally) else None

        return await eventually(seen, of=lambda: self.gateway.tally)


@contextlib.asynccontextmanager
async def served(
    directory: Path,
    *,
    max_viewers: int = 4,
    stall_timeout: float = 30.0,
    idle_timeout: float = 3600.0,
    has_bridge: bool = True,
) -> AsyncIterator[Site]:
    """A gateway on a unix socket, with what it needs."""
    rfb, websockify, path = (directory / name for name in ("rfb", "websockify", "http"))
    bridge = Bridge()

    async def screen_size() -> tuple[int, int]:
        return SIZE

    gateway = Gateway(
        rfb=rfb,
        websockify=websockify,
        limits=Limits(
            max_viewers=max_viewers,
            stall_timeout=stall_timeout,
            max_message=64 * 1024,
            buffer=MIB,
            idle_timeout=idle_timeout,
        ),
        screen_size=screen_size,
        idleness=Idleness(),
        changed=lambda: None,
    )
    site = Site(gateway, bridge, path)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(await asyncio.start_unix_server(_tell_size, str(rfb)))
        if has_bridge:
            await stack.enter_async_context(_listening(websockify, "/", bridge.serve))
        await stack.enter_async_context(_listening(path, "/{role}", site.serve))
        try:
            yield site
        finally:
            await gateway.close()


@contextlib.asynccontextmanager
async def _listening(
    path: Path, url: str, handler: Callable[[web.Request], Awaitable[web.WebSocketResponse]]
) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get(url, handler)
    async with listening(app, path, None):
        yield

"""The API's own WebSockets: kept track of, so that they end with the desktop and not after it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import WSCloseCode, web

HEARTBEAT_SECONDS: Final = 20.0
CLOSE_TIMEOUT_SECONDS: Final = 0.5


class OpenSockets:
    """Every WebSocket that is open, but those of viewers, which the gateway has."""

    def __init__(self) -> None:
        self._open: dict[web.WebSocketResponse, web.Request] = {}
        self.is_ending = False
        """Whether all are being closed, since the desktop is being ended."""

    @contextlib.asynccontextmanager
    async def accept(
        self, request: web.Request, *, max_message: int
    ) -> AsyncIterator[web.WebSocketResponse]:
        """Answer a request with a WebSocket, which is open for as long as the context lasts."""
        # No compression: proxies always offer it, and it would cost memory for each socket.
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS,
            timeout=CLOSE_TIMEOUT_SECONDS,
            max_msg_size=max_message,
            compress=False,
        )
        await socket.prepare(request)
        self._open[socket] = request
        try:
            yield socket
        finally:
            del self._open[socket]
            await _close(request, socket, WSCloseCode.OK, b"")

    async def close(self) -> None:
        """Tell everybody that the desktop is being ended."""
        self.is_ending = True
        ended = b"the desktop is being ended"
        ends = [
            _close(request, socket, WSCloseCode.GOING_AWAY, ended)
            for socket, request in tuple(self._open.items())
        ]
        await asyncio.gather(*ends)


async def _close(
    request: web.Request, socket: web.WebSocketResponse, code: WSCloseCode, reason: bytes
) -> None:
    """Close, and cut the connection if the peer does not answer in time."""
    transport = request.transport
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
            await socket.close(code=code, message=reason, drain=False)
    except (ConnectionError, RuntimeError, TimeoutError):
        pass  # it is gone, or takes nothing
    if transport is not None:
        transport.abort()

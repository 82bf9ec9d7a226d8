"""The API's own WebSockets: kept track of, so that they end with the desktop and not after it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import WSCloseCode, web

from vizproxy.gateway.relay import End
from vizproxy.gateway.viewer import SHUTDOWN_SECONDS, close_socket

HEARTBEAT_SECONDS: Final = 20.0


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
            timeout=SHUTDOWN_SECONDS,
            max_msg_size=max_message,
            compress=False,
        )
        await socket.prepare(request)
        self._open[socket] = request
        try:
            yield socket
        finally:
            del self._open[socket]
            await close_socket(request, socket, End(WSCloseCode.OK, ""), SHUTDOWN_SECONDS)

    async def close(self) -> None:
        """Tell everybody that the desktop is being ended."""
        self.is_ending = True
        ended = End(WSCloseCode.GOING_AWAY, "the desktop is being ended")
        ends = [
            close_socket(request, socket, ended, SHUTDOWN_SECONDS)
            for socket, request in tuple(self._open.items())
        ]
        await asyncio.gather(*ends)

"""One viewer's session: a WebSocket from the browser, one to websockify, and what passes between.

Nothing is queued here. A message from one side is handed to the other side's transport before the
next one is read; when the receiver is slow, the sender is not read, so what is in flight for a viewer
stays within the sockets' and aiohttp's buffers (some hundred KiB). A viewer that takes nothing for
``stall_timeout`` is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

log = logging.getLogger(__name__)

SUBPROTOCOL: Final = "binary"
"""What websockify and noVNC call a WebSocket that carries plain bytes."""

HEARTBEAT_SECONDS: Final = 30.0
CLOSE_TIMEOUT_SECONDS: Final = 1.0
STALLED: Final = 4000
"""Our close code for a viewer that took no data (4000 and up are for applications)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on viewers: their number, seconds without progress, bytes of a message from a browser."""

    max_viewers: int
    stall_timeout: float
    max_message: int


@dataclass(frozen=True, slots=True)
class End:
    """How a session ended, as a WebSocket close code (RFC 6455, 7.4.1) and a reason for people."""

    code: int
    reason: str


class ByteRelay:
    """Carries bytes between two WebSockets until one of them ends."""

    def __init__(
        self,
        viewer: web.WebSocketResponse,
        upstream: aiohttp.ClientWebSocketResponse,
        stall_timeout: float,
    ) -> None:
        self._viewer = viewer
        self._upstream = upstream
        self._stall_timeout = stall_timeout

    async def run(self) -> End:
        """Relay until either side ends; return why."""
        directions = (
            asyncio.create_task(self._from_viewer(), name="relay from viewer"),
            asyncio.create_task(self._to_viewer(), name="relay to viewer"),
        )
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            first = next(task for task in directions if task.done())
            return first.result()
        finally:
            for task in directions:
                task.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _from_viewer(self) -> End:
        async for message in self._viewer:
            if message.type is WSMsgType.BINARY:
                with contextlib.suppress(ConnectionError):  # the other direction says why
                    await self._upstream.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                return End(WSCloseCode.UNSUPPORTED_DATA, "RFB is binary, a text message came")
            else:
                return End(WSCloseCode.PROTOCOL_ERROR, "the message is not valid")
        return End(WSCloseCode.OK, "it closed the connection")

    async def _to_viewer(self) -> End:
        async for message in self._upstream:
            if message.type is not WSMsgType.BINARY:
                break
            try:
                async with asyncio.timeout(self._stall_timeout):
                    await self._viewer.send_bytes(message.data)
            except TimeoutError:
                return End(
                    STALLED,
                    f"it took no data for {self._stall_timeout:g} s",
                )
            except ConnectionError:
                return End(WSCloseCode.OK, "it closed the connection")
        return End(WSCloseCode.SERVICE_RESTART, "the VNC server ended the connection")


class Gateway:
    """Admits viewers and keeps count of them."""

    def __init__(self, websockify: Path, limits: Limits) -> None:
        self._websockify = websockify
        self._limits = limits
        self._viewers: set[web.WebSocketResponse] = set()

    @property
    def count(self) -> int:
        """How many viewers are connected."""
        return len(self._viewers)

    async def serve(self, request: web.Request, unready: str | None) -> web.WebSocketResponse:
        """Answer a WebSocket request with the desktop, until the viewer or the desktop goes away.

        ``unready`` says why there is no picture now, if there is none; the viewer is told so. A
        browser gets nothing out of a refused handshake, so refusals are made as close frames.
        """
        # compress=False: proxies always offer deflate, and it would cost 15 times the throughput.
        viewer = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            heartbeat=HEARTBEAT_SECONDS,
            timeout=CLOSE_TIMEOUT_SECONDS,
            max_msg_size=self._limits.max_message,
            compress=False,
        )
        await viewer.prepare(request)
        if unready is not None:
            end = End(WSCloseCode.TRY_AGAIN_LATER, unready)
        elif self.count >= self._limits.max_viewers:
            why = f"{self._limits.max_viewers} viewers are connected, and no more are allowed"
            end = End(WSCloseCode.TRY_AGAIN_LATER, why)
        else:
            end = await self._relay(viewer)
        await _close(viewer, end)
        return viewer

    async def close(self) -> None:
        """Tell every viewer that the desktop is being ended, and end their sessions."""
        ends = [
            _close(viewer, End(WSCloseCode.GOING_AWAY, "the desktop is being ended"))
            for viewer in tuple(self._viewers)
        ]
        await asyncio.gather(*ends, return_exceptions=True)

    async def _relay(self, viewer: web.WebSocketResponse) -> End:
        self._viewers.add(viewer)
        log.info("a viewer connected (%d now)", self.count)
        end = End(WSCloseCode.OK, "the connection was cut")
        try:
            async with self._upstream() as upstream:
                end = await ByteRelay(viewer, upstream, self._limits.stall_timeout).run()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("cannot reach websockify for a viewer: %s", error)
            end = End(WSCloseCode.TRY_AGAIN_LATER, "the WebSocket bridge does not answer")
        finally:
            self._viewers.discard(viewer)
            log.info("a viewer left (%d now): %s", self.count, end.reason)
        return end

    @contextlib.asynccontextmanager
    async def _upstream(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        connector = aiohttp.UnixConnector(str(self._websockify), force_close=True)
        timeout = aiohttp.ClientTimeout(total=None, connect=CLOSE_TIMEOUT_SECONDS * 5)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.ws_connect(
                "http://websockify/",
                protocols=(SUBPROTOCOL,),
                max_msg_size=0,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_SECONDS),
            ) as upstream,
        ):
            yield upstream


async def _close(viewer: web.WebSocketResponse, end: End) -> None:
    """Close with a reason, cut to the 123 bytes that a close frame can carry (RFC 6455, 5.5)."""
    reason = end.reason.encode()[:123].decode("utf-8", "ignore").encode()
    with contextlib.suppress(ConnectionError, RuntimeError):
        await viewer.close(code=end.code, message=reason)

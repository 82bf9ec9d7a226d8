"""Carrying bytes from one WebSocket to another, with a bounded buffer towards the viewer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

STALLED: Final = 4000
PAUSED: Final = 4001
"""Our close codes for a viewer that took no data, and for one at a desktop that nobody uses
(4000 and up are for applications)."""

CHUNK_BYTES: Final = 256 * 1024
"""How much is sent to a viewer as one message: RFB is a stream, its cuts have no meaning."""


@dataclass(frozen=True, slots=True)
class End:
    """How a session ended, as a WebSocket close code (RFC 6455, 7.4.1) and a reason for people."""

    code: int
    reason: str


class Buffer:
    """Bytes on their way to a viewer, at most about ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._closed = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Add bytes, as soon as there is room."""
        while self._size >= self._limit:
            self._drained.clear()
            await self._drained.wait()
        self._parts.append(data)
        self._size += len(data)
        self._filled.set()

    def close(self) -> None:
        """No more bytes will come."""
        self._closed = True
        self._filled.set()

    async def take(self, most: int) -> bytes:
        """The next bytes, about ``most`` at most; none when it was closed and is empty."""
        while not self._parts and not self._closed:
            self._filled.clear()
            await self._filled.wait()
        taken, size = [], 0
        while self._parts and size < most:
            taken.append(self._parts.popleft())
            size += len(taken[-1])
        self._size -= size
        self._drained.set()
        return taken[0] if len(taken) == 1 else b"".join(taken)


class ByteRelay:
    """Carries bytes between a viewer and its upstream until one of them ends.

    x11vnc writes to its viewers one after the other and waits for each, so a viewer that is slow to
    take its update would hold up the others'. Hence the buffer, of ``limit`` bytes: room for an
    update, and a viewer asks for the next one only when it has had the last. ``sent`` is called with
    what the viewer sends.
    """

    def __init__(
        self,
        viewer: web.WebSocketResponse,
        upstream: aiohttp.ClientWebSocketResponse,
        *,
        limit: int,
        stall_timeout: float,
        sent: Callable[[bytes], object],
    ) -> None:
        self._viewer = viewer
        self._upstream = upstream
        self._stall_timeout = stall_timeout
        self._buffer = Buffer(limit)
        self._sent = sent

    async def run(self) -> End:
        """Relay until either side ends; return why."""
        reading = asyncio.create_task(self._from_upstream(), name="relay from upstream")
        ends = (
            asyncio.create_task(self._from_viewer(), name="relay from viewer"),
            asyncio.create_task(self._to_viewer(), name="relay to viewer"),
        )
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in ends if task.done()).result()
        finally:
            for task in (reading, *ends):
                task.cancel()
            await asyncio.gather(reading, *ends, return_exceptions=True)

    async def _from_viewer(self) -> End:
        async for message in self._viewer:
            if message.type is WSMsgType.BINARY:
                self._sent(message.data)
                with contextlib.suppress(ConnectionError):  # the other direction says why
                    await self._upstream.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                return End(WSCloseCode.UNSUPPORTED_DATA, "RFB is binary, a text message came")
            elif message.type is WSMsgType.ERROR:
                return End(WSCloseCode.PROTOCOL_ERROR, f"the connection broke ({message.data})")
        return End(WSCloseCode.OK, "it closed the connection")

    async def _from_upstream(self) -> None:
        try:
            async for message in self._upstream:
                if message.type is not WSMsgType.BINARY:
                    return
                await self._buffer.put(message.data)
        finally:
            self._buffer.close()

    async def _to_viewer(self) -> End:
        while data := await self._buffer.take(CHUNK_BYTES):
            try:
                async with asyncio.timeout(self._stall_timeout):
                    await self._viewer.send_bytes(data)
            except TimeoutError:
                return End(STALLED, f"it took no data for {self._stall_timeout:g} s")
            except ConnectionError:
                return End(WSCloseCode.OK, "it closed the connection")
        return End(WSCloseCode.SERVICE_RESTART, "the VNC server ended the connection")

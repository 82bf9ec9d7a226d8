"""Carrying bytes from one WebSocket to another, with a bounded buffer towards the viewer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from vizproxy.gateway.counting import Stopwatch, ViewerMeter
from vizproxy.gateway.tally import Leave

STALLED: Final = 4000
PAUSED: Final = 4001
"""Our close codes for a viewer that took no data, and for one at a desktop that nobody uses
(4000 and up are for applications)."""

CHUNK_BYTES: Final = 256 * 1024
"""How much is sent to a viewer as one message: RFB is a stream, its cuts have no meaning."""

PING_SECONDS: Final = 5.0
"""How often the round trip is measured."""


@dataclass(frozen=True, slots=True)
class End:
    """How a session ended, as a WebSocket close code (RFC 6455, 7.4.1) and a reason for people.

    ``leave`` is what it counts as.
    """

    code: int
    reason: str
    leave: Leave = Leave.LEFT


class Buffer:
    """Bytes on their way to a viewer, at most about ``limit`` of them.

    ``blocked`` measures for how long there was no room.
    """

    def __init__(self, limit: int, blocked: Stopwatch) -> None:
        self._limit = limit
        self._blocked = blocked
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._closed = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Add bytes, as soon as there is room."""
        if self._size >= self._limit:
            with self._blocked:
                await self._room()
        self._parts.append(data)
        self._size += len(data)
        self._filled.set()

    async def _room(self) -> None:
        while self._size >= self._limit:
            self._drained.clear()
            await self._drained.wait()

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
    update, and a viewer asks for the next one only when it has had the last.

    ``meter`` counts what goes by. It wants the pongs, too, which a socket that answers pings by itself
    would keep; so the viewer's must be one with ``autoping=False``. That socket's heartbeat works all
    the same, since aiohttp takes any bytes that arrive for a sign of life.
    """

    def __init__(
        self,
        viewer: web.WebSocketResponse,
        upstream: aiohttp.ClientWebSocketResponse,
        *,
        limit: int,
        stall_timeout: float,
        meter: ViewerMeter,
    ) -> None:
        self._viewer = viewer
        self._upstream = upstream
        self._stall_timeout = stall_timeout
        self._meter = meter
        self._buffer = Buffer(limit, meter.counts.blocked)
        self._is_sending = False

    async def run(self) -> End:
        """Relay until either side ends; return why."""
        others = (
            asyncio.create_task(self._from_upstream(), name="relay from upstream"),
            asyncio.create_task(self._ping(), name="pings to viewer"),
        )
        ends = (
            asyncio.create_task(self._from_viewer(), name="relay from viewer"),
            asyncio.create_task(self._to_viewer(), name="relay to viewer"),
        )
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in ends if task.done()).result()
        finally:
            for task in (*others, *ends):
                task.cancel()
            await asyncio.gather(*others, *ends, return_exceptions=True)

    async def _from_viewer(self) -> End:
        async for message in self._viewer:
            if message.type is WSMsgType.BINARY:
                self._meter.received(message.data)
                with contextlib.suppress(ConnectionError):  # the other direction says why
                    await self._upstream.send_bytes(message.data)
            elif message.type is WSMsgType.PONG:
                self._meter.pong(bytes(message.data))
            elif message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await self._viewer.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                why = "RFB is binary, a text message came"
                return End(WSCloseCode.UNSUPPORTED_DATA, why, Leave.PROTOCOL)
            elif message.type is WSMsgType.ERROR:
                why = f"the connection broke ({message.data})"
                return End(WSCloseCode.PROTOCOL_ERROR, why, _leave_by(message.data))
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
                    await self._send(data)
            except TimeoutError:
                why = f"it took no data for {self._stall_timeout:g} s"
                return End(STALLED, why, Leave.STALLED)
            except ConnectionError:
                return End(WSCloseCode.OK, "it closed the connection")
        why = "the VNC server ended the connection"
        return End(WSCloseCode.SERVICE_RESTART, why, Leave.SERVER_ENDED)

    async def _send(self, data: bytes) -> None:
        self._is_sending = True
        try:
            with self._meter.counts.send_wait:
                await self._viewer.send_bytes(data)
        finally:
            self._is_sending = False
        self._meter.sent(len(data))

    async def _ping(self) -> None:
        """Measure the round trip every now and then.

        Not while the viewer has yet to take what it was sent: a ping would queue up behind that, and
        the wait is measured anyway. Frames that are not compressed are written at once and whole, so
        no ping gets into the midst of another message.
        """
        while True:
            if not self._is_sending and not self._viewer.closed:
                with contextlib.suppress(ConnectionError):  # the other direction says why
                    await self._viewer.ping(self._meter.ping())
            await asyncio.sleep(PING_SECONDS)


def _leave_by(error: object) -> Leave:
    """What a broken connection counts as, by the error that aiohttp tells of it."""
    if isinstance(error, WebSocketError):
        return Leave.PROTOCOL
    if isinstance(error, TimeoutError):
        return Leave.STALLED  # a heartbeat without an answer
    return Leave.LEFT

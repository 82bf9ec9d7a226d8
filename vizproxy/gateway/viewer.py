"""Viewers: admitting them, and one session for each.

A session is a WebSocket from the browser, one to websockify, and a relay between them. What is in
flight for a viewer is bounded by :class:`vizproxy.gateway.relay.Buffer`, and by the buffers of sockets
and aiohttp, about 1 MiB. Beyond that the sender is not read. A viewer that takes nothing for
``stall_timeout`` is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import WSCloseCode, web

from vizproxy.config.numbers import duration_words
from vizproxy.gateway.access import Role
from vizproxy.gateway.counting import Counts, ViewerMeter
from vizproxy.gateway.idleness import Idleness
from vizproxy.gateway.relay import PAUSED, ByteRelay, End
from vizproxy.gateway.rfb import size_settled
from vizproxy.gateway.tally import Leave, Refusal, ViewerTally

log = logging.getLogger(__name__)

SUBPROTOCOL: Final = "binary"
"""What websockify and noVNC call a WebSocket that carries plain bytes."""

HEARTBEAT_SECONDS: Final = 30.0
CONNECT_TIMEOUT_SECONDS: Final = 5.0
CLOSE_TIMEOUT_SECONDS: Final = 2.0
"""How long a peer may take to answer a close frame before its connection is cut."""

SHUTDOWN_SECONDS: Final = 0.2
"""The same at the end of the desktop, which a container's runtime may want within a second."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on viewers.

    Their number, the seconds without progress, the bytes of one message from a browser, those that
    may wait for a viewer, and the seconds without use of the desktop.
    """

    max_viewers: int
    stall_timeout: float
    max_message: int
    buffer: int
    idle_timeout: float


class Gateway:
    """Admits viewers and keeps count of them.

    ``rfb`` and ``websockify`` are the sockets of x11vnc and of the bridge to it. ``screen_size`` tells
    the desktop's width and height in pixels; ``changed`` is called when the number of viewers changes.
    ``idleness`` is told of input, and tells when nobody uses the desktop: a connection that stays open
    is activity to a hub's proxy, so viewers are sent away then.
    """

    def __init__(
        self,
        *,
        rfb: Path,
        websockify: Path,
        limits: Limits,
        screen_size: Callable[[], Awaitable[tuple[int, int] | None]],
        idleness: Idleness,
        changed: Callable[[], None],
    ) -> None:
        self._rfb = rfb
        self._websockify = websockify
        self._limits = limits
        self._screen_size = screen_size
        self._idleness = idleness
        self._changed = changed
        self._viewers: dict[web.WebSocketResponse, tuple[web.Request, Role]] = {}
        self._counts = Counts()
        self._is_ending = False

    @property
    def count(self) -> int:
        """How many viewers are connected."""
        return len(self._viewers)

    @property
    def tally(self) -> ViewerTally:
        """Who is connected now, and what was counted until now."""
        roles = [role for _, role in self._viewers.values()]
        return self._counts.tally({role: roles.count(role) for role in (Role.VIEW, Role.CONTROL)})

    def refused(self, reason: Refusal) -> None:
        """Count a viewer that was not let in."""
        self._counts.refused[reason] += 1

    async def serve(
        self, request: web.Request, unready: str | None, role: Role = Role.CONTROL
    ) -> web.WebSocketResponse:
        """Answer a WebSocket request with the desktop, until the viewer or the desktop goes away.

        ``unready`` says why there is no picture now, if there is none; the viewer is told so. A
        browser gets nothing out of a refused handshake, so refusals are made as close frames. ``role``
        is what the viewer is counted as.
        """
        arrived = time.monotonic()
        # compress=False: proxies always offer deflate, and it would cost 15 times the throughput.
        viewer = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            # A viewer that takes no data answers no ping either: the stall is to be the reason.
            heartbeat=max(HEARTBEAT_SECONDS, self._limits.stall_timeout),
            autoping=False,  # the relay wants the pongs
            timeout=CLOSE_TIMEOUT_SECONDS,
            max_msg_size=self._limits.max_message,
            compress=False,
        )
        await viewer.prepare(request)
        if unready is not None:
            refusal, why = Refusal.NOT_READY, unready
        elif self.count >= self._limits.max_viewers:
            refusal = Refusal.TOO_MANY
            why = f"as many viewers as are allowed ({self._limits.max_viewers}) are connected"
        else:
            await self._admit(request, viewer, role, arrived)
            return viewer
        self.refused(refusal)
        await close_socket(request, viewer, End(WSCloseCode.TRY_AGAIN_LATER, why))
        return viewer

    async def close(self) -> None:
        """Tell every viewer that the desktop is being ended, and end their sessions."""
        self._is_ending = True
        ended = End(WSCloseCode.GOING_AWAY, "the desktop is being ended")
        ends = [
            close_socket(request, viewer, ended, SHUTDOWN_SECONDS)
            for viewer, (request, _) in tuple(self._viewers.items())
        ]
        await asyncio.gather(*ends, return_exceptions=True)

    async def _admit(
        self, request: web.Request, viewer: web.WebSocketResponse, role: Role, arrived: float
    ) -> None:
        """Serve one viewer, who counts until the connection is gone."""
        self._viewers[viewer] = request, role
        self._counts.sessions += 1
        self._changed()
        log.info("a viewer connected (%d now)", self.count)
        meter = ViewerMeter(self._counts, arrived=arrived, used=self._idleness.used)
        end = End(WSCloseCode.OK, "the connection was cut")
        try:
            end = await self._relay(viewer, meter)
        finally:
            leave = Leave.STOPPING if self._is_ending else end.leave
            await close_socket(request, viewer, end)
            del self._viewers[viewer]
            self._counts.ended[leave] += 1
            self._changed()
            log.info("a viewer left (%d now): %s", self.count, end.reason)

    async def _relay(self, viewer: web.WebSocketResponse, meter: ViewerMeter) -> End:
        try:
            await size_settled(self._rfb, self._screen_size)
            async with self._upstream() as upstream:
                relay = ByteRelay(
                    viewer,
                    upstream,
                    limit=self._limits.buffer,
                    stall_timeout=self._limits.stall_timeout,
                    meter=meter,
                )
                return await self._until_idle(relay)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("cannot get a picture for a viewer: %s", str(error) or "no answer")
            why = "the VNC server does not answer"
            return End(WSCloseCode.TRY_AGAIN_LATER, why, Leave.SERVER_UNREACHABLE)

    async def _until_idle(self, relay: ByteRelay) -> End:
        """Relay until one side ends, or nobody uses the desktop any more."""
        limit = self._limits.idle_timeout
        relaying = asyncio.create_task(relay.run(), name="relay")
        idling = asyncio.create_task(self._idleness.wait(limit), name="idle")
        try:
            await asyncio.wait((relaying, idling), return_when=asyncio.FIRST_COMPLETED)
            if relaying.done():
                return relaying.result()
            why = f"nobody used the desktop for {duration_words(limit)}"
            return End(PAUSED, why, Leave.PAUSED)
        finally:
            for task in (relaying, idling):
                task.cancel()
            await asyncio.gather(relaying, idling, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _upstream(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        connector = aiohttp.UnixConnector(str(self._websockify), force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                upstream = await session.ws_connect(
                    "http://websockify/",
                    protocols=(SUBPROTOCOL,),
                    max_msg_size=0,
                    compress=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_SECONDS),
                )
            async with upstream:
                yield upstream


async def close_socket(
    request: web.Request,
    socket: web.WebSocketResponse,
    end: End,
    limit: float = CLOSE_TIMEOUT_SECONDS,
) -> None:
    """Close with a reason, and cut the connection if the peer does not answer in time.

    The reason is cut to the 123 bytes that a close frame can carry (RFC 6455, 5.5).
    """
    reason = end.reason.encode()[:123].decode("utf-8", "ignore").encode()
    transport = request.transport
    try:
        async with asyncio.timeout(limit):
            await socket.close(code=end.code, message=reason, drain=False)
    except (ConnectionError, RuntimeError, TimeoutError):
        pass  # it is gone, or takes nothing
    if transport is not None:
        # A transport's own close() waits until its buffer was taken, which may be never.
        transport.abort()

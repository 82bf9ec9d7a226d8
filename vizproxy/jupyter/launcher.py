"""The launcher: offers the programs of this container to the desktop's menu, and starts them.

The daemon may be in another container, where these programs are not. So it is told what there is, by a
WebSocket, and asks for a program to be started when somebody chooses it. By the same socket comes
what a Jupyter server wants to know of the desktop: where it is, and when it was last used.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from vizproxy.client import unreachable
from vizproxy.compatibility import OURS, Side, misfit
from vizproxy.config import Tile
from vizproxy.errors import InternalError, InvalidRequestError, VersionError, VizproxyError
from vizproxy.jupyter.offer import Offer, look
from vizproxy.jupyter.starting import start

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 10.0
"""How long is waited before the next try: the first time, and after many."""

MAX_ABSENT_SECONDS: Final = 1.0
"""The longest wait while nobody listens: who has started a daemon anew wants its desktop back."""

STABLE_SECONDS: Final = 5.0
"""After so long a connection counts as good, and the next pause is a short one again."""

CONNECT_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 1.0
MAX_STARTS: Final = 4
"""How many programs are started at once; each is a process that loads Python."""

MAX_SENTENCE_CHARS: Final = 1000

Socket = aiohttp.ClientWebSocketResponse


class Launcher:
    """Connects to the daemon behind ``socket``, and again whenever that is lost.

    ``on_desktop`` is told the environment that makes programs appear on the desktop, in the daemon's
    words, and the display of VirtualGL, if there is one: when both are known, and when they change.
    ``on_activity`` is told when the desktop was last used, in seconds of the epoch, and ``on_lost``
    that the daemon is not there any more. ``on_version`` is told, first of all, why the desktop's
    version cannot be used with this one; None, that it can. Nothing else is passed on of one that
    cannot. They are called on the event loop and must not block.
    ``environ`` is the environment of this server, which programs are given.
    """

    def __init__(
        self,
        socket: Path,
        tiles: Sequence[Tile] = (),
        *,
        on_desktop: Callable[[Mapping[str, str], str | None], None],
        on_activity: Callable[[float], None],
        on_lost: Callable[[], None],
        on_version: Callable[[VersionError | None], None] = lambda _: None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._path = socket
        self._tiles = tuple(tiles)
        self._on_desktop = on_desktop
        self._on_activity = on_activity
        self._on_lost = on_lost
        self._on_version = on_version
        self._environ = environ
        self._offer: Offer | None = None  # nobody has looked yet
        self._told: str | None = None
        self._socket: Socket | None = None
        self._offering = asyncio.Lock()
        self._starts = asyncio.Semaphore(MAX_STARTS)
        self._look_wanted = False
        self._looking = False
        self._now = asyncio.Event()
        self._desktop: Side | None = None
        self._misfit: VersionError | None = None
        self._said: deque[str] = deque(maxlen=3)

    async def run(self, until_there: Callable[[], Awaitable[None]] | None = None) -> None:
        """Offer programs and start them, until cancelled.

        Programs are looked for at once, beside all else: that may take seconds, which nobody is to
        wait for who wants to know where the desktop is. ``until_there`` waits for a daemon that has
        yet to come.
        """
        loop, failures = asyncio.get_running_loop(), 0
        async with asyncio.TaskGroup() as tasks:
            self._look_soon(tasks)
            if until_there is not None:
                await until_there()
            while True:
                began = loop.time()
                longest = await self._connect(tasks)
                if loop.time() - began > STABLE_SECONDS:
                    failures = 0
                await self._pause(failures, longest)
                failures += 1

    def try_now(self) -> None:
        """Connect without waiting for the next try, since the daemon may be there now."""
        self._now.set()

    async def _pause(self, failures: int, longest: float) -> None:
        seconds = pause_seconds(failures, random.random(), longest)  # noqa: S311 - no secret
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._now.wait()
        self._now.clear()

    # the connection

    async def _connect(self, tasks: asyncio.TaskGroup) -> float:
        """Connect, if that is possible now, and do what the daemon says until the connection ends.

        Returns the longest pause that makes sense before the next try, in seconds.
        """
        clock = asyncio.get_running_loop().time
        try:
            async with self._connected() as socket:
                began = clock()
                self._now.clear()
                await self._tell_offer()
                self._say(f"connected to the desktop at {self._path}")
                why = await self._listen(socket, tasks)
                if clock() - began > STABLE_SECONDS:
                    self._said.clear()
                self._say(f"lost the desktop at {self._path}: {why}")
            self._call(self._on_lost)
            if self._misfit is not None:  # the next one may be another
                self._misfit = None
                self._call(self._on_version, None)
        except aiohttp.WSServerHandshakeError as error:
            why = f"the daemon there answers with HTTP status {error.status}"
            self._say(f"cannot offer programs to the desktop at {self._path}: {why}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._say(unreachable(self._path, error).message)
            if isinstance(error, aiohttp.ClientConnectorError):
                return MAX_ABSENT_SECONDS
        return MAX_PAUSE_SECONDS

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Socket]:
        connector = aiohttp.UnixConnector(str(self._path))
        async with aiohttp.ClientSession(connector=connector) as session:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await session.ws_connect(
                    "http://vizproxy/api/v1/launcher",
                    heartbeat=HEARTBEAT_SECONDS,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                )
            async with socket:
                self._socket, self._told, self._desktop = socket, None, None
                try:
                    yield socket
                finally:
                    self._socket = None

    async def _listen(self, socket: Socket, tasks: asyncio.TaskGroup) -> str:
        """Do what the daemon says; return why the connection has ended."""
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                try:
                    self._take(message.data, socket, tasks)
                except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
                    log.debug("the daemon sent what makes no sense: %r", error)
            elif message.type is aiohttp.WSMsgType.CLOSE:
                return str(message.extra or "it closed the connection")
            else:
                return str(socket.exception() or "the connection broke")

    def _take(self, text: str, socket: Socket, tasks: asyncio.TaskGroup) -> None:
        told = json.loads(text)
        if self._desktop is None:  # the first message is `hello`, or of a version without
            self._judge(Side.of(told))
        if self._misfit is not None:
            return
        match told["type"]:
            case "desktop":
                env = {str(name): str(value) for name, value in told["environment"].items()}
                display = told["virtualgl_display"]
                self._call(self._on_desktop, env, None if display is None else str(display))
            case "activity":
                self._call(self._on_activity, float(told["last"]))
            case "start":
                order, entry = int(told["order"]), str(told["entry"])
                tasks.create_task(self._carry_out(order, entry, socket), name="start a program")
            case "look":
                self._look_soon(tasks)

    def _judge(self, desktop: Side) -> None:
        """See whether the desktop's version can be used."""
        self._desktop = desktop
        self._misfit = misfit(desktop=desktop, program=OURS, action="use the desktop")
        if self._misfit is not None:
            self._say(str(self._misfit))
        elif desktop != OURS:
            log.debug("the desktop is of version %s", desktop.version)
        self._call(self._on_version, self._misfit)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            log.exception("cannot pass on what the desktop says: a bug in vizproxy")

    def _say(self, text: str) -> None:
        """Log a change of state; not again what was said just before, try after try."""
        if text not in self._said:
            self._said.append(text)
            log.info("%s", text)

    # programs

    def _look_soon(self, tasks: asyncio.TaskGroup) -> None:
        self._look_wanted = True
        if not self._looking:
            self._looking = True
            tasks.create_task(self._look(), name="look for programs")

    async def _look(self) -> None:
        """Look for new programs, and once more if that was asked for meanwhile."""
        while self._look_wanted:
            self._look_wanted = False
            self._offer = await self._looked()
            await self._tell_offer()
        self._looking = False

    async def _looked(self) -> Offer:
        try:
            return await asyncio.to_thread(look, dict(self._environ), self._tiles)
        except Exception:
            log.exception("cannot look for programs: a bug in vizproxy")
            return self._offer or Offer()

    async def _tell_offer(self) -> None:
        """Tell the daemon what there is, if that is known, and it was told otherwise."""
        async with self._offering:
            socket, offer = self._socket, self._offer
            if socket is not None and offer is not None and offer.message != self._told:
                await _send(socket, offer.message)
                if socket is self._socket:
                    self._told = offer.message

    async def _carry_out(self, order: int, entry_id: str, socket: Socket) -> None:
        """Start a program and tell how that came out, to the daemon that has asked for it."""
        answer: dict[str, Any]
        try:
            answer = {"type": "started", "app": await self._start(entry_id)}
        except VizproxyError as error:
            log.warning("%s", error)
            answer = _failed(error)
        except Exception:
            log.exception("cannot start %s: a bug in vizproxy", entry_id)
            answer = _failed(InternalError(f"start {entry_id}", "a bug in vizproxy", "the log"))
        await _send(socket, json.dumps({**answer, "order": order}))

    async def _start(self, entry_id: str) -> str:
        entry = self._offer.entries.get(entry_id) if self._offer else None
        if entry is None:
            why = "it is not installed any more"
            raise InvalidRequestError(f"start {entry_id}", why, "another program of the menu")
        async with self._starts:
            app = await start(entry, self._path, self._environ)
        log.info("started %s as %s", entry.name, app)
        return app


def pause_seconds(failures: int, jitter: float, longest: float = MAX_PAUSE_SECONDS) -> float:
    """How long to wait after so many failures in a row; ``jitter``, from 0 to 1, keeps many apart."""
    return min(longest, PAUSE_SECONDS * 2.0 ** min(failures, 10)) * (1 - jitter / 4)


async def _send(socket: Socket, message: str) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):  # it is being lost
        await socket.send_str(message)


def _failed(error: VizproxyError) -> dict[str, str]:
    return {"type": "failed", "message": _line(error.message), "hint": _line(error.hint)}


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_SENTENCE_CHARS]

"""Watches the desktop and keeps its latest scene."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from Xlib.display import Display

from vizproxy.errors import DisplayError
from vizproxy.x11.resources import read_clients
from vizproxy.x11.scene import EMPTY, Client, Scene
from vizproxy.x11.session import XSession
from vizproxy.x11.toplevels import TopLevels

log = logging.getLogger(__name__)

BATCH_SECONDS: Final = 0.03
"""After an event, wait so long for those that follow it."""

REST_SECONDS: Final = 0.2
"""The least time between two readings that events asked for."""

ACCOUNT_SECONDS: Final = 5.0
"""How often the X clients and their pixmaps, of which no event tells, are asked for."""


class _Reader:
    """Reads the scenes of one connection, on its X thread."""

    def __init__(self, stale: Callable[[], None]) -> None:
        self._toplevels = TopLevels(stale)
        self._clients: tuple[Client, ...] | None = None

    def note(self, display: Display, event: Any) -> None:
        self._toplevels.note(display, event)

    def read(self, display: Display, *, everything: bool) -> Scene:
        """A scene. Who is connected is asked with ``everything``, or if windows may have changed."""
        windows, listed = self._toplevels.read(display, listing=everything)
        if listed or self._clients is None:
            self._clients = read_clients(display)
        return Scene(self._clients, windows)


class Observer:
    """Keeps the scene behind an X session. ``changed`` is called on the loop when it differs."""

    def __init__(self, session: XSession, *, changed: Callable[[], None]) -> None:
        self._session = session
        self._changed = changed
        self._reader: _Reader | None = None
        self._stale = asyncio.Event()
        self._reading = asyncio.Lock()
        self._next_scene = asyncio.Event()
        self._next_account = 0.0
        self._read_at = 0.0
        self.scene: Scene = EMPTY
        """The last reading; empty while there is no connection."""

    @property
    def age(self) -> float:
        """How many seconds ago the scene was true for sure.

        0 where there is no connection: then nothing is on the desktop.
        """
        if self._reader is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._read_at

    async def attach(self) -> None:
        """Begin with a new connection: select its events and read the first scene.

        Raises:
            DisplayError: the X server cannot be asked.
        """
        loop = asyncio.get_running_loop()

        def stale() -> None:
            try:
                loop.call_soon_threadsafe(self._stale.set)
            except RuntimeError:
                pass  # the loop is closed; nobody listens any more

        reader = _Reader(stale)
        self._session.listen(reader.note, lost=self._lose)
        self._reader = reader
        self._read_at = loop.time()
        await self.refresh()

    async def refresh(self) -> Scene:
        """Read the scene now.

        Raises:
            DisplayError: the X server cannot be asked. The last scene stays, unless the connection
                was lost.
        """
        return await self._read(everything=True)

    async def until(self, seen: Callable[[Scene], bool], limit: float) -> bool:
        """Wait at most ``limit`` seconds for a scene in which ``seen`` holds; tell whether it came."""
        try:
            async with asyncio.timeout(limit):
                while not seen(self.scene):
                    await self._next_scene.wait()
        except TimeoutError:
            return False
        return True

    async def watch(self) -> None:
        """Keep the scene true, for ever: after events, and every few seconds for what they leave out.

        A lost connection makes the scene empty; the next :meth:`attach` fills it again.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout_at(self._next_account):
                    await self._stale.wait()
                await asyncio.sleep(BATCH_SECONDS)
            except TimeoutError:
                pass
            self._stale.clear()
            everything = loop.time() >= self._next_account
            if everything:
                self._next_account = loop.time() + ACCOUNT_SECONDS
            if self._reader is None:
                continue
            try:
                await self._read(everything=everything)
            except DisplayError as error:
                log.debug("the windows cannot be read: %s", error)
            except Exception:
                # What programs say of their windows must never end the desktop. Begin anew instead.
                log.exception("a bug while reading the windows: the X connection is given up")
                await self._session.close()
            await asyncio.sleep(REST_SECONDS)

    async def _read(self, *, everything: bool) -> Scene:
        async with self._reading:
            reader = self._reader
            if reader is None:
                raise DisplayError(
                    "read the windows", "the X server is not running", "again in a moment"
                )
            scene = await self._session.call(lambda d: reader.read(d, everything=everything))
            if reader is self._reader:
                self._read_at = asyncio.get_running_loop().time()
                self._take(scene)
            return self.scene

    def _lose(self) -> None:
        self._reader = None
        self._take(EMPTY)

    def _take(self, scene: Scene) -> None:
        if scene == self.scene:
            return
        self.scene = scene
        self._next_scene.set()
        self._next_scene = asyncio.Event()
        self._changed()

"""A second pair of eyes: an X session and an observer of a daemon's desktop, in the test's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from Xlib import Xatom
from Xlib.display import Display

from tests.support import Daemon
from vizproxy.x11.observer import Observer
from vizproxy.x11.scene import Scene, Window
from vizproxy.x11.session import XSession

T = TypeVar("T")


@contextlib.asynccontextmanager
async def session_on(daemon: Daemon) -> AsyncIterator[XSession]:
    """A connection of the daemon's kind."""
    environment = await daemon.environment()
    before = os.environ.get("XAUTHORITY")  # the session sets it
    session = XSession(daemon.directory / "Xauthority")
    try:
        await session.connect(environment["DISPLAY"])
        yield session
    finally:
        await session.close()
        if before is None:
            os.environ.pop("XAUTHORITY", None)
        else:
            os.environ["XAUTHORITY"] = before


class Watch:
    """An observer at work, and how often it saw a change."""

    def __init__(self, session: XSession) -> None:
        self.session = session
        self.changes = 0
        self.observer = Observer(session, changed=self._changed)

    def _changed(self) -> None:
        self.changes += 1

    @property
    def scene(self) -> Scene:
        return self.observer.scene

    async def until(self, seen: Callable[[Scene], bool], limit: float = 10) -> Scene:
        """Wait for a scene in which ``seen`` holds."""
        if not await self.observer.until(seen, limit):
            listed = await self.call(_listed)
            raise AssertionError(f"{self.scene}, while the window manager lists {listed}")
        return self.scene

    async def window(
        self, title: str, seen: Callable[[Window], bool] = lambda _: True, limit: float = 10
    ) -> Window:
        """Wait for a window with that title of which ``seen`` holds."""
        scene = await self.until(
            lambda s: any(w.title == title and seen(w) for w in s.windows), limit
        )
        return next(w for w in scene.windows if w.title == title)

    async def call(self, job: Callable[[Display], T]) -> T:
        return await self.session.call(job)

    async def empty(self) -> None:
        """Wait until no window is left."""
        await self.until(lambda s: not s.windows)


def _listed(display: Display) -> list[int] | None:
    root = display.screen().root
    found = root.get_full_property(display.get_atom("_NET_CLIENT_LIST"), Xatom.WINDOW)
    return None if found is None else list(found.value)


@contextlib.asynccontextmanager
async def watching(daemon: Daemon) -> AsyncIterator[Watch]:
    """An observer that watches; it must not fail."""
    async with session_on(daemon) as session:
        watch = Watch(session)
        await watch.observer.attach()
        task = asyncio.create_task(watch.observer.watch())
        try:
            yield watch
        finally:
            is_at_work = not task.done()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert is_at_work

"""The desktop's screen: its size, changes of it, and pictures of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from Xlib.display import Display

from vizproxy.errors import DisplayError, VizproxyError
from vizproxy.x11 import randr, screenshot
from vizproxy.x11.meters import ScreenMeters, read_meters
from vizproxy.x11.randr import ScreenSize
from vizproxy.x11.session import XSession

log = logging.getLogger(__name__)

_SOON_SECONDS: Final = 0.3


class Screen:
    """The screen behind an X session.

    Remembers the size that was last asked for, so that a restarted X server gets it back.
    ``bound`` is the largest width and height allowed, in pixels. ``changed`` is called after a resize.
    """

    def __init__(
        self,
        session: XSession,
        *,
        bound: tuple[int, int],
        dpi: int,
        changed: Callable[[], None],
    ) -> None:
        self._session = session
        self._bound = bound
        self._dpi = dpi
        self._changed = changed
        self._wanted: tuple[int, int] | None = None
        self._resizing = asyncio.Lock()
        self._photographing = asyncio.Lock()
        self._known: ScreenSize | None = None
        self.resizes = 0
        """How often :meth:`resize` has really changed the size."""

    @property
    def name(self) -> str | None:
        """The display's name (``:0``), or None while there is no connection to it."""
        return self._session.name

    def limit(self, bound: tuple[int, int]) -> None:
        """From now on another width and height are the largest allowed."""
        self._bound = bound

    async def size(self) -> ScreenSize:
        """The size now and its limits. Raises DisplayError when the X server cannot be asked."""
        size = await self._session.call(lambda d: randr.screen_size(d, self._bound))
        self._known = size
        return size

    async def size_soon(self) -> ScreenSize | None:
        """The size now, or the last one known where the X server takes its time; None without it."""
        if self._session.name is None:
            return None
        try:
            async with asyncio.timeout(_SOON_SECONDS):
                return await self.size()
        except (DisplayError, TimeoutError):
            return self._known

    async def sides(self) -> tuple[int, int] | None:
        """Width and height, as :meth:`size_soon` knows them."""
        size = await self.size_soon()
        return None if size is None else (size.width, size.height)

    async def resize(self, width: int, height: int) -> ScreenSize:
        """Resize the desktop and return its new size.

        Raises:
            InvalidRequestError: the size is out of range.
            DisplayError: the X server refuses or cannot be asked.
        """
        before, after = await self._resize(width, height)
        self.resizes += (before.width, before.height) != (after.width, after.height)
        return after

    async def restore(self) -> None:
        """Give a fresh X server the size that the former one had, if it can have it."""
        if self._wanted is None:
            return
        try:
            await self._resize(*self._wanted)
        except VizproxyError as error:
            log.warning("the desktop comes back in its first size: %s", error)

    async def png(self) -> bytes:
        """A picture of the desktop as PNG. Raises DisplayError when there is none to be had."""
        async with self._photographing:  # one at a time: each may take hundreds of MiB
            image = await self._session.call(screenshot.grab_root)
            return await asyncio.to_thread(screenshot.encode_png, image)

    async def meters(self) -> ScreenMeters:
        """What there is to measure of the screen now. Raises DisplayError when it cannot be asked."""
        return await self._session.call(read_meters)

    async def _resize(self, width: int, height: int) -> tuple[ScreenSize, ScreenSize]:
        """Resize the desktop; its size before and after. Raises what :meth:`resize` does."""

        def job(display: Display) -> tuple[ScreenSize, ScreenSize]:
            before = randr.screen_size(display, self._bound)
            return before, randr.resize(display, width, height, dpi=self._dpi, bound=self._bound)

        async with self._resizing:
            before, after = await self._session.call(job)
            self._wanted = (after.width, after.height)
            self._changed()
            return before, after

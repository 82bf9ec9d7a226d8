"""Counting changes, and waking who waits for the next one."""

from __future__ import annotations

import asyncio


class Changes:
    """A counter of changes that can be waited for."""

    def __init__(self) -> None:
        self.revision = 1
        self._next = asyncio.Event()

    def bump(self) -> None:
        """Something has changed."""
        self.revision += 1
        happened, self._next = self._next, asyncio.Event()
        happened.set()

    async def wait(self) -> None:
        """Return after the next change."""
        await self._next.wait()

"""Fixtures of the X11 tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support import Daemon
from tests.x11.watching import Watch, watching


@pytest_asyncio.fixture(loop_scope="module")
async def watch(shared: Daemon) -> AsyncIterator[Watch]:
    """An observer of the shared desktop, which is empty before and after."""
    async with watching(shared) as watch:
        await watch.empty()
        yield watch
        await watch.empty()

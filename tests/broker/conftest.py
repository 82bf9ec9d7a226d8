"""Fixtures of the broker's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.broker.desk import Desk, kill_all
from tests.cli.conftest import compiled_once
from tests.support import Daemon

__all__ = ["compiled_once"]


@pytest_asyncio.fixture(loop_scope="module")
async def desk(shared: Daemon) -> AsyncIterator[Desk]:
    """The module's desktop; whatever a test starts on it must have ended with the test."""
    made = Desk(shared)
    yield made
    try:
        await made.is_empty()
    finally:
        kill_all(made.processes())

"""Fixtures of the launcher's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.broker.conftest import desk
from tests.broker.desk import Desk
from tests.cli.conftest import compiled_once
from tests.launcher.launching import Launching, launching
from tests.unit.installing import Installed

__all__ = ["compiled_once", "desk"]


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """The applications of a container."""
    return Installed(tmp_path)


@pytest_asyncio.fixture(loop_scope="module")
async def launched(desk: Desk, installed: Installed) -> AsyncIterator[Launching]:
    """A launcher that is connected to the module's desktop."""
    async with launching(desk, installed) as made:
        await made.connected()
        yield made

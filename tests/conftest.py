"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import Daemon, running_daemon

TAKES_ANY_DISPLAY = ("tests/cli/", "test_event_loop", "test_two_servers", "test_virtualgl")
"""Tests whose X servers choose their numbers: run one after the other (`make test-fast`)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell pytest-xdist what belongs together: a file's tests, which may share a daemon."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        alone = any(part in file for part in TAKES_ANY_DISPLAY)
        item.add_marker(pytest.mark.xdist_group("any display" if alone else file))


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A ready desktop on a unix socket."""
    async with running_daemon(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """A ready desktop for all tests of a module, which leave it as they find it.

    The module needs ``pytestmark = pytest.mark.asyncio(loop_scope="module")``.
    """
    async with running_daemon(tmp_path_factory.mktemp("shared")) as running:
        yield running

"""Fixtures that all tests share."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import pytest_asyncio
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.support import Daemon, running_daemon

if TYPE_CHECKING:
    from playwright.async_api import Browser

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

TAKES_ANY_DISPLAY = ("tests/cli/", "test_event_loop", "test_two_servers", "test_virtualgl")
"""Tests whose X servers choose their numbers: run one after the other (`make test-fast`)."""


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Gives all tests of a file to one worker: they may share a daemon."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        alone = any(part in file for part in TAKES_ANY_DISPLAY)
        return "any display" if alone else file


def pytest_configure() -> None:
    """Take Ctrl-C for what it is: a shell lets what it starts in the background ignore it.

    So would all that the tests start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Nor does the time that an example takes say anything on a machine on which others are at work.
    hypothesis.settings.register_profile(
        "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("untimed")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Tell pytest-xdist what belongs together."""
    return ByFile(config, log)


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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests, which take a fresh profile each; they run on the session's loop."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - most tests need none

    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_FLAGS, timeout=120_000
        )
        yield running
        await running.close()

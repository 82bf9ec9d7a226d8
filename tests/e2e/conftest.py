"""One desktop for all tests here that don't break it; a fresh profile of the browser for each.

Playwright's objects live on one event loop, so all of these tests and fixtures run on the session's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from tests.e2e.sites import PrefixProxy, prefix_site
from tests.e2e.viewer import Viewer, link_to
from tests.support import Daemon, running_daemon

NewViewer = Callable[..., Awaitable[Viewer]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desktop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """A desktop that tests share; they must leave it in order."""
    async with running_daemon(
        tmp_path_factory.mktemp("shared"), "--http", "127.0.0.1:0"
    ) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def new_viewer(browser: Browser) -> AsyncIterator[NewViewer]:
    """Make viewers, each in a browser profile of its own; no page may have run into an error."""
    contexts: list[BrowserContext] = []
    viewers: list[Viewer] = []

    async def make(width: int = 1000, height: int = 700, **options: object) -> Viewer:
        size = {"width": width, "height": height}
        context = await browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
        contexts.append(context)
        viewers.append(Viewer(await context.new_page()))
        return viewers[-1]

    yield make
    for context in contexts:
        await context.close()
    errors = [problem for viewer in viewers for problem in viewer.problems]
    assert not [problem for problem in errors if problem.startswith("page error")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def link(desktop: Daemon) -> str:
    """The link to the shared desktop."""
    return await link_to(desktop)


@pytest_asyncio.fixture(loop_scope="session")
async def viewer(link: str, new_viewer: NewViewer) -> Viewer:
    """A connected viewer of the shared desktop."""
    made = await new_viewer()
    await made.open(link)
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(desktop: Daemon) -> AsyncIterator[PrefixProxy]:
    """A proxy in front of the shared desktop."""
    async with prefix_site(desktop.socket) as running:
        yield running

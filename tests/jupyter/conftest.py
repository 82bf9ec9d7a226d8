"""A JupyterLab for all tests here that don't need one of their own, and tabs with it.

Playwright's objects live on one event loop, so all of these tests and fixtures run on the session's.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.broker.desk import Desk
from tests.jupyter.installed import failing_program, install, tile, window_program
from tests.jupyter.jupyterlab import JupyterLab, running_lab
from tests.jupyter.labpage import SIZE, LabPage
from tests.support import eventually

NEIGHBOUR = (sys.executable, str(Path(__file__).with_name("neighbour.py")), "{port}")
NEIGHBOURS = {
    name: {
        "command": list(NEIGHBOUR),
        "absolute_url": absolute,
        "timeout": 30,
        "new_browser_tab": False,
        "launcher_entry": {"title": f"{name} neighbour"},
    }
    for name, absolute in (("absolute", True), ("relative", False))
}
BLUE = "0000ff"
GREEN = "00a000"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JupyterLab]:
    """JupyterLab with a desktop of its own, programs, a tile, and two other proxied applications."""
    directory = tmp_path_factory.mktemp("lab")
    config = directory / "vizproxy.toml"
    config.write_text(tile("Brain", window_program("Cortex", BLUE)))
    home = directory / "home"
    install(home, "org.green", "Meadow", window_program("Grass", GREEN), Categories="Graphics;")
    install(home, "broken", "Broken", failing_program("no licence", "try again", code=4))
    async with running_lab(directory, servers=NEIGHBOURS, VIZPROXY_CONFIG=str(config)) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab_desk(lab: JupyterLab) -> Desk:
    """The desktop of that JupyterLab, by its own socket, once it is ready."""

    async def listens() -> bool:
        return lab.embedded().socket.exists()

    await eventually(listens, timeout=30, of=lab.log.read_text)
    daemon = lab.embedded()
    await daemon.ready()
    return Desk(daemon)


@pytest_asyncio.fixture(loop_scope="session")
async def desk(lab_desk: Desk) -> AsyncIterator[Desk]:
    """The same; the programs that a test leaves on it are ended."""
    yield lab_desk
    for app in await lab_desk.apps():
        await lab_desk.ask("DELETE", f"apps/{app['id']}")
    await lab_desk.until(lambda apps: not apps, limit=20)


@contextlib.asynccontextmanager
async def tab_of(browser: Browser, lab: JupyterLab) -> AsyncIterator[LabPage]:
    """An empty tab, in a profile of its own that may use a JupyterLab; no error may occur in it."""
    async with await browser.new_context(viewport=SIZE) as context:  # type: ignore[arg-type]
        await context.request.get(f"{lab.url}lab?token={lab.token}")  # for the cookie
        tab = LabPage(await context.new_page(), lab.home)
        yield tab
        assert not tab.errors


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser, lab: JupyterLab, desk: Desk) -> AsyncIterator[LabPage]:
    """A tab in which nothing is open yet."""
    async with tab_of(browser, lab) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def page(tab: LabPage, lab: JupyterLab) -> LabPage:
    """JupyterLab with its launcher."""
    await tab.open(lab.url)
    return tab

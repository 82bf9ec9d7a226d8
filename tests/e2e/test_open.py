"""An address that names an app opens it, as a tile of JupyterLab does."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.launching import MIDDLE, Offered, launcher_on, window_program
from tests.e2e.panel import Panel
from tests.e2e.sites import PrefixProxy, framed
from tests.e2e.viewer import GREEN, RED
from tests.support import Daemon, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

VOREEN = Offered("tile.voreen", "Voreen", window_program("Brain"), tile=True)
OTHER = Offered("other", "Other", window_program("Other", "00a000"))
OPEN = "?open=tile.voreen"


async def test_a_tile_starts_its_app_once(
    proxy: PrefixProxy, desktop: Daemon, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    async with launcher_on(desktop, OTHER, VOREEN) as launcher:
        await viewer.open(proxy.link + OPEN)
        await viewer.sees(RED, *MIDDLE)
        assert viewer.page.url == proxy.link, "loading it again does not start another"
        await viewer.page.reload()
        await viewer.reaches("connected")
        await viewer.sees(RED, *MIDDLE)
        assert launcher.ordered == ["tile.voreen"]

        async with desktop.session() as session, session.post("api/v1/menu/other/open") as answer:
            assert answer.status == 201
        await viewer.sees(GREEN, *MIDDLE)
        await viewer.page.goto(proxy.link + OPEN)
        await viewer.reaches("connected")
        await viewer.sees(RED, *MIDDLE)
        assert launcher.ordered == ["tile.voreen", "other"], "it was brought to the front"

        await viewer.page.goto(proxy.link + OPEN + "&x=1#y")
        await viewer.page.wait_for_url(proxy.link + "?x=1#y")
    assert not viewer.problems
    assert not proxy.strays


async def test_a_menu_that_comes_after_the_picture_is_waited_for(
    proxy: PrefixProxy, desktop: Daemon, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    await viewer.open(proxy.link + OPEN)
    await Panel(viewer).open()
    await viewer.frame.locator("#panel[data-live=true]").wait_for()
    assert viewer.page.url == proxy.link + OPEN
    async with launcher_on(desktop, VOREEN) as launcher:
        await viewer.sees(RED, *MIDDLE)
        assert launcher.ordered == ["tile.voreen"]
        await viewer.page.wait_for_url(proxy.link)
    assert not viewer.problems


async def test_an_app_that_is_not_known_here(
    proxy: PrefixProxy, desktop: Daemon, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    await viewer.page.clock.install()
    await viewer.open(proxy.link + OPEN)
    await Panel(viewer).open()
    await viewer.frame.locator("#panel[data-live=true]").wait_for()
    toast = viewer.frame.locator("#toasts p", has_text="tile.voreen")
    assert await toast.count() == 0
    await viewer.page.clock.run_for(15_000)
    assert await toast.inner_text() == (
        "Cannot open tile.voreen: there is no such app in the menu here."
    )

    async with launcher_on(desktop, OTHER) as launcher:
        await viewer.page.goto(proxy.link + OPEN)
        await viewer.frame.locator("#toasts p", has_text="tile.voreen").wait_for()
        assert launcher.ordered == []


async def test_a_link_opens_tiles_only(
    proxy: PrefixProxy, desktop: Daemon, new_viewer: NewViewer
) -> None:
    """Any site may lead a visitor to such an address."""
    viewer = await new_viewer()
    async with launcher_on(desktop, OTHER, VOREEN) as launcher:
        await viewer.open(proxy.link + "?open=other")
        await viewer.frame.locator("#toasts p", has_text="other").wait_for()
        assert launcher.ordered == []

        async with desktop.session() as session, session.post("api/v1/menu/other/open") as answer:
            assert answer.status == 201
        await viewer.page.reload()
        toast = viewer.frame.locator("#toasts p", has_text="other")
        await toast.wait_for()
        assert (await toast.inner_text()).startswith("Cannot ")
        assert launcher.ordered == ["other"], "nor is one that runs brought to the front"
    assert not [problem for problem in viewer.problems if "Failed to load" not in problem]


async def test_in_a_new_tab_the_plain_desktop_opens(
    proxy: PrefixProxy, desktop: Daemon, new_viewer: NewViewer
) -> None:
    """From a frame whose app is still being started, say."""
    viewer = await new_viewer(1200, 900)
    async with launcher_on(desktop, VOREEN) as launcher:
        launcher.hold()
        frame = await framed(viewer, proxy, OPEN)
        await frame.locator("#handle").hover()
        async with viewer.page.context.expect_page() as opening:
            await frame.locator("#new-tab").click()
        tab = await opening.value
        assert tab.url == proxy.link
        await tab.close()
        launcher.go_on()

        async def opened() -> bool:
            return frame.url == proxy.link

        await eventually(opened)
        assert launcher.ordered == ["tile.voreen"]
    assert not viewer.problems

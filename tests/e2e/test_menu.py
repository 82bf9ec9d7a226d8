"""The app menu of the panel: it starts programs where the notebook is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.launching import (
    MIDDLE,
    Launcher,
    Menu,
    Offered,
    failing_program,
    launcher_on,
    window_program,
)
from tests.e2e.panel import CHORD, IN_SIGHT, Panel
from tests.e2e.sites import prefix_site
from tests.e2e.viewer import GREEN, RED, Viewer, link_to
from tests.support import Daemon, eventually, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

VOREEN = Offered("voreen", "Voreen", window_program("Brain"), "Volume rendering", tile=True)
EDITOR = Offered(
    "org.editor",
    "Éditeur",
    window_program("Text", "00a000"),
    "Writes",
    ("Qt", "Utility"),
    icon=True,
)
CHART = Offered("chart", "Chart", window_program("Chart"), "Plots", ("Graphics",), ("diagram",))
ALL = (EDITOR, CHART, VOREEN)
MISSING = Offered("missing", "Missing", ("/no/such/program",))
"""Its file is gone."""


async def opened(viewer: Viewer) -> Menu:
    """Open the panel and the menu in it."""
    panel = Panel(viewer)
    await panel.open()
    menu = Menu(panel)
    await menu.open()
    return menu


async def runs(launcher: Launcher, *names: str) -> None:
    """Wait until programs of these entries were started, in this order."""

    async def check() -> bool:
        return [app.rpartition("-")[0] for app in launcher.started] == list(names)

    await eventually(check, of=lambda: str(launcher.started))


async def test_without_a_menu_nothing_of_it_is_to_be_seen(viewer: Viewer, desktop: Daemon) -> None:
    panel, start = Panel(viewer), viewer.frame.locator("#start")
    await panel.open()
    await viewer.frame.locator("#no-apps").wait_for()
    assert not await start.is_visible()
    async with launcher_on(desktop, VOREEN):
        await start.wait_for()
        assert await start.evaluate("button => button.classList.contains('first')")
        assert "vizproxy run glxgears" in await viewer.text("#no-apps")
    await start.wait_for(state="hidden")
    assert not [url for url in viewer.requests if url.endswith("/menu")], "nobody looked at it"
    assert not viewer.problems


async def test_it_lists_searches_and_starts(viewer: Viewer, desktop: Daemon) -> None:
    async with launcher_on(desktop, *ALL) as launcher:
        menu = await opened(viewer)
        await menu.lists(
            ("Favourites", ["Voreen"]), ("Accessories", ["Éditeur"]), ("Graphics", ["Chart"])
        )
        await viewer.frame.locator(".entry[data-icon=shown]", has_text="Éditeur").wait_for()
        assert await menu.entry("Éditeur").locator("img").is_visible()
        glyph = menu.entry("Voreen").locator(".glyph")
        assert await glyph.inner_text() == "V"
        await viewer.page.keyboard.type("diag")
        await menu.lists(("", ["Chart"]))
        await menu.search.fill("zzz")
        await viewer.frame.locator("#menu-note", has_text="No app matches “zzz”.").wait_for()
        await menu.search.fill("EDIT")
        await menu.lists(("", ["Éditeur"]))
        await menu.entry("Éditeur").click()
        await viewer.sees(GREEN, *MIDDLE)
        await menu.is_open(but=True)
        await menu.panel.window("Text").wait_for()
        await menu.panel.gives_back_the_keyboard()
        assert launcher.ordered == ["org.editor"]

        await menu.open()
        assert await menu.search.input_value() == "", "each visit begins anew"
        await menu.entry("Éditeur").locator(".word", has_text="running").wait_for()
    assert not viewer.problems


async def test_the_whole_menu_by_keyboard(viewer: Viewer, desktop: Daemon) -> None:
    press = viewer.page.keyboard.press
    async with launcher_on(desktop, *ALL):
        await viewer.frame.locator("#help-menu:not([hidden])").wait_for(state="attached")
        await press(CHORD)
        panel, menu = Panel(viewer), Menu(Panel(viewer))
        await panel.has_focus("Start an app")
        await press("Enter")
        await panel.has_focus("Search for an app to start")
        await menu.entry("Voreen").wait_for()
        assert await menu.picked() == "", "nothing is started by chance"
        await press("Enter")
        for key, name in (
            ("ArrowDown", "Voreen"),
            ("ArrowDown", "Éditeur"),
            ("ArrowUp", "Voreen"),
            ("ArrowUp", "Chart"),
        ):
            await press(key)
            await menu.picks(name)
        await press("Escape")
        await menu.is_open(but=True)
        await panel.has_focus("Start an app")
        await press("Enter")
        await viewer.page.keyboard.type("zz")
        await viewer.frame.locator("#menu-said", has_text="No app matches").wait_for()
        for _ in "zz":
            await press("Backspace")
        await viewer.page.keyboard.type("vo")
        await menu.picks("Voreen")
        await press("Enter")
        await viewer.sees(RED, *MIDDLE)
        await panel.gives_back_the_keyboard()
        await panel.is_open()
        await panel.window("Brain").wait_for()
        await press(CHORD)
        await panel.has_focus("Brain")
        await press("Escape")
        await panel.is_open(but=True)
    assert not viewer.problems


async def test_it_says_what_starts_and_starts_another_at_will(
    viewer: Viewer, desktop: Daemon
) -> None:
    async with launcher_on(desktop, *ALL) as launcher:
        menu = await opened(viewer)
        launcher.hold()
        row = menu.entry("Chart")
        await row.dblclick()
        await row.locator(".word", has_text="starting…").wait_for()
        assert await row.get_attribute("aria-disabled") == "true"
        await viewer.frame.locator("#panel-said", has_text="Starting Chart").wait_for(
            state="attached"
        )
        await menu.entry("Voreen").click()
        launcher.go_on()
        await menu.is_open(but=True)
        assert sorted(launcher.ordered) == ["chart", "voreen"], "one click, one app"
        await menu.open()
        await menu.entry("Chart").locator(".word", has_text="running").wait_for()
        await menu.entry("Chart").click()
        await menu.is_open(but=True)
        assert launcher.ordered.count("chart") == 2
        assert len(set(launcher.started)) == 3
    assert not viewer.problems


async def test_what_cannot_be_started_says_why(viewer: Viewer, desktop: Daemon) -> None:
    async with launcher_on(desktop, MISSING, VOREEN) as launcher:
        menu = await opened(viewer)
        await menu.entry("Missing").click()
        failure = viewer.frame.locator("#menu-failure")
        await failure.wait_for()
        text = await failure.inner_text()
        assert text.startswith("Cannot run /no/such/program: "), text
        assert await viewer.frame.locator("#toasts p", has_text="Cannot run").inner_text() == text
        await menu.is_open()
        assert not await menu.entry("Missing").locator(".word").is_visible()
        await menu.entry("Voreen").click()
        await failure.wait_for(state="hidden")
        await menu.is_open(but=True)
        await runs(launcher, "voreen")
    problems = [problem for problem in viewer.problems if "Failed to load" not in problem]
    assert not problems


async def test_a_program_that_fails_shows_what_it_said_last(
    tmp_path: Path, new_viewer: NewViewer
) -> None:
    brief = Offered("brief", "Brief", failing_program("no licence <b>", code=4))
    lines = [*(f"line {number}" for number in range(1, 8)), "/a/long/path" * 20]
    wordy = Offered("wordy", "Wordy", failing_program(*lines))
    async with (
        running_daemon(tmp_path, "--http", "127.0.0.1:0") as daemon,
        launcher_on(daemon, brief, wordy),
    ):
        viewer = await new_viewer()
        await viewer.open(await link_to(daemon))
        menu = await opened(viewer)
        await menu.entry("Brief").click()
        toast = viewer.frame.locator("#toasts p", has_text="Brief")
        await toast.wait_for()
        assert await toast.locator("code").inner_text() == "no licence <b>"
        message = viewer.frame.locator("#messages .notice", has_text="Brief")
        await message.locator("pre", has_text="no licence <b>").wait_for()
        assert "no licence" not in await message.locator(".text").inner_text()

        await menu.open()
        await menu.entry("Wordy").click()
        message = viewer.frame.locator("#messages .notice", has_text="Wordy")
        await message.wait_for()
        output = message.locator("details pre")
        assert not await output.is_visible()
        await message.locator("summary", has_text="8 lines").click()
        assert (await output.inner_text()).split("\n") == lines
        widths = await output.evaluate("pre => [pre.scrollWidth, pre.clientWidth]")
        assert widths[0] <= widths[1], "long lines are wrapped"
        last = viewer.frame.locator("#toasts p code", has_text="/a/long/path")
        assert await last.inner_text() == lines[-1]
        assert not viewer.problems


async def test_it_follows_what_is_offered(viewer: Viewer, desktop: Daemon) -> None:
    def asked() -> int:
        return len([url for url in viewer.requests if url.endswith("/api/v1/menu")])

    async with launcher_on(desktop, VOREEN) as launcher:
        menu = await opened(viewer)
        await menu.lists(("Favourites", ["Voreen"]))
        await viewer.page.keyboard.press("ArrowDown")
        await menu.picks("Voreen")
        await launcher.offer(CHART, VOREEN)
        await menu.lists(("Favourites", ["Voreen"]), ("Graphics", ["Chart"]))
        await menu.picks("Voreen")
        await viewer.page.keyboard.press("Escape")
        before = asked()
        await launcher.offer(EDITOR)
        await launcher.offer(EDITOR, CHART)
        await menu.open()
        await menu.lists(("Accessories", ["Éditeur"]), ("Graphics", ["Chart"]))
        assert asked() == before + 1, "it is asked for when somebody looks"
    note = viewer.frame.locator("#menu-note", has_text="No apps are offered at the moment.")
    await note.wait_for()
    await viewer.frame.locator("#menu-back").click()
    await menu.panel.gives_back_the_keyboard()
    assert not viewer.problems


async def test_the_help_leads_to_it(viewer: Viewer, desktop: Daemon) -> None:
    async with launcher_on(desktop, VOREEN):
        await viewer.frame.locator("#help-menu:not([hidden])").wait_for(state="attached")
        await viewer.frame.locator("#handle").hover()
        await viewer.frame.locator("#help-open").click()
        await viewer.frame.locator("#help-start").click()
        menu = Menu(Panel(viewer))
        await menu.is_open()
        await menu.panel.has_focus("Search for an app to start")
        await viewer.page.keyboard.press("Escape")
        await viewer.page.keyboard.press("Escape")
        await menu.panel.is_open(but=True)
    assert not viewer.problems


async def test_on_a_phone(link: str, desktop: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer(390, 844, has_touch=True, is_mobile=True)
    await viewer.open(link)
    panel, menu = Panel(viewer), Menu(Panel(viewer))
    many = [Offered(f"app{n}", f"App {n}", VOREEN.program) for n in range(30)]
    async with launcher_on(desktop, VOREEN, *many):
        await viewer.frame.locator("#handle").tap()
        await viewer.frame.locator("#apps-open").tap()
        await panel.is_open()
        await menu.button.tap()
        await menu.entry("Voreen").wait_for()

        async def in_sight() -> bool:
            return bool(await panel.element.evaluate(IN_SIGHT))

        await eventually(in_sight)
        assert await panel.focused() != "Search for an app to start", "no keyboard unasked"
        box = await panel.element.bounding_box()
        assert box is not None
        assert box["y"] > 80, "the picture is not all covered"
        for thing in await menu.element.locator("button, input, .entry >> nth=0").all():
            area = await thing.bounding_box()
            assert area is not None
            assert area["height"] >= 40, "large enough for a finger"
        await menu.entry("App 29").scroll_into_view_if_needed()
        await menu.search.tap()
        await menu.search.fill("vor")
        await menu.entry("Voreen").tap()
        await panel.is_open(but=True)
        await menu.panel.gives_back_the_keyboard()
    assert not viewer.problems


async def test_it_is_asked_for_until_there_is_an_answer(
    desktop: Daemon, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    async with prefix_site(desktop.socket) as proxy, launcher_on(desktop, VOREEN):
        proxy.out_of_order.add("/api/v1/menu")
        await viewer.open(proxy.link)
        menu = await opened(viewer)
        note = viewer.frame.locator("#menu-note", has_text="502")
        await note.wait_for()
        assert "The page keeps trying by itself." in await note.inner_text()
        proxy.out_of_order.clear()
        await menu.entry("Voreen").wait_for()
        assert not await note.is_visible()


async def test_strangers_see_nothing_of_it(desktop: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    async with prefix_site(desktop.socket) as proxy, launcher_on(desktop, EDITOR):
        await viewer.open(proxy.link)
        menu = await opened(viewer)
        await menu.entry("Éditeur").wait_for()
        await viewer.frame.locator(".entry[data-icon=shown]").wait_for()
        assert not proxy.strays
        sign_in = {"status": 403, "content_type": "text/html", "body": "<h1>Sign in"}
        await viewer.page.route("**/api/v1/status*", lambda route: route.fulfill(**sign_in))
        await proxy.drop_sockets()
        await viewer.reaches("denied")
        await menu.entry("Éditeur").wait_for(state="detached")

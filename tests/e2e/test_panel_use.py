"""The side panel by keyboard, on a phone, in a new tab, and while its socket is lost."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.panel import CHORD, IN_SIGHT, Panel, app_on
from tests.e2e.sites import prefix_site
from tests.e2e.viewer import GREEN, RED, Viewer, observer_on
from tests.support import Daemon, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

RED_TITLED = ("--colour", "ff0000", "--title")
GREEN_TITLED = ("--colour", "00a000", "--title")
EVENTS = "/api/v1/events"
NO_STORAGE = """Object.defineProperty(window, 'localStorage', {
  get() { throw new DOMException('blocked', 'SecurityError'); },
});"""


async def test_the_whole_panel_by_keyboard(viewer: Viewer, desktop: Daemon) -> None:
    panel = Panel(viewer)
    press = viewer.page.keyboard.press
    async with app_on(desktop, "first", *RED_TITLED, "First") as first:
        await viewer.sees(RED, 200, 200)
        async with app_on(desktop, "second", *GREEN_TITLED, "Second"):
            await viewer.sees(GREEN, 200, 200)
            await panel.open()
            await panel.element.locator(".active .title", has_text="Second").wait_for()
            await viewer.frame.locator("#panel-close").click()
            await panel.is_open(but=True)
            await press(CHORD)
            await panel.is_open()
            await panel.has_focus("Second")
            await press("ArrowUp")
            await panel.has_focus("First")
            await press("ArrowUp")
            await panel.has_focus("Second")
            await press("ArrowDown")
            await press("Enter")
            await viewer.sees(RED, 200, 200)
            await panel.gives_back_the_keyboard()
            await viewer.page.keyboard.type("x")
            while (line := await first.line()) != f"key {ord('x')}":
                assert line.startswith("key 655"), "the chord's modifiers, and no letter of it"

            await panel.element.locator(".active .title", has_text="First").wait_for()
            await press(CHORD)  # it is open: the keyboard goes there
            await panel.has_focus("First")
            for label in ("Maximise First", "Close First", "Stop second", "Second"):
                await press("Tab")
                await panel.has_focus(label)
            await press("ArrowUp")
            await press("Tab")
            await press("Tab")
            await panel.has_focus("Close First")
            await press("Enter")
            await panel.app("first").wait_for(state="detached")
            await panel.has_focus("Second")
            await press("Escape")
            await panel.is_open(but=True)
            await panel.gives_back_the_keyboard()
    assert not viewer.problems


async def test_a_row_keeps_the_focus_while_its_title_runs(viewer: Viewer, desktop: Daemon) -> None:
    panel = Panel(viewer)
    async with app_on(desktop, "runner", *RED_TITLED, "Lap") as program:
        await viewer.sees(RED, 200, 200)
        await viewer.page.keyboard.press(CHORD)
        row = panel.window("Lap").locator(".raise")
        await row.focus()
        await panel.element.evaluate("panel => { panel.querySelector('.window').marked = true; }")
        await program.do("titles 500")
        await panel.window("Lap 500").wait_for()
        await panel.has_focus("Lap 500")
        assert await panel.window("Lap 500").evaluate("row => row.marked")
        await viewer.page.keyboard.press("Escape")


async def test_the_mouse_leaves_the_keyboard_at_the_desktop(
    viewer: Viewer, desktop: Daemon
) -> None:
    panel = Panel(viewer)
    async with observer_on(desktop) as observer:
        await viewer.sees(RED, 150, 150)
        await panel.open()
        await viewer.frame.locator("#panel-title").click()
        await viewer.frame.locator("#tile").click(force=True)
        await viewer.page.keyboard.type("j")
        await observer.key("j")
        before = len(observer.told)
        await viewer.frame.locator("#panel-close").click()
        await panel.is_open(but=True)
        await viewer.page.keyboard.type("l")
        await observer.key("l")
        assert not [told for told in observer.told[before:] if told["event"] == "button"]
    assert not viewer.problems


async def test_it_lies_over_the_picture_and_does_not_resize_the_desktop(viewer: Viewer) -> None:
    await viewer.is_of_size(1000, 700)
    await Panel(viewer).open()
    box = await viewer.frame.locator("#panel").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 1000
    assert (await viewer.canvas())["pixels"] == [1000, 700]
    await viewer.frame.locator("#handle").hover()
    bar = await viewer.frame.locator("#tools").bounding_box()
    assert bar is not None
    assert bar["x"] >= 0
    assert bar["x"] + bar["width"] <= box["x"], "the toolbar stands beside it"


async def test_it_is_as_it_was_in_the_next_visit(link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    await viewer.open(link)
    panel = Panel(viewer)
    await panel.is_open(but=True)
    await panel.open()
    await viewer.page.reload()
    await viewer.reaches("connected")
    await panel.is_open()
    await panel.gives_back_the_keyboard()
    await viewer.frame.locator("#panel-close").click()
    await viewer.page.reload()
    await viewer.reaches("connected")
    await panel.is_open(but=True)


async def test_it_works_where_storage_is_blocked(link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    await viewer.page.add_init_script(NO_STORAGE)
    await viewer.open(link)
    await Panel(viewer).open()
    await viewer.frame.locator("#no-apps").wait_for()
    assert not viewer.problems


async def test_on_a_phone_it_is_a_sheet(link: str, desktop: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer(390, 844, has_touch=True, is_mobile=True)
    await viewer.open(link)
    panel = Panel(viewer)
    async with app_on(desktop, "lower", *RED_TITLED, "Lower"):
        await viewer.sees(RED, 200, 200)
        async with app_on(desktop, "upper", *GREEN_TITLED, "Upper"):
            await viewer.sees(GREEN, 200, 200)
            await viewer.frame.locator("#handle").tap()
            await viewer.frame.locator("#apps-open").tap()
            await panel.is_open()
            await panel.window("Lower").wait_for()

            async def in_sight() -> bool:
                return bool(await panel.element.evaluate(IN_SIGHT))

            await eventually(in_sight)
            box = await panel.element.bounding_box()
            assert box is not None
            assert (box["x"], box["width"]) == (0, 390)
            assert round(box["y"] + box["height"]) == 844
            assert box["y"] > 200, "the picture stays in sight"
            for button in await panel.element.locator("button:visible").all():
                area = await button.bounding_box()
                assert area is not None
                assert area["height"] >= 40, "large enough for a finger"
            await panel.window("Lower").locator(".raise").tap()
            await panel.is_open(but=True)
            await viewer.sees(RED, 200, 200)
    assert not viewer.problems


async def test_a_lost_socket_comes_back(desktop: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    async with prefix_site(desktop.socket) as proxy:
        await viewer.open(proxy.link)
        panel = Panel(viewer)
        await panel.open()
        async with app_on(desktop, "steady", *RED_TITLED, "Before") as program:
            await panel.window("Before").wait_for()
            proxy.out_of_order.add(EVENTS)
            await proxy.drop_sockets(EVENTS)
            stale = viewer.frame.locator("#panel-stale", has_text="Not up to date")
            await stale.wait_for()
            assert await viewer.state() == "connected"
            assert await panel.window("Before").is_visible(), "what was known stays"
            await program.do("title After")
            proxy.out_of_order.clear()
            await panel.window("After").wait_for(timeout=60_000)
            await viewer.frame.locator("#panel-stale:empty").wait_for(state="attached")
            assert await panel.element.get_attribute("data-live") == "true"


async def test_strangers_see_nothing_of_it(desktop: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    async with prefix_site(desktop.socket) as proxy:
        await viewer.open(proxy.link)
        panel = Panel(viewer)
        await panel.open()
        async with app_on(desktop, "private", *RED_TITLED, "Private"):
            await panel.window("Private").wait_for()
            sign_in = {"status": 403, "content_type": "text/html", "body": "<h1>Sign in"}
            await viewer.page.route("**/api/v1/status*", lambda route: route.fulfill(**sign_in))
            await proxy.drop_sockets()
            await viewer.reaches("denied")
            assert not await panel.element.is_visible()
            await panel.window("Private").wait_for(state="detached")

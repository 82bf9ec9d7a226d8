"""What somebody types and clicks in the page reaches the program on the desktop."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from Xlib import X

from tests.e2e.conftest import NewViewer
from tests.e2e.viewer import RED, Observer, Viewer, observer_on
from tests.support import Daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


@pytest_asyncio.fixture(loop_scope="session")
async def observer(desktop: Daemon, viewer: Viewer) -> AsyncIterator[Observer]:
    """The program in the viewer's picture."""
    async with observer_on(desktop, "--place", "700x500+100+80") as running:
        await viewer.sees(RED, 400, 300)
        yield running


TYPED = "azAZ059 !@#$%^&*()-_=+[]{}\\|;:'\",<.>/?`~"


async def test_every_character_of_a_us_keyboard(viewer: Viewer, observer: Observer) -> None:
    await viewer.page.keyboard.type(TYPED)
    for character in TYPED:
        await observer.key(character)


async def test_keys_that_browsers_have_uses_for(viewer: Viewer, observer: Observer) -> None:
    await viewer.page.evaluate("window.marker = 'the same page'")
    for name in ("Enter", "Backspace", "Tab", "Escape", "Delete", "F1", "F5", "F11"):
        await viewer.page.keyboard.press(name)
        await observer.key({"Enter": "Return", "Backspace": "BackSpace"}.get(name, name))
    for name in ("f", "l", "p", "s"):
        await viewer.page.keyboard.press(f"Control+{name}")
        await observer.key("Control_L")
        assert (await observer.key(name))["state"] == X.ControlMask
    assert await viewer.page.evaluate("window.marker") == "the same page"


async def test_keys_that_move(viewer: Viewer, observer: Observer) -> None:
    keys = {"ArrowLeft": "Left", "ArrowRight": "Right", "ArrowUp": "Up", "ArrowDown": "Down"}
    keys |= {"Home": "Home", "End": "End", "PageUp": "Page_Up", "PageDown": "Page_Down"}
    for name, x11 in keys.items():
        await viewer.page.keyboard.press(name)
        await observer.key(x11)


async def test_chords_and_their_release(viewer: Viewer, observer: Observer) -> None:
    await viewer.page.keyboard.press("Control+Shift+A")
    for key, down in [("Control_L", True), ("Shift_L", True), ("A", True)]:
        told = await observer.next("key")
        assert (told["key"], told["down"]) == (key, down), observer.told
    released = {(await observer.next("key"))["key"] for _ in range(3)}
    assert released == {"A", "Shift_L", "Control_L"}
    await viewer.page.keyboard.press("b")
    assert (await observer.key("b"))["state"] == 0, "no modifier stays down"


async def test_a_letter_that_the_servers_keyboard_lacks(viewer: Viewer, observer: Observer) -> None:
    for character in "éß":
        await viewer.type_foreign(character)
        await observer.key(character)


async def test_a_key_that_is_down_when_the_page_loses_focus_is_let_go(
    viewer: Viewer, observer: Observer
) -> None:
    await viewer.page.keyboard.down("Alt")
    assert (await observer.next("key"))["down"]
    await viewer.page.evaluate("window.dispatchEvent(new Event('blur'))")
    told = await observer.next("key")
    assert (told["key"], told["down"]) == ("Alt_L", False)


async def test_clicks_hit_the_pixel(viewer: Viewer, observer: Observer) -> None:
    for button, number in (("left", 1), ("middle", 2), ("right", 3)):
        for x, y in [(100, 80), (799, 579), (333, 222)]:
            await viewer.click(x, y, button=button)
            for down in (True, False):
                told = await observer.next("button")
                assert told == {"event": "button", "button": number, "down": down, "x": x, "y": y}


async def test_a_double_click(viewer: Viewer, observer: Observer) -> None:
    await viewer.click(300, 300, click_count=2)
    told = [await observer.next("button") for _ in range(4)]
    assert [t["down"] for t in told] == [True, False, True, False]
    assert {(t["button"], t["x"], t["y"]) for t in told} == {(1, 300, 300)}


async def test_the_wheel(viewer: Viewer, observer: Observer) -> None:
    """Up and down; x11vnc knows no buttons beyond five, so none for sideways."""
    await viewer.page.mouse.move(*await viewer.place_of(250, 350))
    for dy, number in ((120, 5), (-120, 4), (120, 5)):
        await viewer.page.mouse.wheel(0, dy)
        for down in (True, False):
            told = await observer.next("button")
            assert told == {"event": "button", "button": number, "down": down, "x": 250, "y": 350}


async def test_a_drag(viewer: Viewer, observer: Observer) -> None:
    mouse = viewer.page.mouse
    await mouse.move(*await viewer.place_of(200, 150))
    await mouse.down()
    await mouse.move(*await viewer.place_of(600, 450), steps=8)
    await mouse.up()
    first = await observer.next("button")
    assert (first["down"], first["x"], first["y"]) == (True, 200, 150)
    last = await observer.next("button")
    assert (last["down"], last["x"], last["y"]) == (False, 600, 450)
    assert any(told["event"] == "motion" for told in observer.told), "seen on its way"


async def test_a_finger(desktop: Daemon, link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer(390, 844, has_touch=True, is_mobile=True)
    await viewer.open(link)
    await viewer.is_of_size(390, 844)
    async with observer_on(desktop, "--place", "300x300+40+100") as observer:
        await viewer.sees(RED, 200, 200)
        await viewer.page.touchscreen.tap(200, 250)
        told = await observer.next("button")
        assert (told["button"], told["x"], told["y"]) == (1, 200, 250)

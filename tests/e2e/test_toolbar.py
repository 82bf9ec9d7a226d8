"""The toolbar, by mouse and by keyboard, and what its buttons do."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.conftest import NewViewer
from tests.e2e.viewer import RED, Viewer, observer_on
from tests.support import Daemon, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

CHORD = "Control+Alt+Shift+M"
FOCUSED = "document.activeElement.id || document.activeElement.dataset.mode"


async def has_focus(viewer: Viewer, name: str) -> None:
    async def check() -> bool:
        return bool(await viewer.page.evaluate(FOCUSED) == name)

    await eventually(check)


async def bar_is(viewer: Viewer, *, open: bool) -> None:  # noqa: A002
    value = str(open).lower()
    await viewer.frame.locator(f"#bar[data-open={value}]").wait_for(state="attached")


async def test_the_screenshot_button_saves_the_desktop(
    viewer: Viewer, desktop: Daemon, tmp_path: Path
) -> None:
    await viewer.is_of_size(1000, 700)
    async with observer_on(desktop):
        await viewer.sees(RED, 150, 150)
        await viewer.frame.locator("#handle").hover()
        async with viewer.page.expect_download() as downloading:
            await viewer.frame.locator("#screenshot").click()
        download = await downloading.value
    assert download.suggested_filename.startswith("desktop-2")
    await download.save_as(tmp_path / "desktop.png")
    with Image.open(tmp_path / "desktop.png") as image:
        assert image.format == "PNG"
        assert image.size == (1000, 700), "the desktop alone, without the toolbar"
        assert image.convert("RGB").getpixel((150, 150)) == RED
    assert not viewer.problems


async def test_the_mouse_opens_the_bar_and_leaving_closes_it(viewer: Viewer) -> None:
    await bar_is(viewer, open=False)
    assert not await viewer.frame.locator("#tools").is_visible()
    await viewer.frame.locator("#handle").hover()
    await bar_is(viewer, open=True)
    for name in ("#modes", "#apps-open", "#screenshot", "#fullscreen", "#checkup-open"):
        assert await viewer.frame.locator(name).is_visible()
    assert not await viewer.frame.locator("#new-tab").is_visible(), "it is a tab already"
    assert not await viewer.frame.locator("#drag").is_visible(), "nothing is cut off"
    await viewer.page.mouse.move(400, 400)
    await bar_is(viewer, open=False)


async def test_a_click_into_the_picture_closes_the_bar(viewer: Viewer, desktop: Daemon) -> None:
    async with observer_on(desktop) as observer:
        await viewer.sees(RED, 150, 150)
        await viewer.page.keyboard.press(CHORD)
        await bar_is(viewer, open=True)
        await viewer.click(150, 150)
        assert (await observer.next("button"))["x"] == 150
        await bar_is(viewer, open=False)
        await viewer.page.keyboard.type("k")
        await observer.key("k")


async def test_the_whole_bar_by_keyboard(viewer: Viewer, desktop: Daemon) -> None:
    async with observer_on(desktop) as observer:
        await viewer.sees(RED, 150, 150)
        await viewer.page.keyboard.press(CHORD)
        await has_focus(viewer, "resize")
        names = ("apps-open", "screenshot", "fullscreen", "checkup-open", "help-open")
        for name in ("scale", "actual", *names, "resize"):
            await viewer.page.keyboard.press("ArrowRight")
            await has_focus(viewer, name)
        await viewer.page.keyboard.press("ArrowLeft")
        await has_focus(viewer, "help-open")
        await viewer.page.keyboard.press("Escape")
        await bar_is(viewer, open=False)
        await viewer.page.keyboard.type("z")
        while (told := await observer.next("key"))["key"] != "z":
            # Of all that only the chord's modifiers reached the desktop, and they were let go.
            assert told["key"] in {"Control_L", "Alt_L", "Meta_L", "Shift_L"}, observer.told
        assert told["state"] == 0


async def test_tab_reaches_the_bar_from_outside_the_picture(viewer: Viewer) -> None:
    await viewer.page.evaluate("document.activeElement.blur()")
    await viewer.page.locator("#handle").focus()
    await viewer.page.keyboard.press("Enter")
    await bar_is(viewer, open=True)
    await viewer.page.keyboard.press("Tab")
    await has_focus(viewer, "resize")
    await viewer.page.keyboard.press("Tab")
    await has_focus(viewer, "apps-open")
    await viewer.page.keyboard.press("Escape")
    await bar_is(viewer, open=False)


async def test_help_says_how_to_start_a_program(link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    place = link.partition("#")[0]
    rights = ["clipboard-read", "clipboard-write"]
    await viewer.page.context.grant_permissions(rights, origin=place.rstrip("/"))
    await viewer.open(link)
    await viewer.frame.locator("#handle").hover()
    await viewer.frame.locator("#help-open").click()
    help_dialog = viewer.frame.locator("dialog#help")
    assert await help_dialog.is_visible()
    commands = ("vizproxy run glxgears", 'eval "$(vizproxy env)"')
    assert await viewer.frame.locator("#help code").all_inner_texts() == list(commands)
    for command in commands:
        way = viewer.frame.locator("#help .command", has_text=command)
        await way.locator("button.copy").click()
        await way.locator("button.copy", has_text="Copied").wait_for()
        assert await viewer.page.evaluate("navigator.clipboard.readText()") == command
    await viewer.drag_from(viewer.frame.locator("#help-title"), 50, 300)
    assert await help_dialog.is_visible(), "text was selected, and no more"
    await help_dialog.click(position={"x": 5, "y": 50})
    assert await help_dialog.is_visible(), "that is its edge"
    await viewer.click(50, 300)
    await help_dialog.wait_for(state="hidden")

    async def desktop_has_focus() -> bool:  # the page hears of the end after it is to be seen
        return bool(await viewer.page.evaluate("document.activeElement.tagName === 'CANVAS'"))

    await eventually(desktop_has_focus)
    assert not viewer.problems


async def test_full_screen(viewer: Viewer) -> None:
    await viewer.frame.locator("#handle").hover()
    await viewer.frame.locator("#fullscreen").click()

    async def full() -> bool:
        return bool(await viewer.page.evaluate("document.fullscreenElement !== null"))

    await eventually(full)
    assert await viewer.frame.locator("#fullscreen").get_attribute("title") == "Leave full screen"
    assert await viewer.state() == "connected"
    await viewer.page.evaluate("document.exitFullscreen()")


async def test_a_finger_opens_and_closes_the_bar(link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer(390, 844, has_touch=True, is_mobile=True)
    await viewer.open(link)
    await viewer.frame.locator("#handle").tap()
    await bar_is(viewer, open=True)
    box = await viewer.frame.locator("#tools").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390, "the whole bar fits a phone"
    for button in await viewer.frame.locator("#tools button:visible").all():
        area = await button.bounding_box()
        assert area is not None
        assert min(area["width"], area["height"]) >= 40, "large enough for a finger"
    await viewer.frame.locator("#handle").tap()
    await bar_is(viewer, open=False)

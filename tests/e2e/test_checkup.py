"""What the page says of a desktop that could be better, and the check-up of its machine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Route

from tests.e2e.conftest import NewViewer
from tests.e2e.test_failure_view import BreakableVnc
from tests.e2e.viewer import RED, Viewer, link_to, observer_on
from tests.support import Daemon, eventually, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

ADVICE = "Programs draw on the GPU, but the picture may be late."
TOOLBAR = "Control+Alt+Shift+M"
TONES = {"red": "bad", "yellow": "poor", "green": "good"}

TOO_MUCH = {
    "type": "request",
    "name": "large",
    "program": "large",
    "framebuffer": 2**50,
    "machine": "here",
    "pid_namespace": "pid:[2]",
    "pids": [],
}
NO_CLIPBOARD = """
navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'));
document.execCommand = () => false;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def degraded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """A desktop whose plan is not the best one: VirtualGL is missing."""
    async with running_daemon(
        tmp_path_factory.mktemp("degraded"),
        *("--http", "127.0.0.1:0", "--plan", "auto"),
        VIZPROXY_DISPLAY_GPU_DRIVER="dummy",
        VIZPROXY_DISPLAY_VIRTUALGL_DIR="/no/such/directory",
    ) as running:
        yield running


class Checkup:
    """The notice and the dialog of a viewer's page."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.advice = viewer.frame.locator("#advice")
        self.dialog = viewer.frame.locator("#checkup")
        self.verdict = self.dialog.locator("#checkup-verdict")
        self.again = self.dialog.locator("#checkup-again")

    async def open(self) -> None:
        """Open the dialog by the notice's button, until the report is there."""
        await self.advice.locator("#advice-why").click()
        await self.is_there()

    async def is_there(self) -> None:
        """Wait for the report."""
        await self.dialog.locator("#checkup-when").get_by_text("Checked at").wait_for()
        await self.viewer.frame.locator("#checkup[open][data-busy=false]").wait_for()

    async def is_closed(self) -> None:
        await self.dialog.wait_for(state="hidden")

    def rows(self, where: str = "") -> Locator:
        return self.dialog.locator(f"{where} .finding")

    async def shown(self) -> list[tuple[str | None, str]]:
        """Tone and title of each finding, as they are listed."""
        return [
            (await row.get_attribute("data-tone"), await row.locator(".name").text_content() or "")
            for row in await self.rows().all()
        ]


async def report_of(daemon: Daemon) -> dict[str, Any]:
    async with daemon.session() as session, session.get("api/v1/checkup") as response:
        assert response.status == 200
        report: dict[str, Any] = await response.json()
        return report


async def opened(daemon: Daemon, new_viewer: NewViewer, *size: int, **options: object) -> Checkup:
    """A viewer of a desktop."""
    viewer = await new_viewer(*size, **options)
    await viewer.open(await link_to(daemon))
    return Checkup(viewer)


async def test_a_lesser_plan_is_told_and_the_check_up_says_why(
    degraded: Daemon, new_viewer: NewViewer
) -> None:
    checkup = await opened(degraded, new_viewer)
    await checkup.advice.wait_for()
    assert await checkup.viewer.text("#advice-text") == ADVICE
    await checkup.open()
    assert not await checkup.advice.is_visible(), "it is seen to"

    report = await report_of(degraded)
    order = ["red", "yellow", "green"]
    findings = sorted(report["findings"], key=lambda finding: order.index(finding["level"]))
    assert await checkup.shown() == [(TONES[f["level"]], f["title"]) for f in findings]
    assert await checkup.rows("#checkup-rows").count() > 0
    assert await checkup.rows("#checkup-rows").first.locator(".what").is_visible()
    assert not await checkup.rows("#checkup-fine").first.is_visible(), "folded"
    await checkup.dialog.locator("#checkup-fine summary").click()
    assert await checkup.rows("#checkup-fine").first.is_visible()
    assert (await checkup.viewer.text("#checkup-plan")) == "direct"
    assert not checkup.viewer.problems


async def test_the_dialog_has_keyboard_and_mouse_for_itself(
    degraded: Daemon, new_viewer: NewViewer
) -> None:
    checkup = await opened(degraded, new_viewer)
    keyboard = checkup.viewer.page.keyboard
    async with observer_on(degraded, "--place", "300x200+0+0") as observer:
        await checkup.viewer.sees(RED, 50, 150)
        await checkup.open()
        await keyboard.type("abc")
        for chord in (TOOLBAR, "Control+Alt+Shift+A"):
            await keyboard.press(chord)
        await checkup.viewer.sees(RED, 50, 150)
        assert await checkup.viewer.state() == "connected", "the picture goes on"
        await checkup.viewer.drag_from(checkup.verdict, 50, 150)
        assert await checkup.dialog.is_visible(), "text was selected, and no more"
        await checkup.viewer.click(50, 150)
        await checkup.is_closed()
        await keyboard.type("k")
        await observer.key("k")
        await checkup.viewer.click(60, 160)
        assert (await observer.next("button"))["x"] == 60, "the click beside the dialog was its own"
    assert await checkup.viewer.frame.locator("#panel").get_attribute("data-open") == "false"


async def test_a_notice_that_was_dismissed_stays_away_in_this_tab(
    degraded: Daemon, new_viewer: NewViewer
) -> None:
    checkup = await opened(degraded, new_viewer)
    async with observer_on(degraded) as observer:
        await checkup.advice.locator("#advice-close").click()
        await checkup.advice.wait_for(state="hidden")
        await checkup.viewer.page.keyboard.type("k")
        await observer.key("k")
    await checkup.viewer.page.reload()
    await checkup.viewer.reaches("connected")
    button = checkup.viewer.frame.locator("#checkup-open")
    assert await button.get_attribute("aria-label") == f"Check-up: {ADVICE}"
    assert not await checkup.advice.is_visible()
    other = await opened(degraded, new_viewer)
    await other.advice.wait_for()


async def test_the_report_is_copied_as_text(degraded: Daemon, new_viewer: NewViewer) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    checkup = await opened(degraded, new_viewer, permissions=allowed)
    await checkup.open()
    copying = checkup.dialog.locator("#checkup-copy")
    await copying.click()
    await copying.get_by_text("Copied").wait_for()
    text = await checkup.viewer.page.evaluate("navigator.clipboard.readText()")
    report = await report_of(degraded)
    assert text.startswith("Check-up of the desktop: ")
    assert report["machine"] in text
    for finding in report["findings"]:
        assert f"] {finding['title']}: " in text
    await copying.get_by_text("Copy as text").wait_for()


async def test_where_nothing_may_be_copied_the_text_is_shown_and_selected(
    degraded: Daemon, new_viewer: NewViewer
) -> None:
    checkup = await opened(degraded, new_viewer)
    await checkup.open()
    await checkup.viewer.page.evaluate(NO_CLIPBOARD)
    await checkup.dialog.locator("#checkup-copy").click()
    field = checkup.dialog.locator("#checkup-text")
    await field.wait_for()
    assert (await field.input_value()).startswith("Check-up of the desktop: ")
    assert await field.evaluate("f => f === document.activeElement && f.selectionEnd > 100")


async def test_a_check_up_that_takes_long_or_fails(degraded: Daemon, new_viewer: NewViewer) -> None:
    checkup = await opened(degraded, new_viewer)
    page = checkup.viewer.page
    answer = asyncio.Event()

    async def late(route: Route) -> None:
        await answer.wait()
        await route.abort()

    await page.route("**/api/v1/checkup", late)
    await checkup.advice.locator("#advice-why").click()
    await checkup.verdict.get_by_text("Checking the machine").wait_for()
    assert await checkup.again.get_attribute("aria-disabled") == "true"
    answer.set()
    await checkup.verdict.get_by_text("The machine could not be checked").wait_for()
    assert await checkup.viewer.text("#checkup-failure") == "The server does not answer."
    await page.unroute("**/api/v1/checkup")
    await checkup.again.click()
    await checkup.is_there()
    assert not await checkup.dialog.locator("#checkup-failure").is_visible()
    assert await checkup.rows("#checkup-rows").count() > 0
    assert await checkup.dialog.locator("#checkup-fine:not([open])").count() == 1, "folded"


async def test_a_desktop_with_nothing_to_say_is_checked_by_keyboard(
    viewer: Viewer, desktop: Daemon
) -> None:
    checkup = Checkup(viewer)
    assert not await checkup.advice.is_visible()
    button = viewer.frame.locator("#checkup-open")
    assert await button.get_attribute("aria-label") == "Check-up"
    async with observer_on(desktop) as observer:
        await viewer.sees(RED, 150, 150)
        await viewer.page.keyboard.press(TOOLBAR)
        await button.focus()
        await viewer.page.keyboard.press("Enter")
        await checkup.is_there()
        await viewer.page.keyboard.press("Escape")
        await checkup.is_closed()
        await viewer.page.keyboard.type("z")
        while (told := await observer.next("key"))["key"] != "z":
            assert told["key"] in {"Control_L", "Alt_L", "Meta_L", "Shift_L"}, observer.told
        assert told["state"] == 0


async def tell_something(desktop: Daemon) -> None:
    """Bring about a notice about the desktop itself: that nobody can have so much."""
    async with desktop.session() as session, session.ws_connect("api/v1/lease") as socket:
        await socket.send_json(TOO_MUCH)
        assert (await socket.receive_json())["code"] == "no_room"


async def test_what_the_desktop_tells_later_is_shown_beside_the_picture(
    viewer: Viewer, desktop: Daemon
) -> None:
    checkup = Checkup(viewer)
    gpu = {"name": "A", "uuid": "GPU-1", "condition": "lost", "reason": "it fell off the bus"}
    server = {"name": "xorg3d", "title": "3D X server", "state": "fatal", "reason": "exited"}

    async def with_gpu(route: Route) -> None:
        status = await desktop.status()
        components = [*status["components"], server]
        await route.fulfill(json={**status, "gpu": gpu, "components": components})

    await viewer.page.route(re.compile("/api/v1/status$"), with_gpu)
    await tell_something(desktop)
    await checkup.advice.get_by_text("The GPU has failed.").wait_for()
    await checkup.advice.locator("#advice-close").click()
    await checkup.advice.wait_for(state="hidden")

    gpu["condition"] = "fine"
    await tell_something(desktop)
    await checkup.advice.get_by_text("The X server on the GPU does not run.").wait_for()
    gpu["condition"] = "lost"
    await tell_something(desktop)
    await checkup.advice.get_by_text("The GPU has failed.").wait_for()

    gpu["condition"], server["state"] = "fine", "ready"
    await checkup.advice.locator("#advice-why").click()
    await viewer.frame.locator("#checkup-open:not(.poor)").wait_for(state="attached")


async def test_a_phone_has_room_for_it(degraded: Daemon, new_viewer: NewViewer) -> None:
    checkup = await opened(degraded, new_viewer, 390, 844, has_touch=True, is_mobile=True)
    page = checkup.viewer.page
    await checkup.advice.wait_for()
    await inside(checkup.advice, 390, 844)
    await checkup.advice.locator("#advice-why").tap()
    await checkup.is_there()
    await inside(checkup.dialog, 390, 844)
    for button in await checkup.dialog.locator("button:visible").all():
        area = await button.bounding_box()
        assert area is not None
        assert min(area["width"], area["height"]) >= 36, "large enough for a finger"
    sideways = "body => body.scrollWidth > body.clientWidth"
    assert not await checkup.dialog.locator("#checkup-body").evaluate(sideways)
    await page.set_viewport_size({"width": 320, "height": 480})
    await inside(checkup.dialog, 320, 480)
    assert not await checkup.dialog.locator("#checkup-body").evaluate(sideways)


async def inside(element: Locator, width: int, height: int) -> None:
    async def check() -> bool:
        box = await element.bounding_box()
        assert box is not None
        right, bottom = box["x"] + box["width"], box["y"] + box["height"]
        return box["x"] >= 0 and box["y"] >= 0 and right <= width and bottom <= height

    await eventually(check)


async def test_a_desktop_that_failed_offers_it(tmp_path: Path, new_viewer: NewViewer) -> None:
    vnc = BreakableVnc(tmp_path)
    vnc.broken.touch()
    async with vnc.daemon(wait=False) as daemon, daemon.connected():
        viewer = await new_viewer()
        await viewer.open(await link_to(daemon), "failed")
        checkup = Checkup(viewer)
        await viewer.frame.locator("#checkup-failed").click()
        await checkup.is_there()
        await viewer.page.keyboard.press("Escape")
        await checkup.is_closed()
        assert await viewer.frame.evaluate("document.activeElement.id") == "action"


async def test_who_is_no_longer_let_in_sees_no_report(
    tmp_path: Path, new_viewer: NewViewer
) -> None:
    async with running_daemon(tmp_path, "--http", "127.0.0.1:0") as daemon:
        checkup = await opened(daemon, new_viewer)
        await checkup.viewer.page.keyboard.press(TOOLBAR)
        await checkup.viewer.frame.locator("#checkup-open").click()
        await checkup.is_there()
        await checkup.viewer.page.evaluate(NO_CLIPBOARD)
        await checkup.dialog.locator("#checkup-copy").click()
        field = checkup.dialog.locator("#checkup-text")
        await field.wait_for()
        await checkup.viewer.page.context.clear_cookies()
        os.kill((await daemon.pids())["x11vnc"], signal.SIGKILL)
        await checkup.viewer.reaches("denied")
        await checkup.is_closed()
        assert await checkup.rows().count() == 0
        assert await field.input_value() == ""

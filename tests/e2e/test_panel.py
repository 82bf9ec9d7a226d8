"""The side panel shows the apps on the real desktop, and acts on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.conftest import NewViewer
from tests.e2e.panel import Panel, app_on
from tests.e2e.viewer import GREEN, RED, Viewer, link_to
from tests.support import Daemon, eventually, program_on, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

RED_TITLED = ("--colour", "ff0000", "--title")
GREEN_TITLED = ("--colour", "00a000", "--title")


@pytest_asyncio.fixture(loop_scope="session")
async def panel(viewer: Viewer) -> Panel:
    """The open panel of a connected viewer."""
    made = Panel(viewer)
    await made.open()
    return made


async def test_an_app_comes_changes_and_goes(panel: Panel, desktop: Daemon) -> None:
    viewer = panel.viewer
    await viewer.frame.locator("#no-apps").wait_for()
    assert "vizproxy run glxgears" in await viewer.text("#no-apps")
    assert not await viewer.frame.locator("#apps-open .badge").is_visible()
    async with app_on(desktop, "voreen", *RED_TITLED, "Brain") as program:
        await panel.window("Brain").wait_for()
        app = panel.app("voreen")
        assert await app.locator(".usage").inner_text() == "0 MiB of 8 MiB"
        assert not await app.locator(".remarks").is_visible(), "nothing needs to be said"
        assert await viewer.frame.locator("#apps-open .badge").text_content() == "1"
        await viewer.frame.locator("#budget-text", has_text="8 MiB of 2 GiB reserved").wait_for()
        assert "1 of 16 apps" in await viewer.text("#budget-text")
        await program.do("title <b>Herz</b> & Zoë")
        await panel.window("<b>Herz</b> & Zoë").wait_for()
        await program.do("title قلب الإنسان")
        await panel.window("قلب الإنسان").wait_for()
    await app.wait_for(state="detached")
    await viewer.frame.locator("#no-apps").wait_for()
    assert not viewer.problems


async def test_a_click_brings_a_window_to_the_front(panel: Panel, desktop: Daemon) -> None:
    viewer = panel.viewer
    async with app_on(desktop, "lower", *RED_TITLED, "Lower") as program:
        await viewer.sees(RED, 200, 200)
        async with app_on(desktop, "upper", *GREEN_TITLED, "Upper"):
            await viewer.sees(GREEN, 200, 200)
            await panel.window("Lower").locator(".raise").click()
            await viewer.sees(RED, 200, 200)
            active = panel.element.locator(".window.active")
            await active.locator(".title", has_text="Lower").wait_for()
            assert await active.count() == 1
            # The keyboard never left the desktop, and is that window's now.
            await viewer.page.keyboard.type("k")
            assert await program.line() == f"key {ord('k')}"
    assert not viewer.problems


async def test_a_minimised_window_is_marked_and_comes_back(panel: Panel, desktop: Daemon) -> None:
    viewer = panel.viewer
    async with (
        app_on(desktop, "hidden", *RED_TITLED, "Hidden"),
        desktop.session() as session,
    ):
        row = panel.window("Hidden")
        await row.wait_for()
        window = await row.get_attribute("data-key")
        async with session.post(f"api/v1/windows/{window}/minimise") as answer:
            assert answer.status == 200
        await row.locator(".word", has_text="minimised").wait_for()
        await row.locator(".raise").click()
        await viewer.sees(RED, 200, 200)
        await row.locator(".word:empty").wait_for(state="attached")


async def test_maximise_restore_and_tile(panel: Panel, desktop: Daemon) -> None:
    async with (
        app_on(desktop, "one", *RED_TITLED, "One"),
        app_on(desktop, "two", *GREEN_TITLED, "Two"),
        desktop.session() as session,
    ):
        row = panel.window("One")
        await row.wait_for()
        await panel.press(row, ".maximise")
        await row.locator(".maximise[aria-pressed=true]").wait_for()
        assert await row.locator(".maximise").get_attribute("aria-label") == "Restore One"
        await panel.press(row, ".maximise")
        await row.locator(".maximise[aria-pressed=false]").wait_for()
        await panel.viewer.frame.locator("#tile").click()

        async def side_by_side() -> bool:
            async with session.get("api/v1/windows") as answer:
                windows = {w["title"]: w["geometry"] for w in (await answer.json())["windows"]}
            left, right = sorted((windows["One"], windows["Two"]), key=lambda place: place["x"])
            return bool(left["x"] + left["width"] <= right["x"])

        await eventually(side_by_side)
    assert not panel.viewer.problems


async def test_close_asks_the_app_to_close(panel: Panel, desktop: Daemon) -> None:
    async with app_on(desktop, "polite", *RED_TITLED, "Polite") as program:
        row = panel.window("Polite")
        await row.wait_for()
        await panel.press(row, ".close")
        assert await program.line() == "delete", "it was asked"
        await panel.app("polite").wait_for(state="detached")
        assert await program.process.wait() == 0
    assert not panel.viewer.problems


async def test_an_app_that_asks_something_before_it_closes(panel: Panel, desktop: Daemon) -> None:
    async with app_on(desktop, "unsaved", *RED_TITLED, "Unsaved", "--dialog-on-delete") as program:
        row = panel.window("Unsaved")
        await row.wait_for()
        await panel.press(row, ".close")
        await row.locator(".word", has_text="asks something").wait_for()
        question = panel.element.locator(".window.active .title", has_text="Save changes?")
        await question.wait_for()
        assert program.process.returncode is None
        await row.locator(".force").click()
        await panel.app("unsaved").wait_for(state="detached")
    assert not panel.viewer.problems


async def test_an_app_that_does_not_listen_is_forced(panel: Panel, desktop: Daemon) -> None:
    async with app_on(desktop, "deaf", *RED_TITLED, "Deaf", "--ignore-delete"):
        row = panel.window("Deaf")
        await row.wait_for()
        await panel.press(row, ".close")
        await row.locator(".word", has_text="closing…").wait_for()
        assert not await row.locator(".force").is_visible(), "not under a double click"
        await row.locator(".force").click()
        await panel.app("deaf").wait_for(state="detached", timeout=4_000)
    assert not panel.viewer.problems


async def test_stop_wants_a_second_press(panel: Panel, desktop: Daemon) -> None:
    async with app_on(desktop, "busy", *RED_TITLED, "Busy") as program:
        app = panel.app("busy")
        await app.locator(".stop").dblclick()
        await app.locator(".stop[data-state=armed]").wait_for()
        assert program.process.returncode is None, "a double click is one press"
        label = await app.locator(".stop").get_attribute("aria-label")
        assert label == "Press again to stop busy"
        await app.locator(".stop").click()
        await app.wait_for(state="detached")
        assert await program.process.wait() != 0
    assert not panel.viewer.problems


async def test_a_program_without_a_lease_is_marked(panel: Panel, desktop: Daemon) -> None:
    async with program_on(desktop, "xclock"):
        app = panel.app("xclock")
        await app.locator(".remarks", has_text="Started without a reservation").wait_for()
        await panel.window("xclock").wait_for()
        await panel.press(panel.window("xclock"), ".close")
        await app.wait_for(state="detached")
    assert not panel.viewer.problems


async def test_over_use_is_seen_and_told(tmp_path: Path, new_viewer: NewViewer) -> None:
    async with running_daemon(
        tmp_path, "--http", "127.0.0.1:0", VIZPROXY_BROKER_OVER_USE_GRACE="50ms"
    ) as daemon:
        viewer = await new_viewer(1280, 800)
        await viewer.open(await link_to(daemon))
        panel = Panel(viewer)
        await panel.open()
        async with app_on(daemon, "greedy", *RED_TITLED, "Greedy") as program:
            app = panel.app("greedy")
            await app.wait_for()
            await program.do(f"pixmaps {24 * 2**20}")
            await app.locator(".usage", has_text="24 MiB of 8 MiB").wait_for()
            assert "over" in str(await app.get_attribute("class")).split()
            await app.locator(".notice", has_text="greedy").wait_for()
            await viewer.frame.locator("#toasts p", has_text="greedy").wait_for()
            await viewer.frame.locator("#apps-open.over").wait_for(state="attached")
            label = await viewer.frame.locator("#apps-open").get_attribute("aria-label")
            assert label == "Apps: 1 on the desktop, one uses too much"

            late = await new_viewer(1280, 800)
            await late.page.clock.set_system_time(2_000_000_000_000)  # long after
            await late.open(await link_to(daemon))
            await Panel(late).open()
            await Panel(late).app("greedy").locator(".notice").wait_for()
            assert await late.frame.locator("#toasts p").count() == 0, "it is no news any more"

            await program.do("free")
            await app.locator(".usage", has_text="0 MiB of 8 MiB").wait_for()
            await app.locator(".notice").wait_for(state="hidden")
        assert not viewer.problems


async def test_a_refused_action_is_told(panel: Panel, desktop: Daemon) -> None:
    viewer = panel.viewer
    refusal = {"code": "access_denied", "message": "cannot raise: you may only watch", "hint": ""}
    await viewer.page.route("**/raise", lambda route: route.fulfill(status=403, json=refusal))
    async with app_on(desktop, "watched", *RED_TITLED, "Watched"):
        await panel.window("Watched").locator(".raise").click()
        toast = viewer.frame.locator("#toasts p")
        await toast.wait_for()
        assert await toast.inner_text() == "Cannot raise: you may only watch."
    await viewer.page.unroute("**/raise")

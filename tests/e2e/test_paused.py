"""A page that nobody uses pauses, or rests without a picture, and is silent until somebody is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Route, WebSocket

from tests.e2e.conftest import NewViewer
from tests.e2e.panel import Panel, app_on
from tests.e2e.sites import prefix_site
from tests.e2e.viewer import GREEN, RED, Viewer, link_to, observer_on
from tests.support import Daemon, eventually, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

A_QUARTER_HOUR = 900_000
AN_HOUR = 3_600_000
COME_BACK = """() => {
  window.dispatchEvent(new Event('online'));
  document.dispatchEvent(new Event('visibilitychange'));
  window.dispatchEvent(new Event('focus'));
}"""

HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def impatient(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A desktop whose viewers are paused after a moment without input."""
    async with running_daemon(
        tmp_path, "--http", "127.0.0.1:0", VIZPROXY_VIEWER_IDLE_TIMEOUT="3s"
    ) as daemon:
        yield daemon


async def test_it_pauses_and_a_click_resumes(impatient: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    sockets: list[WebSocket] = []

    def note(socket: WebSocket) -> None:
        sockets.append(socket)

    viewer.page.on("websocket", note)
    async with app_on(impatient, "worker", "--colour", "ff0000", "--title", "Work") as program:
        await viewer.open(await link_to(impatient))
        await viewer.sees(RED, 200, 200)
        await Panel(viewer).open()
        await viewer.reaches("paused")
        assert await viewer.text("#title") == "Paused"
        text = await viewer.text("#text")
        assert text == "Nobody used the desktop for 3 seconds. Your programs go on."
        assert await viewer.page.title() == "Paused · Desktop"
        assert await viewer.pixel(200, 200, "#still") == RED, "the last picture"
        assert await viewer.frame.locator("#still").is_visible()
        assert not await viewer.frame.locator("#panel").is_visible()
        assert not await viewer.frame.locator("#bar").is_visible()

        async def all_closed() -> bool:
            return len(sockets) == 2 and all(socket.is_closed() for socket in sockets)

        await eventually(all_closed, of=lambda: str([socket.url for socket in sockets]))
        await program.do("title While paused")

        await viewer.page.mouse.click(30, 30)
        await viewer.reaches("connected")
        await viewer.sees(RED, 200, 200)
        await Panel(viewer).window("While paused").wait_for()
    assert not viewer.problems


async def test_while_paused_nothing_is_asked_of_the_server(
    impatient: Daemon, new_viewer: NewViewer
) -> None:
    """Behind a hub, whatever is asked would keep the server from being culled."""
    viewer = await new_viewer()
    async with prefix_site(impatient.socket) as proxy:
        await viewer.page.clock.install()
        await viewer.open(proxy.link)
        await viewer.reaches("paused")
        asked = len(viewer.requests)
        await viewer.page.evaluate(COME_BACK)
        await viewer.page.mouse.move(100, 100)
        await viewer.page.mouse.move(400, 300)
        await viewer.page.set_viewport_size({"width": 900, "height": 650})
        for modifier in ("Shift", "Control", "Alt", "Control+l"):
            await viewer.page.keyboard.press(modifier)
        await viewer.page.clock.run_for(AN_HOUR)
        await viewer.page.evaluate(COME_BACK)
        assert viewer.requests[asked:] == []
        assert await viewer.state() == "paused"
        assert not proxy.open_sockets

        await viewer.frame.locator("#action", has_text="Resume").click()
        await viewer.reaches("connected")
        await viewer.is_of_size(900, 650)
    assert not viewer.problems


async def test_any_key_resumes_and_is_not_typed(impatient: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    async with observer_on(impatient) as observer:
        await viewer.open(await link_to(impatient))
        await viewer.sees(RED, 150, 150)
        await viewer.reaches("paused")

        async def at_the_button() -> bool:
            return bool(await viewer.page.evaluate("document.activeElement.id === 'action'"))

        await eventually(at_the_button)
        await viewer.page.keyboard.press("w")
        await viewer.reaches("connected")
        await viewer.page.keyboard.press("F9")
        await viewer.sees(GREEN, 150, 150)
        assert not [told for told in observer.told if told.get("key") == "w"]
        await viewer.reaches("paused")
        await viewer.page.keyboard.press("Enter")
        await viewer.reaches("connected")
    assert not viewer.problems


async def test_who_uses_it_is_not_paused(impatient: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    async with observer_on(impatient):
        await viewer.open(await link_to(impatient))
        await viewer.sees(RED, 150, 150)
        before = len(await viewer.states())
        began = await now(viewer)

        async def used_for_a_while() -> bool:
            await viewer.page.keyboard.press("F8")
            return await now(viewer) > began + 5_000

        await eventually(used_for_a_while)
        assert (await viewer.states())[before:] == []


async def test_without_a_picture_and_a_visitor_it_rests(
    desktop: Daemon, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    async with prefix_site(desktop.socket) as proxy:
        proxy.out_of_order.add("/api/v1/status")
        await viewer.page.clock.install()
        await viewer.open(proxy.link, "connecting")
        await viewer.page.clock.run_for(A_QUARTER_HOUR // 2)
        await viewer.page.mouse.move(100, 100)
        await viewer.page.clock.run_for(A_QUARTER_HOUR - 60_000)
        assert await viewer.state() == "connecting", "somebody was there"
        await viewer.page.clock.run_for(90_000)
        assert await viewer.state() == "resting"
        assert await viewer.text("#title") == "This page has stopped looking"
        assert (await viewer.text("#text")).endswith("The last it knew: the server did not answer.")
        assert await viewer.page.title() == "Not looking · Desktop"
        await check_silence(viewer)

        proxy.out_of_order.clear()
        await viewer.frame.locator("#action", has_text="Look again").click()
        await viewer.reaches("connected")


async def test_a_failed_desktop_is_watched_only_while_somebody_is_there(
    tmp_path: Path, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    async with (
        running_daemon(
            tmp_path,
            wait=False,
            VIZPROXY_PROGRAMS_X11VNC="/bin/false",
            VIZPROXY_SUPERVISION_MAX_FAILURES="1",
        ) as daemon,
        daemon.connected(),
        prefix_site(daemon.socket) as proxy,
    ):
        await viewer.page.clock.install()
        await viewer.open(proxy.link, "failed")
        await viewer.page.evaluate(HIDE, True)
        await check_silence(viewer)
        assert await viewer.state() == "failed"
        asked = len(viewer.requests)
        await viewer.page.evaluate(HIDE, False)

        async def asks() -> bool:
            return len(viewer.requests) > asked

        await eventually(asks)
        await viewer.page.clock.run_for(A_QUARTER_HOUR)
        assert await viewer.state() == "resting"
        await check_silence(viewer)
        await viewer.page.keyboard.press("w")
        await viewer.reaches("failed")


async def test_a_page_that_loads_slowly_begins_when_it_is_whole(
    link: str, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(route: Route) -> None:
        arrived.set()
        await go_on.wait()
        await route.continue_()

    await viewer.page.route("**/core/rfb.js", slow)
    await viewer.page.clock.install()
    await viewer.open(link, "connecting")
    await arrived.wait()
    await viewer.page.clock.run_for(10_000)
    await viewer.page.evaluate(COME_BACK)
    assert not [url for url in viewer.requests if "/api/" in url]
    go_on.set()
    await viewer.reaches("connected")
    assert not viewer.problems


async def check_silence(viewer: Viewer) -> None:
    """Nothing is asked of the server, whatever happens but for a visitor's hand."""
    asked = len(viewer.requests)
    await viewer.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    await viewer.page.mouse.move(300, 300)
    await viewer.page.clock.run_for(AN_HOUR)
    assert viewer.requests[asked:] == []


async def now(viewer: Viewer) -> float:
    """The page's time, in milliseconds."""
    found: float = await viewer.page.evaluate("performance.now()")
    return found

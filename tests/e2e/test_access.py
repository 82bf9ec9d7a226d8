"""Who has not got the link is told how to get it, and sees nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.sites import page_site
from tests.e2e.viewer import link_to
from tests.support import running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

OPEN_SOCKET = """(address) => new Promise((resolve) => {
  const socket = new WebSocket(address, 'binary');
  socket.onopen = () => resolve('open');
  socket.onerror = () => resolve('refused');
})"""
OPEN_FRAME = """(address) => new Promise((resolve) => {
  const frame = document.createElement('iframe');
  frame.src = address;
  frame.onload = () => resolve(frame.contentDocument === null ? 'foreign' : 'readable');
  document.body.append(frame);
})"""


async def test_without_the_key(link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    await viewer.open(link.partition("#")[0], "denied")
    assert await viewer.text("#title") == "A link with a key is needed"
    assert await viewer.text("#command code") == "vizproxy url"
    assert await viewer.page.title() == "No access · Desktop"
    assert not await viewer.frame.locator("#screen canvas").count()
    assert not await viewer.frame.locator("#bar").is_visible()
    assert not [url for url in viewer.requests if url.startswith("ws")]

    await viewer.frame.locator("#action").click()
    await viewer.reaches("denied")
    await viewer.page.goto(link)
    await viewer.reaches("connected")


@pytest.mark.parametrize("token", ["wrong", "%20", "a" * 5000, "%E4%F6", "é"])
async def test_with_a_wrong_key(link: str, new_viewer: NewViewer, token: str) -> None:
    viewer = await new_viewer()
    place = link.partition("#")[0]
    await viewer.open(f"{place}#token={token}", "denied")
    assert await viewer.text("#title") == "This link is no longer valid"
    assert viewer.page.url == place
    assert not await viewer.frame.locator("#screen canvas").count()


async def test_the_key_is_kept_in_this_browser_only(link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    await viewer.open(link)
    await viewer.page.goto(link.partition("#")[0])
    await viewer.reaches("connected")
    cookie = (await viewer.page.context.cookies())[0]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    stored = await viewer.page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    token = link.split("#token=")[1]
    assert token not in stored
    assert token not in cookie["value"]
    stranger = await new_viewer()
    await stranger.open(link.partition("#")[0], "denied")


async def test_a_page_of_another_site_gets_no_picture(link: str, new_viewer: NewViewer) -> None:
    """Another port of this machine shares the cookies, but is another origin."""
    viewer = await new_viewer()
    await viewer.open(link)
    place = link.partition("#")[0]
    async with page_site("<!doctype html><title>Evil</title><p>Evil") as evil:
        await viewer.page.goto(evil)
        socket = place.replace("http", "ws") + "websockify"
        assert await viewer.page.evaluate(OPEN_SOCKET, socket) == "refused"
        assert await viewer.page.evaluate(OPEN_FRAME, place) == "foreign"
    assert any("403" in problem for problem in viewer.problems), viewer.problems
    assert any("frame-ancestors" in problem for problem in viewer.problems), viewer.problems


async def test_more_viewers_than_are_allowed(tmp_path: Path, new_viewer: NewViewer) -> None:
    limited = running_daemon(tmp_path, "--http", "127.0.0.1:0", VIZPROXY_VIEWER_MAX_VIEWERS="1")
    async with limited as daemon:
        first, second = await new_viewer(), await new_viewer()
        link = await link_to(daemon)
        await first.open(link)
        await second.open(link, "connecting")
        await second.frame.locator("#text", has_text="as many viewers as are allowed").wait_for()
        assert await first.state() == "connected"
        await first.page.context.close()
        await second.reaches("connected")

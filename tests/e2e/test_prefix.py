"""The page under a prefix, as behind JupyterHub, and in a frame, as in JupyterLab."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.sites import PrefixProxy, framed, prefix_site
from tests.e2e.viewer import BACKGROUND, GREEN, RED, observer_on
from tests.support import Daemon, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_everything_works_under_a_prefix(
    proxy: PrefixProxy, desktop: Daemon, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    await viewer.open(proxy.link)
    await viewer.is_of_size(1000, 700)
    async with observer_on(desktop) as observer:
        await viewer.sees(RED, 150, 150)
        await viewer.click(150, 150)
        assert (await observer.next("button"))["x"] == 150
        await viewer.page.keyboard.press("F9")
        await viewer.sees(GREEN, 150, 150)
        await viewer.page.set_viewport_size({"width": 903, "height": 605})
        await viewer.is_of_size(903, 605)
        await viewer.sees(GREEN, 150, 150)
    async with viewer.page.expect_download() as download:
        await viewer.frame.locator("#handle").hover()
        await viewer.frame.locator("#screenshot").click()
    assert (await download.value).suggested_filename.endswith(".png")

    assert not viewer.problems
    assert not proxy.strays
    site = proxy.link.removeprefix("http://")
    beyond = [
        url for url in viewer.requests if not url.startswith((f"http://{site}", f"ws://{site}"))
    ]
    assert [url for url in beyond if not url.startswith("blob:")] == []
    assert f"ws://{site}websockify" in viewer.requests
    assert f"ws://{site}api/v1/events" in viewer.requests
    assert any(url.endswith("/api/v1/display") for url in viewer.requests)


async def test_in_a_frame(proxy: PrefixProxy, desktop: Daemon, new_viewer: NewViewer) -> None:
    viewer = await new_viewer(1200, 900)
    frame = await framed(viewer, proxy)
    await viewer.is_of_size(800, 500)
    async with observer_on(desktop) as observer:
        await viewer.sees(RED, 150, 150)
        # Somebody types into the page around it: the frame does not take the keys away.
        assert await viewer.page.evaluate("document.activeElement.id") == "cell"
        await viewer.page.keyboard.type("mine")
        assert await viewer.page.input_value("#cell") == "mine"

        x, y = await viewer.place_of(222, 133)
        box = await viewer.page.locator("#desktop").bounding_box()
        assert box is not None
        await viewer.page.mouse.click(box["x"] + x, box["y"] + y)
        told = await observer.next("button")
        assert (told["x"], told["y"]) == (222, 133)
        await viewer.page.keyboard.type("x")
        await observer.key("x")
        assert not [event for event in observer.told if event.get("key") == "m"]

    await viewer.page.evaluate("document.getElementById('desktop').height = 401")
    await viewer.is_of_size(800, 401)
    await frame.locator("#handle").hover()
    assert await frame.locator("#new-tab").is_visible()
    async with viewer.page.context.expect_page() as opened:
        await frame.locator("#new-tab").click()
    tab = await opened.value
    assert tab.url == proxy.link
    await tab.close()
    assert not viewer.problems
    assert not proxy.strays


@pytest.mark.parametrize("attributes", ["", "allow=\"fullscreen 'none'\""])
async def test_full_screen_from_a_frame(
    proxy: PrefixProxy, new_viewer: NewViewer, attributes: str
) -> None:
    """By itself where the browser lets it, else by the page around it, which is of the same site."""
    viewer = await new_viewer(1200, 900)
    proxy.frame = attributes
    frame = await framed(viewer, proxy)
    assert await frame.evaluate("document.fullscreenEnabled") == (not attributes)
    await viewer.is_of_size(800, 500)
    full = "document.fullscreenElement?.id ?? ''"
    button = frame.locator("#fullscreen")
    for wanted, label in (("desktop", "Leave full screen"), ("", "Full screen")):
        await frame.locator("#handle").hover()
        await button.click()
        await frame.locator(f"#fullscreen[aria-label='{label}']").wait_for(state="attached")
        assert await viewer.page.evaluate(full) == wanted
        await frame.locator("#screen").hover(position={"x": 300, "y": 300})
    await viewer.is_of_size(800, 500)
    assert not viewer.problems


async def test_a_hidden_frame_leaves_the_desktop_as_it_is(
    proxy: PrefixProxy, desktop: Daemon, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer(1200, 900)
    await framed(viewer, proxy)
    await viewer.is_of_size(800, 500)
    await viewer.page.evaluate("document.getElementById('desktop').style.display = 'none'")
    await viewer.page.evaluate("document.getElementById('desktop').style.display = 'block'")
    await viewer.sees(BACKGROUND, 790, 490)
    display = (await desktop.status())["display"]
    assert (display["width"], display["height"]) == (800, 500)
    assert await viewer.state() == "connected"


@pytest.mark.slow
async def test_a_proxy_that_goes_away_and_comes_back(
    desktop: Daemon, new_viewer: NewViewer
) -> None:
    """A hub's proxy that answers for a while with its own errors."""
    viewer = await new_viewer()
    async with prefix_site(desktop.socket) as proxy:
        await viewer.open(proxy.link)
        before = len(await viewer.states())
        await viewer.page.route("**/api/v1/status*", lambda r: r.fulfill(status=503, body="<h1>"))
        await proxy.drop_sockets()
        await viewer.reaches("reconnecting")
        text = viewer.frame.locator("#text", has_text="The server does not answer")
        await text.wait_for()
        await viewer.page.unroute("**/api/v1/status*")
        states = await viewer.turns(before, "connected")
        assert set(states) == {"reconnecting", "connected"}
        await viewer.sees(BACKGROUND, 5, 5)


async def test_a_hub_session_that_ended(proxy: PrefixProxy, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    await viewer.open(proxy.link)
    sign_in = {"status": 403, "content_type": "text/html", "body": "<h1>Sign in"}
    await viewer.page.route("**/api/v1/status*", lambda route: route.fulfill(**sign_in))
    await proxy.drop_sockets()
    await viewer.reaches("denied")
    assert await viewer.text("#title") == "Please sign in again"
    assert await viewer.frame.locator("#action").get_attribute("data-action") == "reload"
    await viewer.page.unroute("**/api/v1/status*")
    await viewer.frame.locator("#action").click()

    async def connected() -> bool:
        return await viewer.state() == "connected"

    await eventually(connected)

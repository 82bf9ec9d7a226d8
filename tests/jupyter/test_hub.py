"""A real JupyterHub: the desktop of a user, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from yarl import URL

from tests.e2e.viewer import BACKGROUND, RED
from tests.jupyter.hub import Hub, running_hub
from tests.jupyter.labpage import LabPage
from tests.support import window_on

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

OWNER, OTHER = "zoë", "ada"
PLACES = ("", "healthz", "api/v1/status", "api/v1/display/screenshot", "websockify", "viewer.js")
TRY_SOCKET = """address => new Promise((resolve) => {
  const socket = new WebSocket(address);
  socket.onopen = () => resolve('open');
  socket.onclose = ({ code }) => resolve(code);
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    async with running_hub(tmp_path_factory.mktemp("hub"), OWNER, OTHER) as running:
        await running.start_server(OWNER)
        yield running


async def test_a_user_sees_the_desktop_in_jupyterlab(hub: Hub, browser: Browser) -> None:
    async with hub.browsing(browser, OWNER) as page:
        lab = LabPage(page, hub.directory / "home" / OWNER)
        await lab.open(hub.server(OWNER))
        viewer = await lab.desktop()
        await viewer.sees(BACKGROUND, 150, 150)
        assert viewer.frame.url == hub.desktop(OWNER)
        async with window_on(hub.embedded(OWNER), "--place", "200x100+100+100"):
            await viewer.sees(RED, 150, 150)
        assert not lab.errors


async def test_another_users_browser_sees_nothing_of_it(hub: Hub, browser: Browser) -> None:
    async with hub.browsing(browser, OTHER) as page:
        for place in PLACES:
            answer = await page.request.get(hub.desktop(OWNER) + place)
            assert answer.status in {403, 404}, place
        shown = await page.goto(hub.desktop(OWNER))
        assert shown is not None
        assert shown.status == 403
        socket = hub.desktop(OWNER).replace("http", "ws") + "websockify"
        assert await page.evaluate(TRY_SOCKET, socket) == 1006


async def test_another_users_token_opens_nothing_of_it(hub: Hub) -> None:
    status = {}
    for user in (OWNER, OTHER):
        headers = {"Authorization": f"token {await hub.token_of(user)}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for place in PLACES[:4]:
                async with session.get(_address(hub, place), allow_redirects=False) as response:
                    status[user, place] = response.status
            async with session.delete(_address(hub, "api/v1/apps/none")) as response:
                status[user, "delete"] = response.status
            try:
                async with session.ws_connect(_address(hub, "websockify"), protocols=["binary"]):
                    status[user, "socket"] = 101
            except aiohttp.WSServerHandshakeError as error:
                status[user, "socket"] = error.status
    assert {status[OWNER, place] for place in PLACES[:4]} == {200}
    assert status[OWNER, "delete"] == 404, "there is no such app"
    assert status[OWNER, "socket"] == 101
    assert {code for (user, _), code in status.items() if user == OTHER} <= {403, 404}


async def test_a_stranger_is_sent_to_the_hub(hub: Hub) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(_address(hub, ""), allow_redirects=False) as response:
            assert response.status == 302
            assert response.headers["Location"].startswith("/hub/api/oauth2/authorize?")
        async with session.put(_address(hub, "api/v1/display")) as response:
            assert response.status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(_address(hub, "websockify"))


def _address(hub: Hub, place: str) -> URL:
    return URL(hub.desktop(OWNER) + place, encoded=True)

"""Other applications behind the same jupyter-server-proxy go on as they did."""

from __future__ import annotations

from urllib.parse import quote

import aiohttp
import pytest

from tests.jupyter.conftest import NEIGHBOURS
from tests.jupyter.jupyterlab import BASE_URL, JupyterLab
from tests.jupyter.labpage import LabPage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


@pytest.mark.parametrize("name", NEIGHBOURS)
async def test_a_neighbour_opens_beside_the_desktop(
    page: LabPage, lab: JupyterLab, name: str
) -> None:
    await page.click_card(f"{name} neighbour")
    neighbour = await page.framed(f"/{name}/")
    await neighbour.frame.locator("#said", has_text="echo: hello").wait_for()
    desktop = await page.desktop()
    assert desktop.frame.url == lab.page
    assert await neighbour.text("#said") == "echo: hello"


@pytest.mark.parametrize("name", NEIGHBOURS)
async def test_a_neighbour_sees_the_paths_that_it_asked_for(lab: JupyterLab, name: str) -> None:
    # jupyter-server-proxy quotes the base URL once more.
    before = quote(BASE_URL) + name if NEIGHBOURS[name]["absolute_url"] else ""
    url = f"{name}/an%20app/api/path"
    for method in ("GET", "POST", "PUT", "DELETE"):
        async with lab.asked(method, url) as response:
            told = await response.json()
        assert told == {"path": f"{before}/an%20app/api/path", "method": method}


async def test_nobody_gets_in_without_the_token(lab: JupyterLab) -> None:
    async with aiohttp.ClientSession() as session:
        for name in ("desktop", *NEIGHBOURS):
            async with session.get(f"{lab.url}{name}/api/path", allow_redirects=False) as response:
                assert response.status in {302, 403}

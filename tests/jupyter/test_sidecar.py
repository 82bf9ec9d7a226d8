"""JupyterLab beside a daemon that somebody else starts: not yet there, failed, killed, back again."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from yarl import URL

from tests.e2e.viewer import BACKGROUND, Viewer
from tests.jupyter.conftest import tab_of
from tests.jupyter.jupyterlab import JupyterLab, running_lab
from tests.jupyter.labpage import LabPage
from tests.support import Daemon, eventually, own_display, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

SHOW = 'printf "%s\\n" "$DISPLAY" "$XAUTHORITY" "$VIZPROXY_SOCKET"'


@dataclass
class Pod:
    """A JupyterLab and a directory that it shares with its sidecar."""

    lab: JupyterLab
    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / "run" / "http.sock"

    def sidecar(
        self, *, wait: bool = True, **environ: str
    ) -> contextlib.AbstractAsyncContextManager[Daemon]:
        """Run the daemon beside the JupyterLab."""
        return running_daemon(self.directory, wait=wait, **environ)

    async def answer(self, path: str = "", accept: str = "*/*") -> tuple[int, Any]:
        """What the server answers: the status, and the JSON or the text."""
        headers = {"Accept": accept}
        async with self.lab.get(f"desktop/{path}", headers=headers) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def environment(self) -> list[str]:
        """What programs of a new terminal have: DISPLAY, XAUTHORITY, VIZPROXY_SOCKET."""
        return (await self.lab.terminal(SHOW)).splitlines()

    async def has_in_terminals(self, daemon: Daemon) -> None:
        """Wait until new terminals have the desktop of this daemon."""
        theirs = (await daemon.status())["environment"]
        wanted = [theirs["DISPLAY"], theirs["XAUTHORITY"], str(self.socket)]
        seen: list[str] = []

        async def check() -> bool:
            nonlocal seen
            seen = await self.environment()
            return seen == wanted

        await eventually(check, timeout=15, of=lambda: f"{seen} seen, {wanted} wanted")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pod]:
    directory = tmp_path_factory.mktemp("pod")
    run = directory / "shared" / "run"
    run.mkdir(parents=True, mode=0o700)
    async with running_lab(directory, sidecar=run / "http.sock") as lab:
        yield Pod(lab, directory / "shared")


@pytest_asyncio.fixture(loop_scope="session")
async def tab(pod: Pod, browser: Browser) -> AsyncIterator[LabPage]:
    async with tab_of(browser, pod.lab) as opened:
        yield opened


async def test_the_tab_waits_for_a_sidecar_that_comes_later(pod: Pod, tab: LabPage) -> None:
    assert await pod.environment() == ["", "", str(pod.socket)]
    status, text = await pod.answer(accept="text/html")
    assert status == 503
    assert "Waiting for the desktop" in text
    assert str(pod.socket) in text

    await tab.open(pod.lab.url)
    await tab.click_card("Desktop")
    viewer = await tab.framed("/desktop/")
    await viewer.frame.locator("h1", has_text="Waiting for the desktop").wait_for()
    async with pod.sidecar() as daemon:
        await viewer.reaches("connected")
        await viewer.sees(BACKGROUND, 200, 200)
        await pod.has_in_terminals(daemon)
    assert tab.page.url.startswith(f"{pod.lab.url}lab/")


async def test_programs_get_the_apis_errors(pod: Pod) -> None:
    for path in ("api/v1/status", "api/v1/apps", "healthz", "viewer.js"):
        status, error = await pod.answer(path)
        assert status == 503, path
        assert error["code"] == "not_running"
        assert error["message"].startswith("cannot reach the desktop")
        assert error["hint"]
    for method in ("POST", "PUT", "DELETE"):
        async with pod.lab.asked(method, "desktop/api/v1/apps/any") as response:
            assert response.status == 503
            assert (await response.json())["code"] == "not_running"
    headers = {"Authorization": f"token {pod.lab.token}"}
    address = URL(f"{pod.lab.page}websockify", encoded=True)
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(address, protocols=("binary",)) as socket,
    ):
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1013)
        assert str(message.extra).startswith("cannot reach the desktop")


async def test_a_sidecar_that_fails_says_why(pod: Pod, tab: LabPage) -> None:
    viewer = Viewer(tab.page)
    async with pod.sidecar(wait=False, VIZPROXY_PROGRAMS_XORG="/no/such/Xorg") as failing:
        assert await failing.ended() != 0
    await tab.page.goto(pod.lab.page)
    card = viewer.frame.locator("#card", has_text="The desktop could not be started")
    await card.wait_for()
    assert "/no/such/Xorg" in await card.inner_text()
    assert (await pod.answer("api/v1/status"))[0] == 503
    async with pod.sidecar():
        await viewer.reaches("connected")
    assert not (pod.socket.parent / "failure.txt").exists()


async def test_a_sidecar_that_is_killed_is_missed_and_found_again(
    pod: Pod, browser: Browser, tab: LabPage
) -> None:
    viewer = Viewer(tab.page)
    another = own_display() or {"VIZPROXY_DISPLAY_NUMBER": "181"}
    async with pod.sidecar() as daemon:
        await viewer.open(pod.lab.page)
        await pod.has_in_terminals(daemon)
        await daemon.end(signal.SIGKILL)
    await viewer.reaches("reconnecting")
    status, text = await pod.answer(accept="text/html")
    assert (status, "The desktop has ended" in text) == (503, True)
    async with tab_of(browser, pod.lab) as other:
        late = Viewer(other.page)
        await other.page.goto(pod.lab.page)
        await late.frame.locator("h1", has_text="The desktop has ended").wait_for()
        async with pod.sidecar(wait=True, **another) as back:
            for page in (viewer, late):
                await page.reaches("connected")
                await page.sees(BACKGROUND, 200, 200)
            await pod.has_in_terminals(back)

"""The page comes back by itself when a part of the desktop, or all of it, was lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.sites import prefix_site
from tests.e2e.viewer import BACKGROUND, RED, Viewer, link_to, observer_on
from tests.support import Daemon, part, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def kill(daemon: Daemon, viewer: Viewer, name: str) -> list[str]:
    """Kill a part and wait until page and desktop are whole again; return the page's states."""
    before = len(await viewer.states())
    os.kill((await daemon.pids())[name], signal.SIGKILL)
    states = await viewer.turns(before, "connected")
    await daemon.until(lambda s: part(s, name)["restarts"] == 1 and s["state"] == "ready")
    return states


async def test_every_part_killed_in_turn(tmp_path: Path, new_viewer: NewViewer) -> None:
    async with running_daemon(tmp_path, "--http", "127.0.0.1:0") as daemon:
        viewer = await new_viewer(901, 601)
        await viewer.open(await link_to(daemon))
        await viewer.is_of_size(901, 601)
        async with observer_on(daemon):
            await viewer.sees(RED, 150, 150)
            for name in ("x11vnc", "websockify"):
                states = await kill(daemon, viewer, name)
                assert states[0] == "reconnecting"
                assert set(states) == {"reconnecting", "connected"}
                await viewer.sees(RED, 150, 150)
            states = await kill(daemon, viewer, "xorg")
            assert set(states) == {"reconnecting", "connected"}
            await viewer.sees(BACKGROUND, 150, 150)
            await viewer.is_of_size(901, 601)
        async with observer_on(daemon) as observer:
            await viewer.sees(RED, 150, 150)
            await viewer.click(150, 150)
            assert (await observer.next("button"))["x"] == 150
            await viewer.page.keyboard.type("K")
            await observer.key("K")


async def test_the_picture_stays_when_the_window_manager_dies(
    tmp_path: Path, new_viewer: NewViewer
) -> None:
    async with running_daemon(tmp_path, "--http", "127.0.0.1:0") as daemon:
        viewer = await new_viewer()
        await viewer.open(await link_to(daemon))
        before = len(await viewer.states())
        os.kill((await daemon.pids())["wm"], signal.SIGKILL)
        await daemon.until(lambda s: part(s, "wm")["restarts"] == 1 and s["state"] == "ready")
        async with observer_on(daemon):
            await viewer.sees(RED, 150, 150)
        assert (await viewer.states())[before:] == []


async def test_a_desktop_that_was_restarted_wants_its_new_link(
    tmp_path: Path, new_viewer: NewViewer
) -> None:
    viewer = await new_viewer()
    async with running_daemon(tmp_path, "--http", "127.0.0.1:0") as daemon:
        old_link = await link_to(daemon)
        await viewer.open(old_link)
        address = old_link.split("/")[2]
        before = len(await viewer.states())
        await daemon.end()
        await viewer.reaches("reconnecting")

    async with running_daemon(tmp_path, "--http", address) as daemon:
        assert (await viewer.turns(before, "denied"))[0] == "reconnecting"
        assert await viewer.text("#title") == "This link is no longer valid"
        assert await viewer.text("#command code") == "vizproxy url"
        assert not await viewer.frame.locator("#still").is_visible(), "not for strangers' eyes"

        stranger = await new_viewer()
        await stranger.open(old_link, "denied")
        assert await stranger.text("#title") == "This link is no longer valid"

        await viewer.page.evaluate("window.marker = 'the same page'")
        new_link = await link_to(daemon)
        assert new_link.split("#")[0] == old_link.split("#")[0]
        await viewer.page.goto(new_link)
        await viewer.reaches("connected")
        assert "token" not in viewer.page.url
        assert await viewer.page.evaluate("window.marker") == "the same page"
        async with observer_on(daemon):
            await viewer.sees(RED, 150, 150)


async def test_a_desktop_that_was_restarted_behind_a_proxy_comes_back_by_itself(
    tmp_path: Path, new_viewer: NewViewer
) -> None:
    """As in a hub: who comes through the unix socket needs no key."""
    viewer = await new_viewer()
    async with prefix_site(tmp_path / "run" / "http.sock") as proxy:
        async with running_daemon(tmp_path):
            await viewer.open(proxy.link)
            await viewer.sees(BACKGROUND, 5, 5)
            before = len(await viewer.states())
        await viewer.reaches("reconnecting")
        text = viewer.frame.locator("#text", has_text="The server does not answer")
        await text.wait_for()
        assert await viewer.frame.locator("#still").is_visible()
        assert not await viewer.frame.locator("#action").is_visible(), "it keeps trying by itself"
        async with running_daemon(tmp_path) as daemon, observer_on(daemon):
            assert set(await viewer.turns(before, "connected")) == {"reconnecting", "connected"}
            await viewer.sees(RED, 150, 150)

"""When the picture cannot be had, the page says why, keeps the last one, and comes back."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.viewer import BACKGROUND, GREEN, RED, Viewer, link_to, observer_on
from tests.support import Daemon, eventually, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

REASON = "exited with status 3"
OUTPUT = ["café: no luck <b>today</b>", "giving up"]
SCRIPT = f"""#!/bin/sh
if [ -e "$0.broken" ]; then
    echo '{OUTPUT[0]}'
    echo '{OUTPUT[1]}' >&2
    exit 3
fi
while [ -e "$0.slow" ]; do sleep 0.05; done
exec {shutil.which("x11vnc")} "$@"
"""


class BreakableVnc:
    """An x11vnc that is the real one until it is broken, or made slow to start."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "x11vnc"
        self.path.write_text(SCRIPT, encoding="utf-8")
        self.path.chmod(0o755)
        self.broken = directory / "x11vnc.broken"
        self.slow = directory / "x11vnc.slow"

    @asynccontextmanager
    async def daemon(self, *, wait: bool = True) -> AsyncIterator[Daemon]:
        """A desktop with this x11vnc, which gives up at the third failure."""
        async with running_daemon(
            self.path.parent,
            *("--http", "127.0.0.1:0"),
            wait=wait,
            VIZPROXY_PROGRAMS_X11VNC=str(self.path),
            VIZPROXY_SUPERVISION_MAX_FAILURES="3",
            VIZPROXY_SUPERVISION_BACKOFF_INITIAL="0.4",
            VIZPROXY_SUPERVISION_BACKOFF_MAX="1.5",
        ) as running:
            yield running


@pytest.fixture
def vnc(tmp_path: Path) -> BreakableVnc:
    return BreakableVnc(tmp_path)


async def check_failure_shown(viewer: Viewer) -> None:
    """The failed view names the part, the reason and the last output, and offers another try."""
    assert await viewer.frame.locator("#failure").get_attribute("data-component") == "x11vnc"
    assert await viewer.text("#failure-title") == "VNC server"
    assert REASON in (await viewer.text("#failure-reason")).lower()
    assert (await viewer.text("#failure-output")).splitlines() == OUTPUT
    assert "VNC server was given up" in await viewer.text("#text")
    bad = viewer.frame.locator("#components li[data-tone=bad]")
    assert await bad.count() == 1
    assert await bad.get_attribute("data-component") == "x11vnc"
    good = viewer.frame.locator("#components li[data-tone=good]")
    assert await good.count() == 3
    action = viewer.frame.locator("#action")
    assert await action.is_visible()
    assert await action.get_attribute("data-action") == "retry"
    assert await viewer.text("#action") == "Try again"


async def test_a_vnc_server_that_fails_for_good_and_is_mended(
    vnc: BreakableVnc, new_viewer: NewViewer
) -> None:
    async with vnc.daemon() as daemon, observer_on(daemon, "--place", "1000x90+0+0"):
        viewer = await new_viewer()
        await viewer.open(await link_to(daemon))
        await viewer.is_of_size(1000, 700)
        await viewer.sees(RED, 900, 50)
        await viewer.page.evaluate("window.marker = 'the same page'")

        vnc.broken.touch()
        os.kill((await daemon.pids())["x11vnc"], signal.SIGKILL)
        await viewer.reaches("failed")
        names = [seen["state"] for seen in await viewer.states()]
        assert names[-3:] == ["connected", "reconnecting", "failed"]
        assert all(seen["still"] for seen in (await viewer.states())[-2:]), "never a hole"
        assert await viewer.text("#title") == "The desktop stopped working"
        await check_failure_shown(viewer)
        await check_last_picture_dimmed(viewer)

        before = len(await viewer.states())
        await viewer.frame.locator("#action").click()
        assert await viewer.turns(before, "failed") == ["reconnecting", "failed"]
        await check_failure_shown(viewer)

        vnc.broken.unlink()
        await viewer.frame.locator("#action").click()
        await viewer.reaches("connected")
        await viewer.sees(RED, 900, 50)
        await viewer.page.keyboard.press("F9")
        await viewer.sees(GREEN, 900, 50)
        assert await viewer.page.evaluate("window.marker") == "the same page"
        assert not await viewer.frame.locator("#still").is_visible()
        await viewer.frame.locator("#card").wait_for(state="hidden")


async def check_last_picture_dimmed(viewer: Viewer) -> None:
    assert await viewer.pixel(900, 50, "#still") == RED
    assert await viewer.pixel(900, 650, "#still") == BACKGROUND

    async def dimmed() -> bool:
        red, green, blue = (await viewer.shot()).getpixel((985, 8))  # type: ignore[misc]
        return 80 < red < 200 and green < 60 and blue < 60

    await eventually(dimmed)


async def test_the_last_picture_stays_while_reconnecting(
    vnc: BreakableVnc, new_viewer: NewViewer
) -> None:
    async with vnc.daemon() as daemon, observer_on(daemon, "--place", "1000x90+0+0"):
        viewer = await new_viewer()
        await viewer.open(await link_to(daemon))
        await viewer.is_of_size(1000, 700)
        await viewer.sees(RED, 900, 50)
        before = len(await viewer.states())
        vnc.slow.touch()
        os.kill((await daemon.pids())["x11vnc"], signal.SIGKILL)
        await viewer.reaches("reconnecting")
        starting = viewer.frame.locator("#components li[data-component=x11vnc][data-tone=busy]")
        await starting.wait_for()
        assert await viewer.text("#title") == "Reconnecting"
        assert not await viewer.frame.locator("#failure").is_visible()
        await check_last_picture_dimmed(viewer)
        await viewer.page.set_viewport_size({"width": 905, "height": 605})
        vnc.slow.unlink()
        assert await viewer.turns(before, "connected") == ["reconnecting", "connected"]
        await viewer.is_of_size(905, 605)
        await viewer.sees(RED, 900, 50)


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
async def test_a_vnc_server_that_never_works(
    vnc: BreakableVnc, new_viewer: NewViewer, size: tuple[int, int]
) -> None:
    vnc.broken.touch()
    async with vnc.daemon(wait=False) as daemon, daemon.connected():
        viewer = await new_viewer(*size)
        await viewer.open(await link_to(daemon), "failed")
        history = await viewer.states()
        assert {seen["state"] for seen in history} <= {"connecting", "starting", "failed"}
        assert all(seen["title"] for seen in history), "never blank"
        assert await viewer.text("#title") == "The desktop could not start"
        await check_failure_shown(viewer)
        assert await fits(viewer), "nothing sticks out sideways"
        vnc.broken.unlink()
        await viewer.frame.locator("#action").click()
        await viewer.reaches("connected")
        await viewer.is_of_size(*size)
        await viewer.sees(BACKGROUND, 5, size[1] - 5)


async def fits(viewer: Viewer) -> bool:
    widths: list[int] = await viewer.frame.evaluate(
        "[document.getElementById('overlay').scrollWidth, window.innerWidth]"
    )
    return widths[0] <= widths[1]


async def test_each_part_is_listed_while_the_desktop_starts(
    vnc: BreakableVnc, new_viewer: NewViewer
) -> None:
    vnc.slow.touch()
    async with vnc.daemon(wait=False) as daemon, daemon.connected():
        viewer = await new_viewer()
        await viewer.open(await link_to(daemon), "starting")
        rows = viewer.frame.locator("#components li")

        async def tones() -> bool:
            seen = [await row.get_attribute("data-tone") for row in await rows.all()]
            return seen == ["good", "good", "busy", "good"]

        await eventually(tones)
        assert await viewer.text("#title") == "Starting the desktop"
        assert "VNC server" in await viewer.text("#components")
        vnc.slow.unlink()
        await viewer.reaches("connected")

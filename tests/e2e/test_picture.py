"""The page shows the desktop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.viewer import BACKGROUND, BLUE, GREEN, RED, Viewer, observer_on
from tests.support import Daemon, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_printed_link_opens_the_desktop(link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer()
    place, token = link.split("#token=")
    await viewer.open(link)
    assert viewer.page.url == place, "the token is no longer in the address bar"
    await viewer.sees(BACKGROUND, 5, 5)
    assert await viewer.page.title() == "Desktop"
    assert not viewer.problems
    assert not [url for url in viewer.requests if token in url and url != link]


async def test_what_a_program_draws_is_seen_and_changes(viewer: Viewer, desktop: Daemon) -> None:
    async with observer_on(desktop, "--place", "300x200+100+80"):
        corners = [(100, 80), (399, 80), (100, 279), (399, 279), (250, 180)]
        outside = [(99, 80), (100, 79), (400, 279), (399, 280)]
        for colour in (RED, GREEN, BLUE, RED):
            for x, y in corners:
                await viewer.sees(colour, x, y)
            for x, y in outside:
                await viewer.sees(BACKGROUND, x, y)
            await viewer.page.keyboard.press("F9")
    await viewer.sees(BACKGROUND, 250, 180)


async def test_two_viewers_see_the_same(
    viewer: Viewer, desktop: Daemon, link: str, new_viewer: NewViewer
) -> None:
    async with observer_on(desktop) as observer:
        other = await new_viewer()
        await other.open(link)
        for one in (viewer, other):
            await one.sees(RED, 150, 150)
        await other.page.keyboard.press("F9")
        for one in (viewer, other):
            await one.sees(GREEN, 150, 150)
        assert (await desktop.status())["viewers"] == 2

        await other.page.context.close()
        await desktop.until(lambda status: status["viewers"] == 1)
        await viewer.page.keyboard.press("F9")
        await viewer.sees(BLUE, 150, 150)
        await viewer.click(150, 150)
        assert (await observer.next("button"))["x"] == 150


async def test_a_later_viewer_of_another_size_is_seen_by_both(
    viewer: Viewer, desktop: Daemon, link: str, new_viewer: NewViewer
) -> None:
    other = await new_viewer(803, 501)
    await other.open(link)
    for one in (viewer, other):
        await one.is_of_size(803, 501)
    async with observer_on(desktop, "--place", "100x100+700+400") as observer:
        for one in (viewer, other):
            await one.sees(RED, 799, 499)
            await one.click(750, 450)
            told = await observer.next("button")
            assert abs(told["x"] - 750) <= 1, "also where the picture is scaled"


GEARS = """eval "$("$0" -m vizproxy.cli.main env --runtime-dir "$1")" &&
exec glxgears -geometry 300x300+100+100"""
READ_PICTURE = """() => {
  const canvas = document.querySelector('#screen canvas');
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext('2d', { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  const colours = new Set();
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) {
    const colour = data[i] << 16 | data[i + 1] << 8 | data[i + 2];
    colours.add(colour);
    sum = (sum * 31 + colour) >>> 0;
  }
  return [colours.size, sum];
}"""


async def test_an_opengl_program_is_seen_moving(viewer: Viewer, desktop: Daemon) -> None:
    environ = {k: v for k, v in os.environ.items() if k not in {"DISPLAY", "XAUTHORITY"}}
    argv = ("sh", "-c", GEARS, sys.executable, str(desktop.directory))
    process = await asyncio.create_subprocess_exec(
        *argv, env=environ, stdout=asyncio.subprocess.PIPE
    )
    try:
        pictures: set[int] = set()

        async def moves() -> bool:
            colours, checksum = await viewer.page.evaluate(READ_PICTURE)
            if colours > 50:  # three shaded gears
                pictures.add(checksum)
            return len(pictures) >= 5

        await eventually(moves, timeout=20)
        assert process.returncode is None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_an_idle_page_asks_the_server_for_nothing(viewer: Viewer) -> None:
    await viewer.is_of_size(1000, 700)
    await viewer.sees(BACKGROUND, 5, 5)
    await viewer.page.wait_for_load_state("networkidle")
    before = list(viewer.requests)
    # That something never happens can only be seen by watching for a while.
    await viewer.page.wait_for_timeout(3000)
    assert viewer.requests == before
    assert await viewer.state() == "connected"

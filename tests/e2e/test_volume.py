"""A volume renderer in the browser: it is turned by the mouse."""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio

from tests.broker.desk import Desk
from tests.e2e.viewer import Viewer
from tests.support import Daemon, Program, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

SIZE = (500, 400)
READ = """([x, y, width, height]) => {
  const canvas = document.querySelector('#screen canvas');
  const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, x, y, width, height, 0, 0, width, height);
  return btoa(Array.from(copy.getImageData(0, 0, width, height).data, (n) =>
    String.fromCharCode(n)).join(''));
}"""


class Volume:
    """The running program, and where its picture is on the desktop."""

    def __init__(self, program: Program, window: dict[str, Any]) -> None:
        self.program = program
        self.place = window["geometry"]

    async def picture(self, viewer: Viewer) -> npt.NDArray[np.int16]:
        """Its pixels, as the browser has them."""
        where = [self.place["x"], self.place["y"], *SIZE]
        data = base64.b64decode(await viewer.frame.evaluate(READ, where))
        return np.frombuffer(data, np.uint8).reshape(SIZE[1], SIZE[0], 4)[..., :3].astype(np.int16)


@pytest_asyncio.fixture(loop_scope="session")
async def volume(desktop: Daemon, viewer: Viewer) -> AsyncIterator[Volume]:
    """The volume renderer under ``vizproxy run``, once it is seen in the browser."""
    desk = Desk(desktop)
    argv = (sys.executable, "-m", "tests.vtk_volume")
    async with desk.running(*argv, options=("--name", "volume")) as program:
        shown = await program.line(limit=60)
        assert shown.startswith("shown "), shown + (await program.rest())
        running = Volume(program, await desk.window("Volume"))

        async def seen() -> bool:
            return int(yellow(await running.picture(viewer)).sum()) > 300

        await eventually(seen, timeout=30)
        yield running
    await desk.is_empty()


def yellow(picture: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Where the brightest thing in the volume is seen."""
    return (picture[..., 0] > 150) & (picture[..., 1] > 150) & (picture[..., 2] < 90)


def middle(picture: npt.NDArray[np.int16]) -> float:
    """Where that is from left to right."""
    return float(np.nonzero(yellow(picture))[1].mean())


async def test_it_turns_when_dragged_and_not_before(viewer: Viewer, volume: Volume) -> None:
    mouse = viewer.page.mouse
    x, y = volume.place["x"] + SIZE[0] // 2, volume.place["y"] + SIZE[1] // 2
    before = await volume.picture(viewer)
    for step in range(8):  # without a button
        await mouse.move(*await viewer.place_of(x + 10 * step, y))
    still = await volume.picture(viewer)
    assert not np.abs(still - before).any()

    await mouse.move(*await viewer.place_of(x, y))
    await mouse.down()
    await mouse.move(*await viewer.place_of(x - 120, y), steps=10)
    await mouse.up()
    assert await volume.program.line(limit=60) == "turned"

    async def turned() -> bool:
        now = await volume.picture(viewer)
        seen[:] = [float((np.abs(now - before).max(axis=2) > 20).mean()), middle(now)]
        return seen[0] > 0.02 and middle(before) - seen[1] > 15

    seen: list[float] = []
    await eventually(turned, timeout=20, of=lambda: f"{middle(before)} {seen}")

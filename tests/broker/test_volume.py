"""A volume renderer under ``vizproxy run``: on the screen, mapped to its lease, and accounted."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

VOLUME = (sys.executable, "-m", "tests.vtk_volume")
SKY = (0, 0, 102)


async def picture(desk, window):
    """The window as it is on the desktop."""
    async with (
        desk.daemon.session() as session,
        session.get("api/v1/display/screenshot") as response,
    ):
        shot = Image.open(io.BytesIO(await response.read())).convert("RGB")
    place = window["geometry"]
    left, top = place["x"], place["y"]
    return shot.crop((left, top, left + place["width"], top + place["height"]))


def parts(image):
    """How many of the pixels are sky, tissue (red) and tumour (yellow)."""
    pixels = np.asarray(image).astype(int)
    red, green, blue = (pixels[..., channel] for channel in range(3))
    return (
        (pixels == SKY).all(axis=2).sum(),
        ((red > 2 * green) & (red > blue)).sum(),
        ((red > 150) & (green > 150) & (blue < 90)).sum(),
    )


async def test_a_volume_is_seen_mapped_and_accounted(desk):
    async with desk.running(*VOLUME, options=("--name", "volume")) as program:
        shown = await program.line(limit=60)
        assert shown.startswith("shown "), shown + (await program.rest())
        window = await desk.window("Volume")
        app = await desk.app("volume", lambda app: app["windows"])
        assert window["app"] == app["id"]
        assert (app["leased"], app["state"]) == (True, "running")
        assert app["program"] == Path(sys.executable).name
        assert app["pids"] == [program.process.pid]
        assert (window["geometry"]["width"], window["geometry"]["height"]) == (500, 400)

        async def drawn():
            sky, tissue, tumour = parts(await picture(desk, window))
            assert sky > 40_000, sky
            assert tissue > 5_000, tissue
            return tumour > 300

        await eventually(drawn)
        accounted = (await desk.app("volume"))["framebuffer"]
        counted = [c for c in desk.x_clients().values() if c.pid == program.process.pid]
        assert counted, "X knows it by its process"
        assert accounted["pixmap_bytes"] == sum(client.pixmap_bytes for client in counted)
        assert not accounted["over"]

        before = await picture(desk, window)
        async with desk.daemon.viewer() as viewer:
            x, y = window["geometry"]["x"] + 250, window["geometry"]["y"] + 200
            await viewer.move(x, y)
            await viewer.move(x, y, buttons=1)
            for step in range(1, 9):
                await viewer.move(x + 12 * step, y, buttons=1)
            await viewer.move(x + 96, y)
            assert await program.line(limit=60) == "turned"
        after = await picture(desk, window)
        assert before.tobytes() != after.tobytes()
        assert (await desk.run("apps", "stop", app["id"])).code == 0

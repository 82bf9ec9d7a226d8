"""OpenGL programs, started with the environment that the desktop tells."""

import shutil

import pytest

from tests.support import program_on

pytestmark = pytest.mark.skipif(not shutil.which("glxgears"), reason="mesa-utils is not installed")

BACKGROUND = bytes((0x3B, 0x30, 0x2B, 0))


async def test_programs_find_software_opengl(daemon):
    async with program_on(daemon, "glxinfo", "-B") as glxinfo:
        output = await glxinfo.rest(limit=20)
        assert await glxinfo.process.wait() == 0, output
    assert "direct rendering: Yes" in output
    assert "llvmpipe" in output


async def test_a_moving_opengl_program_is_seen(daemon):
    async with (
        program_on(daemon, "glxgears", "-geometry", "300x300+100+100"),
        daemon.viewer() as viewer,
    ):
        pictures = set()

        def turned():
            shown = bytes(viewer.framebuffer)
            colours = {viewer.pixel(x, y) for x in range(50, 450, 5) for y in range(50, 450, 5)}
            has_red_gear = any(
                red > 150 and green < 60 and blue < 60 for red, green, blue in colours
            )
            if has_red_gear:
                pictures.add(hash(shown))
            return len(pictures) >= 5

        await viewer.until(turned, limit=20)

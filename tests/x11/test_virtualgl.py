"""OpenGL through VirtualGL, with the dummy driver in the place of the 3D server's GPU.

The programs are started as the runner does it: by the command and environment that vizproxy computes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from typing import Any

import pytest
from Xlib.display import Display
from Xlib.ext.res import LocalClientPIDMask

from tests.process.scripts import write_script
from tests.support import eventually, program_on, running_daemon
from vizproxy import virtualgl
from vizproxy.broker.environment import Displays, for_app
from vizproxy.config import Plan

HERE = virtualgl.find(None, os.environ)

pytestmark = [
    pytest.mark.skipif(HERE is None, reason="VirtualGL is not installed (https://virtualgl.org)"),
    pytest.mark.skipif(not shutil.which("glxgears"), reason="mesa-utils is not installed"),
]

BARE = virtualgl.VirtualGL(None, HERE.libraries) if HERE is not None else None
WAYS = pytest.mark.parametrize(
    "way", [HERE, BARE], ids=["by vglrun", "by the environment vglrun would set"]
)
GPU: dict[str, Any] = {"VIZPROXY_DISPLAY_GPU_DRIVER": "dummy"}


@pytest.fixture
async def daemon(tmp_path):
    """A desktop whose own X server has no GLX at all, so that only the 3D server's can be seen."""
    xorg = write_script(
        tmp_path / "xorg",
        'case "$*" in *xorg3d.conf*) ;; *) set -- "$@" -extension GLX;; esac\n'
        'exec /usr/lib/xorg/Xorg "$@"',
    )
    settings = GPU | {"VIZPROXY_PROGRAMS_XORG": str(xorg)}
    async with running_daemon(tmp_path / "daemon", **settings) as running:
        yield running


@contextlib.asynccontextmanager
async def app_on(daemon, *argv, way=HERE, plan=Plan.VIRTUALGL):
    """Run a program as an app that draws by a plan."""
    status = await daemon.status()
    told = status["environment"]
    desktop = Plan(status["plan"]["name"])
    three_d = told["VGL_DISPLAY"] if desktop is Plan.VIRTUALGL else None
    app = for_app(plan, Displays(desktop, told["DISPLAY"], three_d, told["XAUTHORITY"]))
    environ = {**os.environ, **app.variables}
    if app.virtualgl_display is not None:
        argv = way.command(app.virtualgl_display, argv)
        environ = way.environment(app.virtualgl_display, environ)
    async with program_on(daemon, *argv, **environ) as program:
        yield program


def clients_of(display):
    """The PIDs of an X server's clients (X-Resource)."""
    connection = Display(display)
    try:
        told = connection.res_query_client_ids([{"client": 0, "mask": LocalClientPIDMask}]).ids
        return {pid for client in told for pid in client.value}
    finally:
        connection.close()


async def glxinfo(daemon, **how):
    async with app_on(daemon, "glxinfo", **how) as program:
        return await program.rest(limit=30)


def extensions(output, whose):
    """The GLX extensions that glxinfo lists under a heading."""
    (listed,) = re.findall(rf"^{whose} glx extensions:\n((?:    .*\n)*)", output, re.MULTILINE)
    return {name for name in re.split(r"[,\s]+", listed) if name}


@WAYS
async def test_a_program_gets_the_3d_servers_opengl(daemon, way):
    without = await glxinfo(daemon, plan=Plan.SOFTWARE)
    assert "couldn't find RGB GLX visual or fbconfig" in without, "the desktop has no GLX"
    output = await glxinfo(daemon, way=way)
    assert "server glx vendor string: VirtualGL" in output
    assert "direct rendering: Yes" in output
    assert "OpenGL renderer string: llvmpipe" in output
    assert {"GLX_ARB_create_context", "GLX_EXT_swap_control"} <= extensions(output, "server")
    assert {"GLX_ARB_create_context", "GLX_ARB_get_proc_address"} <= extensions(output, "client")


@WAYS
async def test_a_moving_program_is_a_client_of_both_servers_and_is_seen(daemon, way, monkeypatch):
    environment = (await daemon.status())["environment"]
    monkeypatch.setenv("XAUTHORITY", environment["XAUTHORITY"])
    three_d, desktop = environment["VGL_DISPLAY"], environment["DISPLAY"]

    async def clients():
        return clients_of(three_d), clients_of(desktop)

    async with (
        app_on(daemon, "glxgears", "-geometry", "300x300+100+100", way=way) as gears,
        daemon.viewer() as viewer,
    ):
        pid = gears.process.pid

        async def draws_there():
            return all(pid in pids for pids in await clients())

        await eventually(draws_there)
        pictures = set()

        def turned():
            colours = {viewer.pixel(x, y) for x in range(50, 450, 5) for y in range(50, 450, 5)}
            if any(red > 150 and green < 60 and blue < 60 for red, green, blue in colours):
                pictures.add(hash(bytes(viewer.framebuffer)))
            return len(pictures) >= 5

        await viewer.until(turned, limit=20)


async def test_a_program_dies_with_the_3d_server_and_can_be_started_again(daemon, monkeypatch):
    before = await daemon.pids()
    environment = (await daemon.status())["environment"]
    monkeypatch.setenv("XAUTHORITY", environment["XAUTHORITY"])
    async with app_on(daemon, "glxgears") as gears:

        async def draws():
            return gears.process.pid in clients_of(environment["VGL_DISPLAY"])

        await eventually(draws)
        os.kill(before["xorg3d"], signal.SIGKILL)
        async with asyncio.timeout(10):
            assert await gears.process.wait() != 0
    await daemon.until_component("xorg3d", "ready", after=0)
    assert "OpenGL renderer string" in await glxinfo(daemon)
    assert (await daemon.pids())["xorg"] == before["xorg"]


async def test_by_egl_there_is_opengl_without_a_3d_server(tmp_path):
    async with running_daemon(tmp_path / "daemon", "--plan", "egl", **GPU) as daemon:
        output = await glxinfo(daemon, plan=Plan.EGL)
    assert "server glx vendor string: VirtualGL" in output
    assert "OpenGL renderer string" in output


async def test_a_shell_is_told_what_vglrun_needs(daemon):
    if HERE is None or HERE.vglrun is None:
        pytest.skip("there is no vglrun here")
    async with program_on(daemon, str(HERE.vglrun), "glxinfo", "-B") as program:
        assert "OpenGL renderer string" in await program.rest(limit=30)

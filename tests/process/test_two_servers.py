"""The plan "virtualgl" with the dummy driver in the GPU's place: a 3D server beside the desktop's."""

import itertools
import os
import signal
import socket
from typing import Any

import psutil
import pytest

from tests.process.scripts import write_script
from tests.process.test_ends import check_gone, check_no_trace_of_display
from tests.support import children_of, part, program_on, running_daemon, window_on
from vizproxy.display import xauth, xprobe
from vizproxy.display.files import X11_SOCKETS
from vizproxy.supervise.probes import ProbeError

BACKGROUND = (0x2B, 0x30, 0x3B)
RED = (255, 0, 0)
GPU: dict[str, Any] = {"VIZPROXY_DISPLAY_GPU_DRIVER": "dummy"}


@pytest.fixture
def pretended(tmp_path):
    """A VirtualGL that is found and does nothing, and the dummy driver in the GPU's place."""
    tree = tmp_path / "VirtualGL"
    (tree / "bin").mkdir(parents=True)
    write_script(tree / "bin" / "vglrun", 'exec "$@"')
    return GPU | {"VIZPROXY_DISPLAY_VIRTUALGL_DIR": str(tree)}


@pytest.fixture
async def daemon(tmp_path, pretended):
    async with running_daemon(tmp_path / "daemon", **pretended) as running:
        yield running


async def display_3d(daemon):
    return int((await daemon.environment())["VGL_DISPLAY"].removeprefix(":"))


async def asked(daemon, number, **environ):
    """What an X server tells a client; XAUTHORITY names the cookie to show."""
    async with program_on(daemon, "xdpyinfo", "-display", f":{number}", **environ) as program:
        return await program.rest()


async def test_both_servers_are_up_and_want_the_cookie(daemon):
    status = await daemon.status()
    assert status["plan"] == {
        "name": "virtualgl",
        "reason": "the dummy driver stands in for a GPU",
        "warning": "",
    }
    assert part(status, "xorg3d")["state"] == "ready"
    numbers = [await daemon.display_number(), await display_3d(daemon)]
    assert numbers[0] != numbers[1]
    for number, size in zip(numbers, ("1600x900", "640x480"), strict=True):
        assert f"dimensions:    {size} pixels" in await asked(daemon, number)

    wrong = daemon.directory.parent / "wrong"
    wrong.write_bytes(xauth.authority_file(xauth.new_cookie(), socket.gethostname()))
    for file in (wrong, daemon.directory.parent / "none"):
        for number in numbers:
            refused = await asked(daemon, number, XAUTHORITY=str(file))
            assert f'unable to open display ":{number}"' in refused


async def test_the_probe_is_let_in_by_the_cookie_alone(daemon):
    socket_3d = X11_SOCKETS / f"X{await display_3d(daemon)}"
    right = xauth.cookie_in((daemon.directory / "Xauthority").read_bytes())
    await xprobe.check_glx(socket_3d, right)
    with pytest.raises(ProbeError, match="does not let us in: Invalid MIT-MAGIC-COOKIE-1 key"):
        await xprobe.check_glx(socket_3d, xauth.new_cookie())
    nobodys = daemon.directory.parent / "X0"  # a number may be another's as soon as it is free
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(nobodys))
    with pytest.raises(ProbeError, match="does not accept connections"):
        await xprobe.check_glx(nobodys, right)


async def test_a_lost_3d_server_comes_back_and_the_desktop_lives_on(daemon):
    before, number = await daemon.pids(), await display_3d(daemon)
    async with window_on(daemon, "--colour", "ff0000"), daemon.viewer() as viewer:
        await viewer.until(lambda: viewer.pixel(100, 100) == RED)
        os.kill(before["xorg3d"], signal.SIGKILL)
        status = await daemon.until_component("xorg3d", "ready", after=0)
        assert status["pid"] != before["xorg3d"]
        assert await display_3d(daemon) == number, "what programs were told stays true"
        await viewer.update(incremental=False)
        assert viewer.pixel(100, 100) == RED
    after = await daemon.pids()
    assert {name for name in before if after[name] != before[name]} == {"xorg3d"}


async def test_without_its_3d_server_the_desktop_is_degraded(tmp_path, pretended):
    slow: dict[str, Any] = {
        "VIZPROXY_SUPERVISION_BACKOFF_INITIAL": "60",
        "VIZPROXY_SUPERVISION_BACKOFF_MAX": "60",
    }
    async with running_daemon(tmp_path / "daemon", **pretended, **slow) as daemon:
        os.kill((await daemon.pids())["xorg3d"], signal.SIGKILL)
        status = await daemon.until(lambda s: s["state"] == "degraded")
        assert status["picture"]
        assert "the 3D X server failed and will be started again" in status["summary"]
        assert "VGL_DISPLAY" not in status["environment"]
        async with daemon.connected() as session:
            answer = await session.post("api/v1/components/xorg3d/retry")
            assert answer.status == 202, await answer.text()
        await daemon.ready()
        assert "VGL_DISPLAY" in await daemon.environment()


async def test_a_lost_desktop_server_takes_the_3d_server_along(daemon):
    numbers = [await daemon.display_number(), await display_3d(daemon)]
    before = await daemon.pids()
    os.kill(before["xorg"], signal.SIGKILL)
    await daemon.until(lambda s: part(s, "xorg")["restarts"] == 1 and s["state"] == "ready")
    after = await daemon.pids()
    assert {name for name in before if after[name] != before[name]} >= {"xorg", "xorg3d"}
    assert [await daemon.display_number(), await display_3d(daemon)] == numbers
    assert not [name for name in ("xorg", "xorg3d") if psutil.pid_exists(before[name])]


async def test_nothing_is_left_of_either(daemon):
    numbers = [await daemon.display_number(), await display_3d(daemon)]
    children = children_of(daemon.pid)
    assert len(children) == 5
    assert {"xorg3d.conf", "xorg3d.log"} <= {path.name for path in daemon.directory.iterdir()}
    for file in ("xorg3d.conf", "xorg3d.log"):
        assert (daemon.directory / file).stat().st_mode & 0o777 == 0o600
    assert await daemon.end() == 0
    await check_gone(daemon, children, numbers[0])
    await check_no_trace_of_display(numbers[1])


async def test_a_3d_server_without_glx_never_counts_as_ready(tmp_path, pretended):
    xorg = write_script(
        tmp_path / "xorg",
        'case "$*" in *xorg3d.conf*) set -- "$@" -extension GLX;; esac\n'
        'exec /usr/lib/xorg/Xorg "$@"',
    )
    settings: dict[str, Any] = {
        "VIZPROXY_PROGRAMS_XORG": str(xorg),
        "VIZPROXY_SUPERVISION_START_TIMEOUT": "1",
        "VIZPROXY_SUPERVISION_MAX_FAILURES": "1",
    }
    async with running_daemon(
        tmp_path / "d", "--plan", "virtualgl", wait=False, **pretended, **settings
    ) as daemon:
        async with daemon.connected():
            lost = await daemon.until_component("xorg3d", "fatal")
        assert lost["reason"].startswith("was not ready within 1 s: has no GLX")
        status = await daemon.status()
        assert (status["state"], status["picture"]) == ("degraded", True)


@pytest.mark.slow  # tests beside it would take the number
async def test_a_configured_number_is_the_desktops(tmp_path, pretended):
    """Choosing by itself, the 3D server must not come first and take it."""
    free = next(n for n in itertools.count() if not (X11_SOCKETS / f"X{n}").exists())
    settings: dict[str, Any] = {**pretended, "VIZPROXY_DISPLAY_NUMBER": str(free)}
    async with running_daemon(tmp_path / "daemon", **settings) as daemon:
        assert await daemon.display_number() == free
        assert await display_3d(daemon) != free


async def test_without_virtualgl_auto_degrades_with_a_warning(tmp_path):
    nowhere: dict[str, Any] = {"VIZPROXY_DISPLAY_VIRTUALGL_DIR": str(tmp_path / "nowhere")}
    async with running_daemon(tmp_path / "d", **GPU, **nowhere) as daemon:
        plan = (await daemon.status())["plan"]
        assert plan["name"] == "direct"
        assert f"VirtualGL is not in {tmp_path / 'nowhere'}; try" in plan["warning"]
        assert plan["warning"] in daemon.log.read_text()
        assert "dimensions:    1600x900" in await asked(daemon, await daemon.display_number())
        async with daemon.viewer() as viewer:
            await viewer.until(lambda: viewer.pixel(5, 5) == BACKGROUND)


async def test_the_plan_egl_needs_no_3d_server(tmp_path, pretended):
    async with running_daemon(tmp_path / "d", "--plan", "egl", **pretended) as daemon:
        status = await daemon.status()
        assert status["plan"] == {"name": "egl", "reason": "it was asked for", "warning": ""}
        assert [c["name"] for c in status["components"] if c["name"].startswith("xorg")] == ["xorg"]
        assert status["environment"]["VGL_DISPLAY"] == "egl0"

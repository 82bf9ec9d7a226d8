"""A child that dies or hangs comes back, and the picture with it."""

import os
import signal
from typing import Any

import psutil
import pytest

from tests.support import children_of, eventually, part, running_daemon, window_on

BACKGROUND = (0x2B, 0x30, 0x3B)
RED = (255, 0, 0)
IMPATIENT: dict[str, Any] = {
    "VIZPROXY_SUPERVISION_HEALTH_INTERVAL": "1",
    "VIZPROXY_SUPERVISION_HEALTH_TIMEOUT": "0.3",
    "VIZPROXY_SUPERVISION_DEGRADED_TIMEOUT": "0.5",
    "VIZPROXY_SUPERVISION_STOP_TIMEOUT": "0.3",
}


async def killed_and_back(daemon, name):
    """Kill a child; return the PIDs from before, once the desktop is whole again."""
    before = await daemon.pids()
    os.kill(before[name], signal.SIGKILL)
    await daemon.until(lambda s: part(s, name)["restarts"] == 1 and s["state"] == "ready")
    return before


async def check_only_replaced(daemon, before, *names):
    """Check that these children have a new process, and that nothing of former runs lives on."""
    after = await daemon.pids()
    assert {name for name in before if after[name] != before[name]} == set(names)

    async def only_bridges_besides():
        others = [p for p in children_of(daemon.pid) if p.pid not in after.values()]
        viewers = (await daemon.status())["viewers"]
        try:
            parents = {p.ppid() for p in others}
        except psutil.NoSuchProcess:
            return False  # one ended while we looked
        assert parents <= {after["websockify"]}
        return len(others) == viewers

    await eventually(only_bridges_besides)


@pytest.mark.parametrize("name", ["x11vnc", "websockify"])
async def test_the_picture_is_back_when_its_path_was_cut(daemon, name):
    async with window_on(daemon), daemon.viewer() as viewer:
        await viewer.until(lambda: viewer.pixel(100, 100) == RED)
        before = await killed_and_back(daemon, name)
        ended = await viewer.until_ended()
        assert ended.code == 1012, "tells the page to come back"
        async with daemon.viewer() as again:
            await again.until(lambda: again.pixel(100, 100) == RED)
        await check_only_replaced(daemon, before, name)
    log = daemon.log.read_text()
    assert "ready -> backoff: was killed by SIGKILL" in log


@pytest.mark.slow
async def test_viewers_stay_when_the_window_manager_dies(daemon):
    async with window_on(daemon), daemon.viewer() as viewer:
        await viewer.until(lambda: viewer.pixel(100, 100) == RED)
        before = await daemon.pids()
        os.kill(before["wm"], signal.SIGKILL)
        status = await daemon.until(lambda s: s["state"] == "degraded")
        assert status["picture"]
        await daemon.until(lambda s: part(s, "wm")["restarts"] == 1 and s["state"] == "ready")
        async with window_on(daemon, "--colour", "0000ff", "--place", "50x50+400+400"):
            await viewer.until(lambda: viewer.pixel(420, 420) == (0, 0, 255))
        assert viewer.pixel(100, 100) == RED
        await check_only_replaced(daemon, before, "wm")


@pytest.mark.slow
async def test_a_new_x_server_has_the_number_size_and_look_of_the_old_one(daemon):
    environment = await daemon.environment()
    async with daemon.session() as session:
        size = {"width": 1001, "height": 777}
        async with session.put("api/v1/display", json=size) as response:
            assert response.status == 200
    async with window_on(daemon) as program, daemon.viewer() as viewer:
        await viewer.until(lambda: viewer.pixel(100, 100) == RED)
        before = await killed_and_back(daemon, "xorg")
        assert await program.process.wait() == 1
        await viewer.until_ended()
        assert await daemon.environment() == environment
        async with daemon.viewer() as again:
            assert (again.width, again.height) == (1001, 777)
            await again.until(lambda: again.pixel(1000, 776) == BACKGROUND)
            async with window_on(daemon, "--colour", "00ff00"):
                await again.until(lambda: again.pixel(100, 100) == (0, 255, 0))
        await check_only_replaced(daemon, before, "xorg", "wm", "x11vnc")
    status = await daemon.status()
    assert part(status, "x11vnc")["failures"] == 0, "the X server's end is not its fault"


async def test_all_children_killed_at_once(daemon):
    before = await daemon.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    await daemon.until(
        lambda s: s["state"] == "ready" and all(c["restarts"] for c in s["components"])
    )
    async with daemon.viewer() as viewer:
        await viewer.until(lambda: viewer.pixel(5, 5) == BACKGROUND)
    await check_only_replaced(daemon, before, *before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x11vnc", "websockify"])
async def test_a_child_that_hangs_is_noticed_and_replaced(tmp_path, name):
    async with running_daemon(tmp_path, **IMPATIENT) as daemon:
        before = await daemon.pids()
        os.kill(before[name], signal.SIGSTOP)
        status = await daemon.until(lambda s: part(s, name)["restarts"] == 1)
        status = await daemon.ready()
        assert part(status, name)["pid"] != before[name]
        log = daemon.log.read_text()
        assert "ready -> degraded: no answer within 0.3 s" in log
        assert "degraded -> stopping: did not recover within 0.5 s" in log
        assert "stopping -> killing" in log, "a stopped process cannot act on SIGTERM"
        async with daemon.viewer() as viewer:
            await viewer.until(lambda: viewer.pixel(5, 5) == BACKGROUND)
        await check_only_replaced(daemon, before, name)


@pytest.mark.slow
async def test_an_x_server_that_hangs_is_reported_and_left_alone(tmp_path):
    """With it all windows would go, and a program may just hold it by a grab."""
    async with running_daemon(tmp_path, **IMPATIENT) as daemon:
        before = await daemon.pids()
        os.kill(before["xorg"], signal.SIGSTOP)
        try:
            status = await daemon.until(
                lambda s: s["state"] == "degraded" and part(s, "xorg")["since_seconds"] > 1,
                limit=30,
            )
            assert "the X server is degraded: no answer within 0.3 s" in status["summary"]
        finally:
            os.kill(before["xorg"], signal.SIGCONT)
        await daemon.ready()
        assert (await daemon.pids())["xorg"] == before["xorg"]


@pytest.mark.slow
async def test_a_short_hang_is_forgiven(tmp_path):
    patient = {**IMPATIENT, "VIZPROXY_SUPERVISION_DEGRADED_TIMEOUT": "20"}
    async with running_daemon(tmp_path, **patient) as daemon:
        before = await daemon.pids()
        os.kill(before["x11vnc"], signal.SIGSTOP)
        status = await daemon.until(lambda s: s["state"] == "degraded")
        assert "VNC server is degraded: no answer" in status["summary"]
        os.kill(before["x11vnc"], signal.SIGCONT)
        await daemon.ready()
        assert await daemon.pids() == before

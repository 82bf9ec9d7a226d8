"""However the daemon ends, nothing of it is left."""

import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from tests.process.scripts import IGNORES_TERM, write_script
from tests.support import children_of, eventually, gone, running_daemon, window_on

BACKGROUND = (0x2B, 0x30, 0x3B)
BUGGY = (sys.executable, "-m", "tests.process.buggy")


def display_answers(number):
    """Whether an X server listens on a display's socket; FileNotFoundError: there is no socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(f"/tmp/.X11-unix/X{number}")
        except ConnectionRefusedError:
            return False
        return True


async def check_no_trace_of_display(number):
    """A display's socket is gone, or another test's server has taken the number by now."""

    async def no_dead_socket():
        try:
            return display_answers(number)
        except FileNotFoundError:
            return True

    await eventually(no_dead_socket, timeout=2)
    lock = Path(f"/tmp/.X{number}-lock")
    assert not lock.exists() or psutil.pid_exists(int(lock.read_text()))


async def check_gone(daemon, children, number):
    await gone(children)
    assert not daemon.directory.exists()
    await check_no_trace_of_display(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_all(daemon, number):
    display = await daemon.display_number()
    assert display_answers(display)
    async with daemon.viewer() as viewer:
        children = children_of(daemon.pid)
        assert len(children) >= 5, "four children and the viewer's bridge"
        assert await daemon.end(number) == 0
        ended = await viewer.until_ended()
        assert (ended.code, ended.reason) == (1001, "the desktop is being ended")
    await check_gone(daemon, children, display)
    assert daemon.log.read_text().endswith("the desktop has ended\n")


async def test_a_signal_during_the_start_ends_all(tmp_path):
    async with running_daemon(tmp_path, wait=False) as daemon:

        async def begun():
            return "stopped -> starting" in daemon.log.read_text() and children_of(daemon.pid)

        children = await eventually(begun)
        assert await daemon.end() == 0
        await gone(children)
        assert not daemon.directory.exists()


async def test_a_second_signal_changes_nothing(daemon):
    display = await daemon.display_number()
    children = children_of(daemon.pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        daemon.process.send_signal(number)
    assert await daemon.ended() == 0
    await check_gone(daemon, children, display)


async def test_children_that_ignore_term_do_not_hold_up_the_end(tmp_path):
    script = write_script(tmp_path / "x11vnc", IGNORES_TERM, pid_file=tmp_path / "pid")
    running = running_daemon(
        tmp_path,
        VIZPROXY_PROGRAMS_X11VNC=str(script),
        VIZPROXY_SUPERVISION_STOP_TIMEOUT="60s",  # longer than an end is waited for here
        VIZPROXY_SUPERVISION_KILL_TIMEOUT="60s",
    )
    async with running as daemon, window_on(daemon, "--moving"), daemon.viewer() as viewer:
        await viewer.update(incremental=False)
        display = await daemon.display_number()
        children = children_of(daemon.pid)
        assert await daemon.end() == 0
        await check_gone(daemon, children, display)
        log = daemon.log.read_text()
        assert "stopping -> killing: the desktop is being ended" in log
        assert log.endswith("the desktop has ended\n")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=["callback", "probe"])
async def test_a_bug_ends_all_and_says_so(tmp_path, number):
    running = running_daemon(tmp_path, command=BUGGY, VIZPROXY_SUPERVISION_HEALTH_INTERVAL="1")
    async with running as daemon:
        display = await daemon.display_number()
        children = children_of(daemon.pid)
        daemon.process.send_signal(number)
        assert await daemon.ended() == 70
        await check_gone(daemon, children, display)
        log = daemon.log.read_text()
        assert "a bug in vizproxy ends the desktop" in log
        assert "ZeroDivisionError: a bug on purpose" in log


async def test_a_killed_daemon_takes_its_children_along_and_can_be_started_again(tmp_path):
    async with running_daemon(tmp_path) as daemon:
        async with window_on(daemon, "--moving"), daemon.viewer() as viewer:
            await viewer.update(incremental=False)
            children = children_of(daemon.pid)
            assert len(children) == 5, "four children and the viewer's bridge"
            daemon.process.kill()
            assert await daemon.ended() == -signal.SIGKILL
            await gone(children)
        assert daemon.socket.is_socket(), "a killed daemon cannot tidy up"

    async with running_daemon(tmp_path) as again, again.viewer() as viewer:
        await viewer.until(lambda: viewer.pixel(100, 100) == BACKGROUND)
        second = await again.display_number()
        assert await again.end() == 0
        assert not again.directory.exists() or not list(again.directory.iterdir())
        await check_no_trace_of_display(second)

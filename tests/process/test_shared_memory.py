"""No System V shared memory stays behind, however x11vnc ends."""

import os
import signal
from pathlib import Path

import pytest

from tests.support import children_of, eventually, gone, running_daemon


def segments(creator: int) -> int:
    """How many segments a process has made that are still there."""
    names, *rows = (line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines())
    column = names.index("cpid")
    return sum(int(row[column]) == creator for row in rows)


async def none_left(creator: int) -> None:
    async def check() -> bool:
        return segments(creator) == 0

    await eventually(check, of=lambda: segments(creator))


async def test_x11vnc_killed(daemon):
    x11vnc = (await daemon.pids())["x11vnc"]
    assert segments(x11vnc) > 0
    os.kill(x11vnc, signal.SIGKILL)
    await none_left(x11vnc)


async def test_the_daemon_ended(tmp_path):
    async with running_daemon(tmp_path) as daemon, daemon.viewer():
        x11vnc = (await daemon.pids())["x11vnc"]
        assert segments(x11vnc) > 0
    assert segments(x11vnc) == 0


@pytest.mark.slow
async def test_the_daemon_killed_and_started_again(tmp_path):
    async with running_daemon(tmp_path) as daemon, daemon.viewer():
        x11vnc = (await daemon.pids())["x11vnc"]
        children = children_of(daemon.pid)
        await daemon.end(signal.SIGKILL)
        await gone(children)
    async with running_daemon(tmp_path):
        assert segments(x11vnc) == 0

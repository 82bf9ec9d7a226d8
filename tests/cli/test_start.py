"""``vizproxy`` as it is installed, which leaves Python to itself where there is no time for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import environment
from tests.support import running_daemon

START = (sys.executable, "-m", "vizproxy.cli.start")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("serve", "--size", "big"), 2), (("--version",), 0), (("nonsense",), 2)],
)
def test_what_is_said_last_is_not_lost(arguments: tuple[str, ...], code: int) -> None:
    ended = subprocess.run(
        (*START, *arguments), env=environment(), capture_output=True, text=True, check=False
    )
    assert ended.returncode == code
    assert (ended.stdout + ended.stderr).startswith("vizproxy")
    assert (ended.stdout + ended.stderr).endswith("\n")


async def test_a_daemon_that_is_told_to_end_has_ended_well(tmp_path: Path) -> None:
    async with running_daemon(tmp_path, command=START) as daemon:
        assert await daemon.end() == 0
    assert "the desktop has ended\n" in daemon.log.read_text()
    assert not list(daemon.directory.glob("*"))

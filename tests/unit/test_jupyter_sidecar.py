"""What is said of a sidecar whose daemon cannot be reached."""

from __future__ import annotations

import os
import time
from pathlib import Path

import aiohttp
import pytest

from vizproxy.errors import VersionError
from vizproxy.jupyter.explain import Phase
from vizproxy.jupyter.sidecar import (
    PATIENCE_SECONDS,
    SidecarDesktop,
    other_version,
    read_failure,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sidecar(tmp_path: Path, clock: Clock) -> SidecarDesktop:
    return SidecarDesktop(tmp_path / "http.sock", clock=clock)


async def test_at_first_it_may_just_be_slow(sidecar: SidecarDesktop, clock: Clock):
    explanation = await sidecar.explain(FileNotFoundError())
    assert explanation.phase is Phase.STARTING
    assert (
        explanation.message == f"cannot reach the desktop at {sidecar.socket}: no daemon runs there"
    )
    clock.now += PATIENCE_SECONDS
    explanation = await sidecar.explain(FileNotFoundError())
    assert explanation.phase is Phase.ABSENT
    assert str(sidecar.socket) in explanation.report
    assert f"uid {os.getuid()}" in explanation.report


async def test_a_daemon_that_has_taken_its_directory_is_starting(
    sidecar: SidecarDesktop, clock: Clock, tmp_path: Path
):
    clock.now += PATIENCE_SECONDS
    (tmp_path / "lock").write_text("vizproxy 7\n")
    assert (await sidecar.explain(FileNotFoundError())).phase is Phase.STARTING
    long_ago = time.time() - 2 * PATIENCE_SECONDS
    os.utime(tmp_path / "lock", (long_ago, long_ago))
    assert (await sidecar.explain(FileNotFoundError())).phase is Phase.ABSENT


async def test_a_dead_daemon_left_its_socket(sidecar: SidecarDesktop):
    explanation = await sidecar.explain(ConnectionRefusedError())
    assert explanation.phase is Phase.FAILED
    assert "was killed" in explanation.text
    assert explanation.message.endswith("the daemon there is dead")


async def test_a_failed_daemon_left_its_reason(sidecar: SidecarDesktop, tmp_path: Path):
    (tmp_path / "failure.txt").write_text(
        "cannot start the desktop: no Xorg\n`apt-get install x`\n"
    )
    for error in (FileNotFoundError(), ConnectionRefusedError()):
        explanation = await sidecar.explain(error)
        assert explanation.phase is Phase.FAILED
        assert explanation.text == "Cannot start the desktop: no Xorg."
        assert explanation.advice == "Try `apt-get install x`."
        assert (explanation.message, explanation.hint) == (
            "cannot start the desktop: no Xorg",
            "`apt-get install x`",
        )


async def test_a_daemon_that_starts_after_it_failed_is_starting(
    sidecar: SidecarDesktop, tmp_path: Path
):
    (tmp_path / "failure.txt").write_text("cannot start the desktop: no Xorg\n")
    earlier = time.time() - 5
    os.utime(tmp_path / "failure.txt", (earlier, earlier))
    (tmp_path / "lock").write_text("vizproxy 7\n")
    assert (await sidecar.explain(FileNotFoundError())).phase is Phase.STARTING


async def test_another_users_desktop(sidecar: SidecarDesktop):
    explanation = await sidecar.explain(PermissionError())
    assert explanation.phase is Phase.FAILED
    assert "another user" in explanation.title


@pytest.mark.parametrize("error", [TimeoutError(), aiohttp.ServerDisconnectedError()])
async def test_a_silent_daemon(sidecar: SidecarDesktop, error: Exception):
    explanation = await sidecar.explain(error)
    assert explanation.phase is Phase.FAILED
    assert "does not answer" in explanation.title


@pytest.mark.parametrize("content", [b"", b"\n\n", b"  \nhint\n"])
def test_an_empty_reason_is_none(tmp_path: Path, content: bytes):
    (tmp_path / "failure.txt").write_bytes(content)
    assert read_failure(tmp_path) is None


def test_any_bytes_can_be_a_reason(tmp_path: Path):
    (tmp_path / "failure.txt").write_bytes(b"\xff\xfe broken " + b"x" * 10_000)
    failure = read_failure(tmp_path)
    assert failure is not None
    assert len(failure[0]) < 5000
    assert failure[1] == ""


def test_a_daemon_of_another_version():
    error = VersionError("use the desktop", "it is 0.1 there and 9 here", "a newer sidecar")
    explanation = other_version(error)
    assert explanation.phase is Phase.FAILED
    assert explanation.text == "It is 0.1 there and 9 here."
    assert explanation.message == "cannot use the desktop: it is 0.1 there and 9 here"
    assert "try a newer sidecar" in explanation.report

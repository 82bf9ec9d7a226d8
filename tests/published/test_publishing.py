"""A daemon that publishes is as well as one that does not, whatever becomes of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import VIZPROXY
from tests.published.containers import with_mounts
from tests.support import eventually, running_daemon

MIB = 1024**2


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Something to publish."""
    script = tmp_path / "source" / "bin" / "vizproxy-run"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    return tmp_path / "source"


@pytest.mark.slow
async def test_what_is_published_outlives_the_daemon_and_the_next_one_takes_it_over(
    tmp_path: Path, source: Path
) -> None:
    share = tmp_path / "run" / "share"
    async with running_daemon(tmp_path, VIZPROXY_SHARE_SOURCE=str(source)) as daemon:
        await daemon.said(f"{share} has what programs in other containers need")
        script = share / "bin" / "vizproxy-run"
        before = script.stat()
        assert (await daemon.status())["state"] == "ready"
    assert script.stat().st_ino == before.st_ino
    async with running_daemon(tmp_path, VIZPROXY_SHARE_SOURCE=str(source)) as daemon:
        await daemon.said(f"{share} has what programs in other containers need already")
        assert script.stat().st_ino == before.st_ino


@pytest.mark.slow
async def test_why_a_daemon_could_not_start_is_told_beside_what_its_predecessor_has_published(
    tmp_path: Path, source: Path
) -> None:
    run = tmp_path / "run"
    async with running_daemon(tmp_path, VIZPROXY_SHARE_SOURCE=str(source)) as daemon:
        await daemon.said("has what programs")
    assert [path.name for path in run.iterdir()] == ["share"]
    env = {**os.environ, "VIZPROXY_RUNTIME_DIR": str(run), "VIZPROXY_DISPLAY_SIZE": "big"}
    failed = subprocess.run((*VIZPROXY, "serve"), env=env, capture_output=True, check=False)
    assert failed.returncode == 2
    assert "is not a size" in (run / "failure.txt").read_text()


@pytest.mark.slow
async def test_neither_its_start_nor_its_end_waits_for_a_slow_volume(
    tmp_path: Path, source: Path
) -> None:
    os.mkfifo(source / "a-fifo")  # it is opened when somebody writes, which nobody does
    async with running_daemon(tmp_path, VIZPROXY_SHARE_SOURCE=str(source)) as daemon:

        async def has_begun() -> bool:
            return any(
                path.name.startswith(".vizproxy-share") for path in daemon.directory.iterdir()
            )

        await eventually(has_begun)
        assert (await daemon.status())["state"] == "ready"
        assert await daemon.end() == 0


@pytest.mark.slow
async def test_a_volume_without_room(tmp_path: Path, source: Path) -> None:
    """The daemon has enough for its own files; a volume of the test's own cannot be seen from here."""
    (source / "large").write_bytes(bytes(8 * MIB))
    volume, run = tmp_path / "volume", tmp_path / "run"
    volume.mkdir()
    run.mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o size=4m,mode=700 none {volume}"
    async with running_daemon(
        tmp_path,
        *("--runtime-dir", str(volume), "--http-socket", str(run / "http.sock")),
        command=with_mounts(mount, *VIZPROXY),
        VIZPROXY_SHARE_SOURCE=str(source),
    ) as daemon:
        await daemon.said(
            f"cannot publish in {volume}/share what programs in other containers need"
        )
        assert "no space left on device" in daemon.log.read_text()
        inside = Path(f"/proc/{daemon.pid}/root{volume}")
        assert not [path for path in inside.iterdir() if "share" in path.name]
        status = await daemon.status()
        assert (status["state"], status["warnings"]) == ("ready", [])
        assert await daemon.end() == 0

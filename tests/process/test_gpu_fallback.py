"""An X server that cannot use the GPU: under ``auto`` the next best plan is tried, and told of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.process.scripts import write_script
from tests.support import Daemon, eventually, part, running_daemon, window_on

RED = (255, 0, 0)
SAID = "NVIDIA(0): Failed to initialize the NVIDIA GPU at PCI:59@0:0:0"
FAILS_IN_3D = f"""
case "$*" in *xorg3d.conf*) echo '(EE) {SAID}' >&2; exit 1;; esac
exec /usr/lib/xorg/Xorg "$@"
"""
FAILS_TWICE = f"""
echo run >> {{runs}}
if [ "$(wc -l < {{runs}})" -le 2 ]; then echo '(EE) {SAID}' >&2; exit 1; fi
exec /usr/lib/xorg/Xorg "$@"
"""
WHY = f"the X server on the GPU was given up: it exited with status 1 ({SAID})"
SETTINGS: dict[str, Any] = {
    "VIZPROXY_DISPLAY_GPU_DRIVER": "dummy",
    "VIZPROXY_SUPERVISION_MAX_FAILURES": "2",
    "VIZPROXY_SUPERVISION_BACKOFF_INITIAL": "50ms",
}


def with_virtualgl(tmp_path: Path, script: str, **values: object) -> dict[str, Any]:
    """Settings with an X server that is a script, and a VirtualGL that is found."""
    (tmp_path / "VirtualGL" / "bin").mkdir(parents=True)
    write_script(tmp_path / "VirtualGL" / "bin" / "vglrun", 'exec "$@"')
    xorg = write_script(tmp_path / "xorg", script, **values)
    return {
        **SETTINGS,
        "VIZPROXY_PROGRAMS_XORG": str(xorg),
        "VIZPROXY_DISPLAY_VIRTUALGL_DIR": str(tmp_path / "VirtualGL"),
    }


async def fallen(daemon: Daemon, name: str) -> dict[str, Any]:
    """Wait until a desktop runs by another plan, and check that everybody is told why."""
    async with daemon.connected():
        status = await daemon.until(
            lambda seen: seen["plan"]["name"] == name and seen["state"] == "ready"
        )
    warning = status["plan"]["warning"]
    assert WHY in warning
    assert status["warnings"] == [warning]
    assert warning in daemon.log.read_text()
    told = await notices(daemon)
    assert [(n["level"], n["kind"], n["text"]) for n in told] == [("warning", "plan", warning)]
    return status


async def notices(daemon: Daemon) -> list[dict[str, Any]]:
    async with daemon.session() as session, session.ws_connect("/api/v1/events") as socket:
        found: list[dict[str, Any]] = (await socket.receive_json())["notices"]
        return found


async def test_a_3d_server_that_cannot_start_leads_to_egl(tmp_path: Path) -> None:
    settings = with_virtualgl(tmp_path, FAILS_IN_3D)
    async with running_daemon(tmp_path / "d", wait=False, **settings) as daemon:
        status = await fallen(daemon, "egl")
        assert [c["name"] for c in status["components"] if "xorg" in c["name"]] == ["xorg"]
        assert part(status, "xorg")["restarts"] == 0
        assert status["environment"]["VGL_DISPLAY"] == "egl0"
        async with daemon.session() as session:
            async with session.post("api/v1/components/xorg3d/retry") as answer:
                assert answer.status == 404
            async with session.get("readyz") as answer:
                assert answer.status == 200


async def test_a_desktop_that_cannot_start_on_the_gpu_draws_in_software(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    settings = with_virtualgl(tmp_path, FAILS_TWICE, runs=tmp_path / "runs")
    settings["VIZPROXY_DISPLAY_VIRTUALGL_DIR"] = nowhere
    async with running_daemon(tmp_path / "d", wait=False, **settings) as daemon:
        status = await fallen(daemon, "software")
        assert "programs draw in software although there is a GPU" in status["plan"]["warning"]
        assert "# Plan software: " in (daemon.directory / "xorg.conf").read_text()
        async with window_on(daemon, "--colour", "ff0000"), daemon.viewer() as viewer:
            await viewer.until(lambda: viewer.pixel(100, 100) == RED)
        log = daemon.log.read_text()
        assert "cannot show the desktop" not in log, "it was never given up"


@pytest.mark.parametrize("plan", ["virtualgl", "direct"])
async def test_a_plan_that_was_asked_for_fails_with_the_reason(tmp_path: Path, plan: str) -> None:
    script = FAILS_IN_3D if plan == "virtualgl" else f"echo '(EE) {SAID}' >&2; exit 1"
    settings = with_virtualgl(tmp_path, script)
    async with running_daemon(tmp_path / "d", "--plan", plan, wait=False, **settings) as daemon:
        async with daemon.connected():
            server = "xorg3d" if plan == "virtualgl" else "xorg"
            failed = await daemon.until_component(server, "fatal")
        assert failed["reason"] == "exited with status 1"
        assert f"(EE) {SAID}" in failed["output"]
        state = "degraded" if plan == "virtualgl" else "failed"
        status = await daemon.until(lambda seen: seen["state"] == state)
        assert (status["plan"]["name"], status["plan"]["warning"]) == (plan, "")
        warning = f"{WHY}; try `vizproxy doctor`"
        assert status["warnings"] == [warning]
        (notice,) = await eventually(lambda: notices(daemon), of=daemon.log.read_text)
        shown = (notice["level"], notice["kind"], notice["app"], notice["text"])
        assert shown == ("error", "gpu_server", None, warning)
        assert await asyncio.wait_for(daemon.end(), 10) == 0

"""The check-up of a running desktop: by the API, and of its X server as programs find it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import Daemon
from vizproxy.api.app import ROUTES
from vizproxy.display import xauth, xprobe
from vizproxy.display.files import X11_SOCKETS
from vizproxy.doctor.examine import CHECKS
from vizproxy.doctor.model import Level
from vizproxy.doctor.running import look
from vizproxy.facts.model import Place, RunningDesktop, known
from vizproxy.gateway.access import Role
from vizproxy.supervise import sharedmemory
from vizproxy.supervise.probes import ProbeError

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_report(shared: Daemon) -> None:
    async with shared.session() as session, session.get("/api/v1/checkup") as response:
        assert response.status == 200
        report = await response.json()
    status = await shared.status()
    assert set(report) == {"version", "machine", "plan", "level", "exit_code", "findings"}
    assert report["version"] == status["version"]
    assert report["plan"] == status["plan"]
    assert report["level"] in set(Level)
    assert report["exit_code"] in {0, 1, 2}
    titles = {check.id: check.title for check in CHECKS}
    for finding in report["findings"]:
        assert set(finding) == {"check", "title", "level", "what", "why", "remedy"}
        assert finding["title"] == titles[finding["check"]]
    by_check = {finding["check"]: finding for finding in report["findings"]}
    for well in ("frame-rate", "programs", "shared-memory", "x-sockets", "cookie", "desktop"):
        assert by_check[well]["level"] == "green", by_check[well]
    assert status["display"]["name"] in by_check["desktop"]["what"]


async def test_whoever_may_see_the_desktop_may_see_the_report() -> None:
    (route,) = [route for route in ROUTES if route.path == "/api/v1/checkup"]
    assert (route.method, route.needs, route.acts) == ("GET", Role.VIEW, False)


async def test_many_who_ask_hold_nobody_up(shared: Daemon) -> None:
    async with shared.session() as session:

        async def ask(path: str) -> int:
            async with session.get(path) as response:
                await response.read()
                return response.status

        paths = [*["/api/v1/checkup"] * 20, "/healthz"]
        assert await asyncio.gather(*map(ask, paths)) == [200] * len(paths)


# ----------------------------------------------------------------------- the X server, as it is


async def running(daemon: Daemon) -> RunningDesktop:
    desktop = await look(await daemon.status(), daemon.socket)
    assert desktop.value is not None
    return desktop.value


@contextlib.asynccontextmanager
async def x_client(daemon: Daemon) -> AsyncIterator[xprobe.XClient]:
    cookie = xauth.cookie_in((daemon.directory / "Xauthority").read_bytes())
    socket = X11_SOCKETS / f"X{await daemon.display_number()}"
    async with xprobe.client(socket, cookie) as client:
        yield client


async def test_a_healthy_desktop(shared: Daemon) -> None:
    desktop = await running(shared)
    status = await shared.status()
    assert (desktop.state, desktop.summary) == ("ready", "the desktop is ready")
    assert desktop.plan == status["plan"]["name"]
    path = str(shared.directory / "Xauthority")
    assert desktop.cookie == known(Place(path, "0600", os.geteuid(), writable=True))
    (display,) = desktop.displays
    assert display.name == status["display"]["name"]
    assert display.dpms == known(value=False)
    assert display.shares_memory == known(value=True)
    segments = sharedmemory.parse(sharedmemory.TABLE.read_text())
    assert not [s for s in segments if s.cpid == os.getpid()], "the look leaves no segment behind"


async def test_a_wrong_cookie(shared: Daemon, tmp_path: Path) -> None:
    wrong = tmp_path / "Xauthority"
    wrong.write_bytes(xauth.authority_file(xauth.new_cookie(), "box"))
    wrong.chmod(0o644)
    status = await shared.status()
    status["environment"]["XAUTHORITY"] = str(wrong)
    desktop = (await look(status, shared.socket)).value
    assert desktop is not None
    assert desktop.cookie.value is not None
    assert desktop.cookie.value.mode == "0644"
    assert "does not let us in" in desktop.displays[0].dpms.reason


async def test_the_protocol(shared: Daemon) -> None:
    """What a client of the X server asks and tells, and how the server answers."""
    async with x_client(shared) as client:
        assert await client.extension(b"NO-SUCH-THING") is None
        assert await client.extension(b"MIT-SHM") == await client.extension(b"MIT-SHM")
        free_nothing = struct.pack("<BxHI", 54, 2, client.resource_base | 7)  # FreePixmap
        assert not await client.tell(free_nothing)
        assert await client.extension(b"GLX") is not None
        get_geometry_of_nothing = struct.pack("<BxHI", 14, 2, client.resource_base | 7)
        with pytest.raises(ProbeError, match="refuses request 14 with error 9"):
            await client.ask(get_geometry_of_nothing)

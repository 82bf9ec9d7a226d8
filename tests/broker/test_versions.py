"""A runner and a daemon of versions that do not work together say which of them is to be updated."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.broker.desk import Desk, Json
from tests.support import eventually
from vizproxy.compatibility import OURS

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUEST = {
    "type": "request",
    "name": "voreen",
    "program": "voreen",
    "machine": "pod",
    "pid_namespace": "pid:[2]",
    "pids": [],
}
OLD = {"version": "0.0.9", "oldest": "0.0.1"}
NEW = {"version": "99.1", "oldest": "99.0"}
NEAR = {"version": "99.1", "oldest": OURS.oldest}


async def asked(desk: Desk, version: Mapping[str, str], **more: object) -> Json:
    """What a daemon answers to a runner of a version."""
    async with desk.daemon.session() as session, session.ws_connect("api/v1/lease") as socket:
        await socket.send_json({**REQUEST, **version, **more})
        answer: Json = await socket.receive_json(timeout=10)
        return answer


async def test_a_runner_within_the_range_gets_a_lease(desk: Desk) -> None:
    for version in (OURS.told(), NEAR, {}):
        answer = await asked(desk, version)
        assert answer["type"] == "granted", answer
        assert answer.items() >= OURS.told().items()


@pytest.mark.parametrize("more", [{}, {"program": None, "unheard": "of"}])
async def test_a_runner_that_is_too_old_is_refused(desk: Desk, more: Json) -> None:
    """Also if it speaks otherwise."""
    answer = await asked(desk, OLD, **more)
    assert (answer["type"], answer["code"], answer["exit_code"]) == (
        "refused",
        "version_mismatch",
        69,
    )
    assert answer["message"] == (
        f"cannot run a program on the desktop: vizproxy is 0.0.9 here, and the desktop's, which is "
        f"{OURS.version}, works with {OURS.oldest} and newer"
    )
    assert answer["hint"] == f"`pip install 'vizproxy>={OURS.oldest}'` here"


async def test_a_runner_that_is_too_new_is_refused(desk: Desk) -> None:
    answer = await asked(desk, NEW)
    assert answer["type"] == "refused"
    assert "a sidecar of version 99.0 or newer" in answer["hint"]


class OtherDaemon:
    """Grants leases as a daemon of a version does; ``versions`` are those of one after the other."""

    def __init__(self, *versions: Mapping[str, str]) -> None:
        self.versions = list(versions)
        self.left = asyncio.Event()

    @contextlib.asynccontextmanager
    async def listening(self, socket: Path) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/api/v1/lease", self._lease)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _lease(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive_json()
        granted: dict[str, Any] = {
            "id": "a-1",
            "environment": {},
            "virtualgl_display": None,
            "warning": "",
        }
        await socket.send_json({"type": "granted", **granted, **self.versions.pop(0)})
        if not self.versions:  # the last one stays
            async for _ in socket:
                pass
            self.left.set()
        return socket


async def test_a_daemon_that_is_too_old(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / "http.sock"
    async with OtherDaemon(OLD).listening(place):
        ended = await desk.run("run", "--http-socket", str(place), "--", "true")
    assert ended.code == 69
    assert ended.sentence() == (
        f"cannot run a program on the desktop: the desktop's vizproxy is 0.0.9, and the one here, "
        f"which is {OURS.version}, works with {OURS.oldest} and newer; try a sidecar of version "
        f"{OURS.oldest} or newer, or an older vizproxy here"
    )


async def test_a_daemon_within_the_range(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / "http.sock"
    async with OtherDaemon(NEAR).listening(place):
        ended = await desk.run("run", "--http-socket", str(place), "--", "true")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.slow
async def test_an_app_goes_on_if_the_desktop_comes_back_in_another_version(
    desk: Desk, tmp_path: Path
) -> None:
    place = tmp_path / "http.sock"
    daemon = OtherDaemon(OURS.told(), NEW)
    program = (sys.executable, "-c", "print(input())")
    async with daemon.listening(place):
        options = ("--http-socket", str(place))
        async with desk.running(*program, options=options) as running:
            await asyncio.wait_for(daemon.left.wait(), 10)
            assert running.process.stdin is not None
            running.process.stdin.write(b"still here\n")
            assert await running.line() == "still here"
            assert await running.process.wait() == 0

        async def none_left() -> bool:
            return not [p for p in desk.processes() if str(place) in p.cmdline()]

        await eventually(none_left)

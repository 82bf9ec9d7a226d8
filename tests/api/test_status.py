"""Health, readiness, status, and the one form of errors."""

import asyncio
import contextlib
import os
import signal

import pytest
from yarl import URL

from tests.support import part, running_daemon

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_health_and_readiness(shared):
    async with shared.session() as session:
        for path, answer in (("healthz", {"status": "alive"}), ("readyz", {"status": "ready"})):
            async with session.get(path) as response:
                assert response.status == 200
                assert await response.json() == answer


async def test_not_ready_while_something_is_missing(tmp_path):
    never = tmp_path / "x11vnc"
    never.write_text("#!/bin/sh\nexec sleep 1000\n")
    never.chmod(0o755)
    running = running_daemon(tmp_path, wait=False, VIZPROXY_PROGRAMS_X11VNC=str(never))
    async with running as daemon, daemon.connected() as session:
        await daemon.until(lambda s: part(s, "x11vnc")["state"] == "starting")
        await daemon.until(lambda s: part(s, "websockify")["state"] == "ready")
        async with session.get("readyz") as response:
            assert response.status == 503
            answer = await response.json()
            assert answer == {"status": "not ready", "reason": "waiting for: VNC server"}
        async with daemon.viewer_socket() as socket:
            message = await socket.receive()
            assert (message.data, message.extra) == (1013, "waiting for: VNC server")


async def test_the_shape_of_the_status(shared):
    status = await shared.status()
    assert set(status) == {
        *("version", "oldest", "revision", "state", "summary", "picture"),
        *("plan", "display", "viewers"),
        *("gpu", "apps", "framebuffer", "warnings", "last_activity"),
        *("components", "environment", "runtime_dir", "listening", "log_lines_lost"),
    }
    assert (status["state"], status["summary"]) == ("ready", "the desktop is ready")
    assert status["plan"]["name"] == "software"
    assert status["gpu"] is None
    counts = {"count": 0, "admitted": 0, "over_uses": 0}
    assert status["apps"] == {**counts, "over_use": [], "refused": {}}
    assert status["warnings"] == []
    assert status["listening"] == []
    assert status["log_lines_lost"] == 0
    assert status["runtime_dir"] == str(shared.directory)
    display = status["display"]
    assert (display["width"], display["height"]) == (1600, 900)
    assert status["environment"] == {
        "DISPLAY": display["name"],
        "XAUTHORITY": str(shared.directory / "Xauthority"),
    }
    assert [c["name"] for c in status["components"]] == ["xorg", "wm", "x11vnc", "websockify"]
    for component in status["components"]:
        assert component["pid"] > 0
        assert component["since_seconds"] > 0
        assert (component["restarts"], component["failures"]) == (0, 0)
        assert component["retry_in_seconds"] is None


async def test_viewers_are_counted(shared):
    assert (await shared.status())["viewers"] == 0
    async with shared.viewer(), shared.viewer():
        await shared.until(lambda s: s["viewers"] == 2)
    await shared.until(lambda s: s["viewers"] == 0)


async def test_a_long_poll_answers_at_once_when_there_is_news(shared):
    revision = (await shared.status())["revision"]
    async with (
        asyncio.timeout(5),
        shared.session() as session,
        session.get(f"api/v1/status?after={revision - 1}") as response,
    ):
        assert (await response.json())["revision"] >= revision


async def test_a_long_poll_answers_when_something_changes(tmp_path):
    async with running_daemon(tmp_path) as daemon, daemon.session() as session:
        revision = (await daemon.status())["revision"]
        poll = asyncio.create_task(session.get(f"api/v1/status?after={revision}"))
        await daemon.status()
        os.kill((await daemon.pids())["wm"], signal.SIGKILL)
        async with await asyncio.wait_for(poll, 10) as response:
            status = await response.json()
        assert status["revision"] > revision
        assert part(status, "wm")["state"] == "backoff"
        assert part(status, "wm")["retry_in_seconds"] > 0


@pytest.mark.slow
async def test_a_long_poll_ends_before_proxies_lose_patience(shared):
    revision = (await shared.status())["revision"]
    async with (
        asyncio.timeout(29),
        shared.session() as session,
        session.get(f"api/v1/status?after={revision}") as response,
    ):
        assert (await response.json())["revision"] == revision


@pytest.mark.parametrize("after", ["", "x", "-1", "1.5", "%C2%B2", "1%00", "9" * 5000])
async def test_a_long_poll_after_nonsense_is_refused(shared, after):
    async with shared.session() as session:
        url = URL(f"/api/v1/status?after={after}", encoded=True)
        async with session.get(url) as response:
            answer = await response.json()
            assert response.status == 400, answer
            assert set(answer) == {"code", "message", "hint"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "nothing/here", 404, "not_found"),
        ("GET", "api/v1/", 404, "not_found"),
        ("GET", "api/v2/status", 404, "not_found"),
        ("POST", "api/v1/components/toaster/retry", 404, "not_found"),
        ("POST", "api/v1/components/%2e%2e/retry", 404, "not_found"),
        ("POST", "api/v1/status", 405, "method_not_allowed"),
        ("DELETE", "api/v1/display", 405, "method_not_allowed"),
        ("GET", "api/v1/components/xorg/retry", 405, "method_not_allowed"),
        ("PATCH", "healthz", 405, "method_not_allowed"),
    ],
)
async def test_errors_have_one_form(shared, method, path, status, code):
    url = URL(f"/{path}", encoded=True)
    async with shared.session() as session, session.request(method, url) as response:
        answer = await response.json()
        assert (response.status, answer["code"]) == (status, code)
        assert set(answer) == {"code", "message", "hint"}
        assert answer["message"].startswith(f"cannot answer {method} ")
        assert ("Allow" in response.headers) == (status == 405)


async def test_a_component_that_needs_no_retry_is_left_alone(shared):
    before = await shared.pids()
    path = "api/v1/components/xorg/retry"
    async with shared.session() as session, session.post(path) as response:
        assert response.status == 200
        assert await response.json() == {"retrying": False}
    assert await shared.pids() == before


async def test_garbage_instead_of_http_harms_nobody(shared):
    for garbage in (b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000, b"GET /\r\n" * 9):
        reader, writer = await asyncio.open_unix_connection(str(shared.socket))
        writer.write(garbage)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert (await shared.status())["state"] == "ready"

"""vizproxy in a Jupyter server, beside a sidecar: its proxy, and what is told to others."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support import eventually
from tests.unit.jupyting import BASE, FakeDaemon, Server, jupyter_server
from vizproxy.compatibility import OURS
from vizproxy.jupyter.hub import body

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sidecar")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    shared_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """A server beside a sidecar whose daemon comes and goes."""
    environ = {"VIZPROXY_SOCKET": str(shared_directory / "http.sock")}
    async with jupyter_server(tmp_path_factory.mktemp("jupyter"), environ) as running:
        yield running
        assert running.tracebacks() == []


@pytest.fixture
def fake(shared_directory: Path) -> FakeDaemon:
    return FakeDaemon(shared_directory / "http.sock")


# requests


async def test_the_tile_is_listed_with_its_icon(server: Server):
    async with server.session() as session:
        async with session.get("server-proxy/servers-info") as response:
            (entry,) = (await response.json())["server_processes"]
        assert entry["launcher_entry"]["title"] == "Desktop"
        assert entry["new_browser_tab"] is False
        async with session.get("server-proxy/icon/desktop") as response:
            assert response.content_type == "image/svg+xml"


async def test_requests_are_passed_on_without_the_servers_secrets(server: Server, fake: FakeDaemon):
    async with fake.running(), server.session(Cookie="_xsrf=1") as session:
        async with session.get("desktop/some/page?a=b") as response:
            assert (response.status, await response.text()) == (200, "GET /some/page")
        async with session.post("desktop/api/v1/windows/tile", json={}) as response:
            assert response.status == 200
    for asked in fake.asked:
        assert asked.headers["X-Forwarded-Prefix"] == f"{BASE}/desktop"
        assert "Authorization" not in asked.headers
        assert "Cookie" not in asked.headers


async def test_the_address_without_a_slash_leads_to_the_page(server: Server):
    asked = "desktop?open=x"
    async with server.session() as session, session.get(asked, allow_redirects=False) as response:
        assert response.status == 302
        assert response.headers["Location"] == f"{BASE}/desktop/?open=x"


async def test_a_stranger_gets_nothing(server: Server, fake: FakeDaemon):
    async with fake.running(), server.session(token=None) as session:
        async with session.get("desktop/", headers=PAGE, allow_redirects=False) as response:
            assert response.status in {302, 403}
        async with session.post("desktop/api/v1/windows/tile") as response:
            assert response.status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect("desktop/ws/echo")
    assert fake.asked == []


async def test_a_person_is_told_that_there_is_no_desktop_yet(server: Server):
    async with server.session() as session:
        async with session.get("desktop/", headers=PAGE) as response:
            text = await response.text()
            assert response.status == 503
            assert response.content_type == "text/html"
            assert int(response.headers["Retry-After"]) > 0
            assert response.headers["Cache-Control"] == "no-store"
            policy = response.headers["Content-Security-Policy"]
        assert "frame-ancestors 'self'" in policy
        assert "default-src 'none'" in policy
        assert "Waiting for the desktop" in text
        assert f'data-health="{BASE}/desktop/healthz"' in text
        async with session.head("desktop/", headers=PAGE) as response:
            assert response.status == 503


async def test_a_program_is_told_in_the_form_of_the_api(server: Server):
    async with server.session() as session:
        for method, path in (("GET", "api/v1/status"), ("POST", "api/v1/windows/tile")):
            async with session.request(method, f"desktop/{path}") as response:
                assert response.status == 503
                error = await response.json()
            assert error.keys() == {"code", "message", "hint"}
            assert error["code"] == "not_running"
            assert error["message"].startswith("cannot reach the desktop at ")
        async with session.get("desktop/healthz") as response:
            assert "Waiting for the desktop" in (await response.json())["html"]


async def test_a_dead_daemon_and_one_that_left_word(
    server: Server, fake: FakeDaemon, shared_directory: Path
):
    await fake.stop(leave_socket=True)
    async with server.session() as session:
        async with session.get("desktop/", headers=PAGE) as response:
            assert "The desktop has ended" in await response.text()
        word = shared_directory / "failure.txt"
        word.write_text("cannot start the desktop: no <Xorg>\nthe package\n")
        async with session.get("desktop/", headers=PAGE) as response:
            assert "Cannot start the desktop: no &lt;Xorg&gt;." in await response.text()
        word.unlink()
    fake.socket.unlink()


@pytest.mark.parametrize("path", ["die", "half"])
async def test_a_daemon_that_dies_amid_a_request(server: Server, fake: FakeDaemon, path: str):
    async with (
        fake.running(),
        server.session() as session,
        session.get(f"desktop/{path}") as response,
    ):
        assert response.status == 503
        assert "closed the connection" in (await response.json())["message"]


@pytest.mark.slow
async def test_a_daemon_that_hangs(server: Server, fake: FakeDaemon):
    async with fake.running(), server.session() as session:
        began = time.monotonic()
        async with session.get("desktop/hang", headers=PAGE) as response:
            assert response.status == 503
            assert "does not answer" in await response.text()
        assert time.monotonic() - began < 15.0
        fake.hold.set()


async def test_the_explanations_are_no_errors_of_the_server(server: Server):
    async with server.session() as session, session.get("desktop/healthz") as response:
        assert response.status == 503
    assert "503 GET" not in server.log.read_text()


# WebSockets


async def closed(session: aiohttp.ClientSession, path: str) -> tuple[int | None, str]:
    async with session.ws_connect(f"desktop/{path}") as socket:
        message = await socket.receive(timeout=10.0)
        assert message.type is aiohttp.WSMsgType.CLOSE
        return socket.close_code, str(message.extra)


async def test_a_websocket_carries_both_kinds_of_messages(server: Server, fake: FakeDaemon):
    async with (
        fake.running(),
        server.session() as session,
        session.ws_connect("desktop/ws/echo") as socket,
    ):
        await socket.send_str("zoë")
        assert await socket.receive_str(timeout=10.0) == "zoë!"


async def test_how_the_daemon_closes_reaches_the_browser(server: Server, fake: FakeDaemon):
    async with fake.running(), server.session() as session:
        assert await closed(session, "ws/paused") == (4001, "nothing was typed")
        code, reason = await closed(session, "ws/killed")
        assert (code, reason) == (1013, "the desktop's daemon has ended")
        code, reason = await closed(session, "ws/refused")
        assert (code, reason) == (1008, "the desktop refuses the connection: Forbidden")


async def test_a_websocket_to_nobody_is_closed_with_a_reason(server: Server, fake: FakeDaemon):
    async with server.session() as session:
        code, reason = await closed(session, "websockify")
        assert code == 1013
        assert reason.startswith("cannot reach the desktop at ")
        await fake.stop(leave_socket=True)
        assert (await closed(session, "websockify"))[0] == 1013
        fake.socket.unlink()


async def test_either_side_may_leave_while_the_picture_moves(server: Server, fake: FakeDaemon):
    async with server.session() as session:
        async with fake.running():
            for _ in range(3):
                socket = await session.ws_connect("desktop/ws/stream")
                await socket.receive_bytes(timeout=10.0)
                transport = socket.get_extra_info("socket")
                assert transport is not None
                await socket.close()
            socket = await session.ws_connect("desktop/ws/stream")
            await socket.receive_bytes(timeout=10.0)
        for _ in range(50):
            await socket.send_str("a key is pressed while the daemon leaves")
        await socket.close()
    assert server.tracebacks() == []


@pytest.mark.slow
async def test_a_desktop_of_another_version_is_explained_instead(server: Server, fake: FakeDaemon):
    fake.launcher = True
    fake.version = {"version": "0.0.9", "oldest": "0.0.1"}

    async with server.session() as session:

        async def shown(text: str) -> bool:
            async with session.get("desktop/", headers=PAGE) as response:
                return text in await response.text()

        async with fake.running():
            await eventually(lambda: shown("do not fit together"))
            assert await shown("vizproxy is 0.0.9")
            async with session.get("desktop/healthz") as response:
                assert response.status == 503
                assert "a sidecar of version" in (await response.json())["hint"]
            code, reason = await closed(session, "websockify")
            assert code == 1008
            assert reason.startswith("cannot use the desktop: ")
            terminal = await server.in_terminal("echo :$DISPLAY:")
            assert ":77:" not in terminal
        await eventually(lambda: shown("Waiting for the desktop"))
        fake.version = OURS.told()
        async with fake.running():
            await eventually(lambda: shown("GET /"))


# what the server is told, and what it tells others


@pytest.mark.slow
async def test_the_desktop_reaches_terminals(
    server: Server, fake: FakeDaemon, shared_directory: Path
):
    cookie = shared_directory / "Xauthority"
    cookie.touch()
    fake.launcher = True
    fake.environment = {"DISPLAY": ":77", "XAUTHORITY": "/elsewhere/Xauthority"}
    command = "echo $VIZPROXY_SOCKET $VIZPROXY_PAGE $DISPLAY $XAUTHORITY"
    early = await server.in_terminal(command)
    assert f"{fake.socket} {BASE}/desktop/" in early
    async with fake.running():

        async def known() -> bool:
            return f"{BASE}/desktop/ :77 {cookie}" in await server.in_terminal(command)

        await eventually(known, timeout=20.0)


@pytest.mark.slow
async def test_use_counts_and_a_moving_picture_does_not(server: Server, fake: FakeDaemon):
    fake.launcher = True
    fake.activity = time.time()
    moment = datetime.fromtimestamp(fake.activity, UTC)
    async with fake.running(), server.session() as session:

        async def told() -> bool:
            return await server.last_activity() == moment

        await eventually(told, timeout=20.0)
        async with session.get("desktop/some/page") as response:
            assert response.status == 200
        async with session.ws_connect("desktop/ws/stream") as socket:
            for _ in range(20):
                await socket.receive_bytes(timeout=10.0)
        assert await server.last_activity() == moment
        async with session.post("desktop/api/v1/windows/tile") as response:
            assert response.status == 200
        assert await server.last_activity() > moment


@pytest.mark.slow
async def test_a_hub_that_nobody_else_tells_of_use_is_told(tmp_path: Path):
    """A server that a hub has started, and that is none of JupyterHub's own, reports nothing itself."""
    told: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "token of-the-hub"
        told.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hub/api/users/zoe/activity", take)
    fake = FakeDaemon(tmp_path / "http.sock", launcher=True, activity=time.time())
    assert fake.activity is not None
    async with TestServer(app) as hub, fake.running():
        environ = {
            "VIZPROXY_SOCKET": str(fake.socket),
            "JUPYTERHUB_ACTIVITY_URL": str(hub.make_url("/hub/api/users/zoe/activity")),
            "JUPYTERHUB_API_TOKEN": "of-the-hub",
            "JUPYTERHUB_SERVER_NAME": "gpu",
        }
        async with jupyter_server(tmp_path / "j", environ) as server:

            async def reported() -> bool:
                return bool(told)

            await eventually(reported, timeout=20.0, of=server.log.read_text)
            assert server.tracebacks() == []
    assert told == [body("gpu", datetime.fromtimestamp(fake.activity, UTC))]


# other servers


@pytest.mark.slow
async def test_a_desktop_of_the_users_own_is_left_alone(tmp_path: Path):
    config = {
        "ServerProxy": {"servers": {"desktop": {"port": 1, "launcher_entry": {"title": "Mine"}}}}
    }
    environ = {"VIZPROXY_SOCKET": str(tmp_path / "http.sock")}
    async with jupyter_server(tmp_path / "j", environ, config) as own, own.session() as session:
        async with session.get("server-proxy/servers-info") as response:
            (entry,) = (await response.json())["server_processes"]
        assert entry["launcher_entry"]["title"] == "Mine"
        assert "ServerProxy.servers has a 'desktop' of its own" in own.log.read_text()


@pytest.mark.slow
async def test_other_entries_stay_and_tiles_of_programs_come(tmp_path: Path):
    config = {"ServerProxy": {"servers": {"other": {"unix_socket": str(tmp_path / "other.sock")}}}}
    (tmp_path / "vizproxy.toml").write_text(
        '[[jupyter.tile]]\nname = "Voreen"\ncommand = "voreen --fast"\n'
    )
    environ = {
        "VIZPROXY_SOCKET": str(tmp_path / "http.sock"),
        "VIZPROXY_CONFIG": str(tmp_path / "vizproxy.toml"),
    }
    other = FakeDaemon(tmp_path / "other.sock")
    async with (
        other.running(),
        jupyter_server(tmp_path / "j", environ, config) as server,
        server.session() as session,
    ):
        async with session.get("server-proxy/servers-info") as response:
            entries = (await response.json())["server_processes"]
        assert {e["name"]: e["launcher_entry"]["path_info"] for e in entries} == {
            "other": "other/",
            "desktop": "desktop/",
            "desktop-voreen": "desktop/?open=tile.voreen",
        }
        async with session.get("other/page") as response:
            assert await response.text() == "GET /page"
        async with session.get("desktop-voreen/") as response:
            assert response.status == 404


@pytest.mark.slow
async def test_without_the_proxy_there_is_one_warning(tmp_path: Path):
    environ = {"VIZPROXY_SOCKET": str(tmp_path / "http.sock")}
    extensions = {"jupyter_server_proxy": False}
    async with jupyter_server(tmp_path / "j", environ, extensions=extensions) as server:
        told = await server.in_terminal("echo $VIZPROXY_SOCKET:$VIZPROXY_PAGE:")
        assert f"{tmp_path}/http.sock::" in told
        warnings = [line for line in server.log.read_text().splitlines() if "vizproxy" in line]
        assert sum("[W " in line for line in warnings) == 1
        assert server.tracebacks() == []


@pytest.mark.slow
async def test_a_server_starts_with_a_broken_configuration_and_its_page_says_so(tmp_path: Path):
    environ = {"VIZPROXY_DISPLAY_SIZE": "big", "XDG_RUNTIME_DIR": str(tmp_path)}
    async with jupyter_server(tmp_path / "j", environ) as server, server.session() as session:

        async def told() -> bool:
            async with session.get("desktop/healthz") as response:
                return "is not a size" in (await response.json())["html"]

        await eventually(told)
        assert "cannot use the configuration: 1 problem" in server.log.read_text()
        assert server.tracebacks() == []

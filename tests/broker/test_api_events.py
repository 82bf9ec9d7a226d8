"""The events' and the leases' WebSockets: what they tell, and what they do not let happen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket as sockets
from collections.abc import Callable
from typing import Any

import aiohttp
import psutil
import pytest

from tests.broker.desk import MIB, Desk, Json
from tests.support import eventually, running_daemon
from vizproxy.api.app import ROUTES
from vizproxy.gateway.access import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW_ROUTES = [route for route in ROUTES if re.search(r"apps|windows|events|lease", route.path)]


class Reader:
    """A reader of events that keeps what a page would keep."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.apps: dict[str, Json] = {}
        self.windows: dict[str, Json] = {}
        self.framebuffer: Json = {}
        self.notices: list[Json] = []
        self.messages = 0

    async def read(self) -> None:
        message = await self.socket.receive_json(timeout=10)
        assert message["type"] == ("delta" if self.messages else "snapshot")
        if self.messages:
            assert len(message) > 1, "a delta has something in it"
            changed, removed = message.get("apps", {}), message.get("windows", {})
            for known, part in ((self.apps, changed), (self.windows, removed)):
                for name in part.get("removed", ()):
                    del known[name]
                known |= {item["id"]: item for item in part.get("changed", ())}
        else:
            assert set(message) == {"type", "apps", "windows", "framebuffer", "notices", "menu"}
            self.apps = {app["id"]: app for app in message["apps"]}
            self.windows = {window["id"]: window for window in message["windows"]}
        self.messages += 1
        self.framebuffer = message.get("framebuffer", self.framebuffer)
        self.notices += message.get("notices", [])

    async def until(self, seen: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not seen():
                await self.read()


@contextlib.asynccontextmanager
async def reading(desk: Desk) -> Any:
    async with desk.events() as socket:
        reader = Reader(socket)
        await reader.read()
        yield reader


def titles(reader: Reader) -> set[str]:
    return {window["title"] for window in reader.windows.values()}


def still(apps: dict[str, Json]) -> dict[str, Json]:
    """Apps without what is told of them every now and then, though nothing happens."""
    changing = {"cpu_seconds", "resident_bytes"}
    return {
        app_id: {key: value for key, value in app.items() if key not in changing}
        for app_id, app in apps.items()
    }


async def test_apps_come_change_and_go(desk):
    async with reading(desk) as reader, reading(desk) as other:
        assert (reader.apps, reader.windows) == ({}, {})
        assert reader.framebuffer == await desk.budget()
        async with desk.shown("first") as (program, app), desk.plain("xclock"):
            for one in (reader, other):
                await one.until(lambda one=one: {"first", "xclock"} <= titles(one))
            await program.do("title second")
            await reader.until(lambda: "second" in titles(reader))
            await desk.post(f"windows/{app['windows'][0]}/minimise")
            await reader.until(lambda: reader.windows[app["windows"][0]]["minimised"])
            async with reading(desk) as late:
                await reader.until(lambda: len(reader.apps) == 2)
                answer = await desk.get("apps")
                listed = {app["id"]: app for app in answer["apps"]}
                assert still(late.apps) == still(reader.apps) == still(listed)
                assert late.windows == reader.windows
                assert late.framebuffer == reader.framebuffer == answer["framebuffer"]
        for one in (reader, other):
            await one.until(lambda one=one: not one.apps and not one.windows)
            await one.until(lambda one=one: one.framebuffer["granted"] == 0)
            assert one.framebuffer == await desk.budget()


async def test_notices_are_told_once(desk):
    async with reading(desk) as reader:
        before = len(reader.notices)
        assert (await desk.run("run", "--framebuffer", "1024GiB", "true")).code == 75
        await reader.until(lambda: len(reader.notices) == before + 1)
        assert reader.notices[-1]["kind"] == "refused"
        async with reading(desk) as late:
            assert late.notices == reader.notices
        numbers = [notice["id"] for notice in reader.notices]
        assert numbers == sorted(set(numbers))


@pytest.mark.slow
async def test_titles_that_change_fast_are_not_all_told(desk):
    async with reading(desk) as reader, desk.shown("fast") as (program, _):
        await reader.until(lambda: "fast" in titles(reader))
        before = reader.messages
        await program.do("titles 500")
        await reader.until(lambda: "fast 500" in titles(reader))
        assert reader.messages - before < 50


async def test_a_reader_may_talk_and_is_not_heard(desk):
    async with reading(desk) as reader:
        for text in ("", "{}", "[" * 2000, "é"):
            await reader.socket.send_str(text)
        await reader.socket.send_bytes(bytes(4000))
        async with desk.plain("xclock"):
            await reader.until(lambda: "xclock" in titles(reader))
        await reader.until(lambda: not reader.windows)
    async with reading(desk) as reader:
        await reader.socket.send_str("x" * 5000)
        assert (await reader.socket.receive(timeout=5)).type in {
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSED,
        }
        assert reader.socket.close_code == 1009
    assert (await desk.get("apps"))["apps"] == []


@pytest.mark.slow
async def test_a_reader_that_stops_reading_is_dropped(desk):
    """What it is told meanwhile is not kept for it."""
    daemon = psutil.Process(desk.daemon.pid)
    with sockets.socket(sockets.AF_UNIX) as stalled:
        stalled.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        stalled.connect(str(desk.daemon.socket))
        stalled.sendall(
            b"GET /api/v1/events HTTP/1.1\r\nHost: vizproxy\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with lease_socket(desk) as lease, reading(desk) as reader:
            await lease.send_json(WISH)
            assert (await lease.receive_json(timeout=5))["type"] == "granted"
            memory = daemon.memory_info().rss
            turns = 0

            async def dropped() -> bool:
                nonlocal turns
                turns += 1
                pids = [turns, *range(1_000_000, 1_004_000)]  # a delta of 36 kB
                await lease.send_json({"type": "pids", "pids": pids, "root_alive": True})
                await reader.until(
                    lambda: any(turns in app["pids"] for app in reader.apps.values())
                )
                return "took nothing for 10 s and was dropped" in desk.daemon.log.read_text()

            started = asyncio.get_running_loop().time()
            await eventually(dropped, timeout=30)
            assert asyncio.get_running_loop().time() - started >= 10
            assert turns * 36_000 > 4 * MIB, "more than sockets hold"
            assert daemon.memory_info().rss - memory < 16 * MIB


# who gets in


@pytest.mark.parametrize("path", ["events", "lease"])
async def test_only_as_a_websocket_and_not_from_other_sites(desk, path):
    status, answer = await desk.ask("GET", path)
    assert (status, answer["code"]) == (400, "invalid_request")
    for origin in ("https://evil.example", "null", ""):
        async with desk.daemon.session() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"api/v1/{path}", headers={"Origin": origin})
            assert refused.value.status == 403


async def test_every_new_route_has_its_role():
    assert len(NEW_ROUTES) == 10
    for route in NEW_ROUTES:
        only_looks = route.method == "GET" and not route.path.endswith("/lease")
        assert route.needs is (Role.VIEW if only_looks else Role.CONTROL), route
        assert route.acts or only_looks, route


@pytest.mark.slow
async def test_nobody_gets_in_over_tcp_without_the_token(tmp_path):
    async with running_daemon(tmp_path, "--http", "127.0.0.1:0") as daemon:
        url = (await daemon.status())["listening"][0]
        token = (daemon.directory / "token").read_text()
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        async with aiohttp.ClientSession(url) as session:
            for route in NEW_ROUTES:
                is_socket = route.path.endswith(("/events", "/lease"))
                for proof in ({}, {"Authorization": "Bearer x"}):
                    headers = proof | (upgrade if is_socket else {})
                    path = route.path.replace("{id}", "0x1").replace("{action}", "raise")
                    request = session.request(route.method, path, headers=headers)
                    async with request as response:
                        assert response.status == 401, route
            headers = {"Authorization": f"Bearer {token}"}
            async with session.ws_connect("/api/v1/events", headers=headers) as socket:
                assert (await socket.receive_json(timeout=5))["type"] == "snapshot"


# leases


WISH: Json = {
    "type": "request",
    "name": "by hand",
    "program": "hand",
    "framebuffer": None,
    "plan": None,
    "virtualgl": False,
    "machine": "somewhere",
    "pid_namespace": "pid:[1]",
    "pids": [],
}


@contextlib.asynccontextmanager
async def lease_socket(desk: Desk) -> Any:
    async with desk.daemon.session() as session, session.ws_connect("api/v1/lease") as socket:
        yield socket


BAD_WISHES: dict[str, Any] = {
    "no JSON": "x",
    "endless": "[" * 100_000,
    "a list": [],
    "nothing": {},
    "another type": WISH | {"type": "pids"},
    "no name": {k: v for k, v in WISH.items() if k != "name"},
    "empty name": WISH | {"name": ""},
    "long name": WISH | {"name": "x" * 41},
    "name with a line": WISH | {"name": "a\nb"},
    "name is a number": WISH | {"name": 5},
    "half a letter": WISH | {"name": "\ud800"},
    "no machine": WISH | {"machine": ""},
    "negative": WISH | {"framebuffer": -1},
    "zero": WISH | {"framebuffer": 0},
    "true": WISH | {"framebuffer": True},
    "a fraction": WISH | {"framebuffer": 1.5},
    "infinite": '{"type": "request", "framebuffer": 1e999}',
    "huge": WISH | {"framebuffer": 10**30},
    "no plan": WISH | {"plan": "magic"},
    "plan is a list": WISH | {"plan": ["software"]},
    "PIDs no list": WISH | {"pids": {"1": 2}},
    "PIDs negative": WISH | {"pids": [-1]},
    "PIDs zero": WISH | {"pids": [0]},
    "PIDs as text": WISH | {"pids": ["1"]},
    "too many PIDs": WISH | {"pids": list(range(1, 5000))},
}


async def test_nonsense_instead_of_a_wish(desk):
    for name, wish in BAD_WISHES.items():
        async with lease_socket(desk) as socket:
            await socket.send_str(wish if isinstance(wish, str) else json.dumps(wish))
            answer = await socket.receive_json(timeout=5)
            assert (answer["type"], answer["code"]) == ("refused", "invalid_request"), name
            assert answer["exit_code"] == 2
            assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE, name
    assert not await desk.apps()
    assert "Traceback" not in desk.daemon.log.read_text()


BAD_REPORTS: dict[str, Any] = {
    "no JSON": "{",
    "no object": "5",
    "no PIDs": {"type": "pids"},
    "PIDs negative": {"type": "pids", "pids": [-5]},
    "PIDs nested": {"type": "pids", "pids": [[1]]},
    "a huge PID": {"type": "pids", "pids": [2**40]},
    "no reason": {"type": "ended"},
    "a long reason": {"type": "ended", "reason": "x" * 501},
    "control characters": {"type": "ended", "reason": "a\x1b[2Jb"},
    "no use": {"type": "use"},
    "endless CPU time": '{"type": "use", "cpu_seconds": Infinity, "resident_bytes": 0}',
    "memory as text": {"type": "use", "cpu_seconds": 1, "resident_bytes": "1GiB"},
    "a large message": {"type": "pids", "pids": [], "more": "x" * 300_000},
    "bytes": b"\x00\x01",
}


async def test_nonsense_from_one_runner_ends_its_lease_alone(desk):
    async with desk.shown("bystander") as (program, bystander):
        for name, report in BAD_REPORTS.items():
            async with lease_socket(desk) as socket:
                await socket.send_json(WISH)
                granted = await socket.receive_json(timeout=5)
                assert granted["type"] == "granted", granted
                with contextlib.suppress(ConnectionError):  # it may not be read to its end
                    if isinstance(report, bytes):
                        await socket.send_bytes(report)
                    else:
                        text = report if isinstance(report, str) else json.dumps(report)
                        await socket.send_str(text)
                await closed(socket)
                apps = await desk.until(lambda apps: len(apps) == 1)
                assert apps[0]["id"] == bystander["id"], name
        await program.do("title still here")
        await desk.window("still here")
    assert "Traceback" not in desk.daemon.log.read_text()


async def closed(socket: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
    """Wait until the daemon closes a socket; return how it says so."""
    async with asyncio.timeout(5):
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        return message


async def test_unknown_messages_are_left_for_the_future(desk):
    async with lease_socket(desk) as socket:
        await socket.send_json(WISH)
        granted = await socket.receive_json(timeout=5)
        for text in ({"type": "hello"}, {}, {"type": 5}, {"type": None, "pids": "x"}):
            await socket.send_json(text)
        await socket.send_json({"type": "pids", "pids": [7, 7, 9], "root_alive": True, "more": 1})
        app = await desk.app("by hand", lambda app: app["pids"])
        assert (app["id"], app["pids"]) == (granted["id"], [7, 9])
        await socket.send_json({"type": "ended", "reason": "has had enough", "failed": True})
        await closed(socket)
        notice = await desk.notice("failed", app["id"])
        assert notice["text"] == f"{app['id']} has had enough"


async def test_a_connection_that_breaks_ends_the_lease_at_once(desk):
    for _ in range(3):
        async with lease_socket(desk) as socket:
            await socket.send_json(WISH)
            await socket.receive_json(timeout=5)
            await desk.app("by hand")
            transport = socket._response.connection.transport
            transport.abort()
        await desk.until(lambda apps: not apps, limit=3)


async def test_the_daemon_s_end_ends_all_sockets(tmp_path):
    async with desk_with_end(tmp_path) as desk:
        async with (
            desk.events() as events,
            desk.events() as silent,
            lease_socket(desk) as lease,
            desk.running("cat") as program,
        ):
            await lease.send_json(WISH)
            assert (await lease.receive_json(timeout=5))["type"] == "granted"
            await desk.app("cat", lambda app: app["pids"])
            started = asyncio.get_running_loop().time()
            assert await desk.daemon.end() == 0
            assert asyncio.get_running_loop().time() - started < 3
            for socket in (events, lease):
                message = await closed(socket)
                assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
            del silent
            assert program.process.returncode is None, "an app without a window lives on"
            program.process.send_signal(signal.SIGTERM)
            await program.process.wait()

        async def nobody() -> bool:
            return not desk.processes()

        await eventually(nobody, of=desk.processes)


@contextlib.asynccontextmanager
async def desk_with_end(directory: Any) -> Any:
    """A desktop that ends before its context does."""
    async with running_daemon(directory) as daemon:
        yield Desk(daemon)

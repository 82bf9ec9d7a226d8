"""What a gateway counts, with real WebSockets on both sides."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.unit.gatewaying import GREETING, MIB, Bridge, Site, served
from tests.unit.test_input import KEY_DOWN, UPDATE_REQUEST
from vizproxy.gateway import relay, viewer
from vizproxy.gateway.access import Role
from vizproxy.gateway.counting import Counts, ViewerMeter
from vizproxy.gateway.relay import STALLED, ByteRelay
from vizproxy.gateway.tally import Leave, Refusal


@contextlib.asynccontextmanager
async def flooding(bridge: Bridge) -> AsyncIterator[None]:
    task = asyncio.create_task(bridge.flood())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def transport_of(socket: aiohttp.ClientWebSocketResponse) -> asyncio.Transport:
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    return connection.transport


async def closed(socket: aiohttp.ClientWebSocketResponse) -> int:
    """Read until the gateway closes; the code that it gives."""
    async with asyncio.timeout(10):
        while (message := await socket.receive()).type is not WSMsgType.CLOSE:
            assert message.type is WSMsgType.BINARY, message
        return int(message.data)


async def ended(site: Site) -> list[Leave]:
    """As what the sessions count, once none is left."""
    tally = await site.until(lambda t: not any(t.connected.values()) and any(t.ended.values()))
    return [leave for leave, count in tally.ended.items() for _ in range(count)]


async def test_everything_is_there_from_the_start(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        tally = site.gateway.tally
    assert tally.connected == {Role.VIEW: 0, Role.CONTROL: 0}
    assert tally.ended == dict.fromkeys(Leave, 0)
    assert tally.refused == dict.fromkeys(Refusal, 0)
    assert (tally.send_wait_seconds, tally.blocked_seconds) == (0, 0)
    assert tally.last_round_trip is None


async def test_bytes_messages_and_updates(tmp_path: Path) -> None:
    async with served(tmp_path) as site, site.viewer() as socket:
        for message in (GREETING, UPDATE_REQUEST, KEY_DOWN + UPDATE_REQUEST, UPDATE_REQUEST):
            await socket.send_bytes(message)
        sent = len(GREETING) + len(KEY_DOWN) + 3 * len(UPDATE_REQUEST)
        tally = await site.until(lambda t: t.received_messages == 4)
        assert tally.received_bytes == sent
        assert tally.updates == 2
        assert tally.first_picture.count == 1
        await site.bridge.sockets[0].send_bytes(bytes(1000))
        assert len(await socket.receive_bytes(timeout=10)) == 1000
        tally = await site.until(lambda t: t.sent_messages == 1)
        assert tally.sent_bytes == 1000
        assert bytes(site.bridge.received).endswith(UPDATE_REQUEST)


async def test_viewers_by_role(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as site,
        site.viewer(),
        site.viewer(Role.VIEW),
        site.viewer(Role.VIEW),
    ):
        tally = await site.until(lambda t: t.sessions == 3)
        assert tally.connected == {Role.VIEW: 2, Role.CONTROL: 1}
        assert site.gateway.count == 3


async def test_a_tally_does_not_change(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        before = site.gateway.tally
        site.gateway.refused(Refusal.ORIGIN)
        assert before.refused[Refusal.ORIGIN] == 0
        assert site.gateway.tally.refused[Refusal.ORIGIN] == 1


# ----------------------------------------------------------------------------------- round trips


async def test_the_round_trip_is_measured(tmp_path: Path) -> None:
    async with served(tmp_path) as site, site.viewer() as socket:
        reading = asyncio.create_task(socket.receive())  # which answers pings
        tally = await site.until(lambda t: t.round_trip.count)
        assert tally.last_round_trip == pytest.approx(tally.round_trip.total)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_a_pong_that_nobody_asked_for_counts_for_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as site, site.viewer(autoping=False) as socket:
        assert (await socket.receive()).type is WSMsgType.PING
        for payload in (b"", b"pong", bytes(8)):
            await socket.pong(payload)
        await socket.send_bytes(GREETING)
        tally = await site.until(lambda t: t.received_messages)
        assert tally.round_trip.count == 0


async def test_a_ping_of_the_viewer_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as site, site.viewer(autoping=False) as socket:
        await socket.ping(b"are you there?")
        async with asyncio.timeout(10):
            while (message := await socket.receive()).type is not WSMsgType.PONG:
                assert message.type is WSMsgType.PING
        assert bytes(message.data) == b"are you there?"


async def test_a_viewer_that_answers_nothing_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "HEARTBEAT_SECONDS", 0.05)
    async with served(tmp_path, stall_timeout=0.01) as site, site.viewer(autoping=False) as socket:
        await site.until(lambda t: t.sessions)
        assert await ended(site) == [Leave.STALLED]
        assert not socket.closed, "it has not left by itself"


async def test_pings_do_not_get_into_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "PING_SECONDS", 0.001)
    async with served(tmp_path) as site, site.viewer(autoping=False) as socket:
        await site.until(lambda _: site.bridge.sockets)
        pings = received = 0
        async with flooding(site.bridge), asyncio.timeout(10):
            while pings < 3 or received < 8 * MIB:
                message = await socket.receive()
                if message.type is WSMsgType.PING:
                    pings += 1
                else:
                    assert message.type is WSMsgType.BINARY
                    assert not any(message.data)
                    received += len(message.data)
        transport_of(socket).abort()


async def never() -> aiohttp.WSMessage:
    """A message that does not come."""
    message: asyncio.Future[aiohttp.WSMessage] = asyncio.get_running_loop().create_future()
    return await message


class BusyViewer:
    """A viewer's socket that takes what it is sent only when a test says so, and sends nothing."""

    def __init__(self) -> None:
        self.closed = False
        self.pings = 0
        self.sending = asyncio.Event()
        self.taken = asyncio.Event()

    async def send_bytes(self, data: bytes) -> None:
        assert data
        self.sending.set()
        await self.taken.wait()

    async def ping(self, payload: bytes) -> None:
        assert payload
        self.pings += 1

    def __aiter__(self) -> BusyViewer:
        return self

    async def __anext__(self) -> aiohttp.WSMessage:
        return await never()


class OneMessage:
    """An upstream that sends one message."""

    def __init__(self) -> None:
        self._left = [aiohttp.WSMessage(WSMsgType.BINARY, b"picture", None)]

    def __aiter__(self) -> OneMessage:
        return self

    async def __anext__(self) -> aiohttp.WSMessage:
        return self._left.pop() if self._left else await never()


async def turns(count: int) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_no_ping_while_something_is_being_sent_or_the_socket_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "PING_SECONDS", 0)
    socket: Any = BusyViewer()
    upstream: Any = OneMessage()
    meter = ViewerMeter(Counts(), arrived=0.0, used=lambda: None)
    carrying = ByteRelay(socket, upstream, limit=MIB, stall_timeout=30, meter=meter)
    running = asyncio.create_task(carrying.run())
    await socket.sending.wait()
    before = socket.pings
    await turns(20)
    assert socket.pings == before
    socket.taken.set()
    await turns(20)
    assert socket.pings > before
    socket.closed = True
    before = socket.pings
    await turns(20)
    assert socket.pings == before
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# --------------------------------------------------------------------------------------- waiting


async def test_waits_that_go_on_are_counted(tmp_path: Path) -> None:
    async with served(tmp_path) as site, site.viewer() as socket:
        await site.until(lambda t: t.sessions and site.bridge.sockets)
        transport_of(socket).pause_reading()
        async with flooding(site.bridge):
            before = await site.until(lambda t: t.blocked_seconds and t.send_wait_seconds)
            await site.until(
                lambda t: (
                    t.blocked_seconds > before.blocked_seconds
                    and t.send_wait_seconds > before.send_wait_seconds
                )
            )
        transport_of(socket).abort()


# ---------------------------------------------------------------------------------- how they end


async def test_a_viewer_leaves(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        async with site.viewer() as socket:
            await site.until(lambda t: t.sessions)
            await socket.close()
        assert await ended(site) == [Leave.LEFT]


async def test_a_viewer_is_cut_off(tmp_path: Path) -> None:
    async with served(tmp_path) as site, site.viewer() as socket:
        await site.until(lambda t: t.sessions)
        transport_of(socket).abort()
        assert await ended(site) == [Leave.LEFT]


@pytest.mark.parametrize("said", ["RFB", bytes(64 * 1024 + 1)], ids=["text", "too large"])
async def test_a_viewer_does_not_keep_to_the_protocol(tmp_path: Path, said: str | bytes) -> None:
    async with served(tmp_path) as site, site.viewer() as socket:
        if isinstance(said, str):
            await socket.send_str(said)
        else:
            await socket.send_bytes(said)
        await closed(socket)
        assert await ended(site) == [Leave.PROTOCOL]


async def test_a_viewer_takes_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, stall_timeout=0.05) as site, site.viewer() as socket:
        await site.until(lambda t: t.sessions and site.bridge.sockets)
        transport_of(socket).pause_reading()
        async with flooding(site.bridge):
            await site.until(
                # A wait that goes on is longer each time that it is looked at.
                lambda t: (
                    t.send_wait_seconds > 0.04
                    and t.send_wait_seconds == site.gateway.tally.send_wait_seconds
                )
            )
        transport_of(socket).resume_reading()
        assert await closed(socket) == STALLED
        assert await ended(site) == [Leave.STALLED]


async def test_nobody_uses_the_desktop(tmp_path: Path) -> None:
    async with served(tmp_path, idle_timeout=0.01) as site, site.viewer() as socket:
        await closed(socket)
        assert await ended(site) == [Leave.PAUSED]


async def test_the_server_ends_the_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as site, site.viewer() as socket:
        await site.until(lambda _: site.bridge.sockets)
        await site.bridge.sockets[0].close(drain=False)
        await closed(socket)
        assert await ended(site) == [Leave.SERVER_ENDED]


async def test_the_server_cannot_be_reached(tmp_path: Path) -> None:
    async with served(tmp_path, has_bridge=False) as site, site.viewer() as socket:
        await closed(socket)
        assert await ended(site) == [Leave.SERVER_UNREACHABLE]


async def test_the_desktop_ends(tmp_path: Path) -> None:
    async with served(tmp_path) as site, site.viewer() as socket:
        await site.until(lambda t: t.sessions)
        closing = asyncio.create_task(site.gateway.close())
        await closed(socket)
        await closing
        assert await ended(site) == [Leave.STOPPING]


# ------------------------------------------------------------------------------------- refusals


async def test_who_comes_too_early_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        site.unready = "waiting for: X server"
        async with site.viewer() as socket:
            await closed(socket)
        tally = site.gateway.tally
    assert tally.refused == dict.fromkeys(Refusal, 0) | {Refusal.NOT_READY: 1}
    assert tally.sessions == 0
    assert not any(tally.ended.values())


async def test_one_too_many_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, max_viewers=1) as site, site.viewer():
        await site.until(lambda t: t.sessions)
        async with site.viewer() as socket:
            await closed(socket)
        tally = site.gateway.tally
    assert tally.refused == dict.fromkeys(Refusal, 0) | {Refusal.TOO_MANY: 1}
    assert tally.sessions == 1

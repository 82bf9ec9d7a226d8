"""The picture's WebSocket: who gets in, what may be said on it, and that input arrives."""

import asyncio

import aiohttp
import pytest

from tests.support import children_of, eventually, running_daemon, window_on

pytestmark = pytest.mark.asyncio(loop_scope="module")

RED = (255, 0, 0)


async def closed(socket):
    """How a WebSocket is closed from the other side: code and reason."""
    async with asyncio.timeout(10):
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return message.data, message.extra
            assert message.type is aiohttp.WSMsgType.BINARY, message


async def test_a_plain_request_is_refused(shared):
    async with shared.session() as session, session.get("/websockify") as response:
        assert response.status == 400
        answer = await response.json()
    assert answer["code"] == "invalid_request"
    assert "wants a WebSocket" in answer["message"]


async def test_the_subprotocol_is_binary_and_nothing_is_compressed(shared):
    async with shared.session() as session:
        offered = session.ws_connect("/websockify", protocols=("base64", "binary"), compress=15)
        async with offered as socket:
            assert socket.protocol == "binary"
            assert not socket.compress
            assert await socket.receive_bytes(timeout=5) == b"RFB 003.008\n"


async def test_one_viewer_too_many_is_told_so(tmp_path):
    async with running_daemon(tmp_path, VIZPROXY_VIEWER_MAX_VIEWERS="1") as daemon:
        async with daemon.viewer() as viewer:
            async with daemon.viewer_socket() as refused:
                code, reason = await closed(refused)
                assert code == 1013
                assert reason == "as many viewers as are allowed (1) are connected"
            await viewer.update(incremental=False)
        await daemon.until(lambda s: s["viewers"] == 0)
        async with daemon.viewer():
            pass


async def test_a_text_message_ends_the_session(shared):
    async with shared.viewer_socket() as socket:
        await socket.send_str("RFB 003.008\n")
        assert await closed(socket) == (1003, "RFB is binary, a text message came")


async def test_a_message_that_is_too_large_ends_the_session(tmp_path):
    async with running_daemon(tmp_path, VIZPROXY_VIEWER_MAX_MESSAGE="64KiB") as daemon:
        async with daemon.viewer() as other, daemon.viewer_socket() as socket:
            await socket.send_bytes(bytes(64 * 1024 + 1))
            code, _ = await closed(socket)
            assert code == 1009
            await other.update(incremental=False)
        await daemon.until(lambda s: s["viewers"] == 0)


async def test_nonsense_in_place_of_rfb_harms_nobody_else(shared):
    pids = await shared.pids()
    async with shared.viewer() as other, shared.viewer_socket() as socket:
        await socket.receive_bytes(timeout=5)
        await socket.send_bytes(b"\xff" * 60_000)
        await closed(socket)
        await other.update(incremental=False)
    assert await shared.pids() == pids


async def test_the_pointer_and_the_keyboard_reach_programs(shared):
    async with window_on(shared, "--place", "200x100+40+60") as program, shared.viewer() as viewer:
        await viewer.until(lambda: viewer.pixel(100, 100) == RED)
        await viewer.click(70, 90)
        assert await program.line() == "button 1 70 90"
        await viewer.click(239, 159, button=3)
        assert await program.line() == "button 3 239 159"
        for wheel in (4, 5):
            await viewer.click(100, 100, button=wheel)
            assert await program.line() == f"button {wheel} 100 100"
        for keysym in (ord("a"), ord("7"), 0xFF0D, 0xFF1B, 0xFF51, 0xFFBE):
            await viewer.press(keysym)
            assert await program.line() == f"key {keysym}"


async def test_capitals_and_keys_that_no_keyboard_has(shared):
    async with window_on(shared) as program, shared.viewer() as viewer:
        await viewer.press(ord("A"))
        lines = [await program.line()]
        if lines == [f"key {0xFFE1}"]:  # x11vnc presses Shift itself
            lines.append(await program.line())
        assert lines[-1] == f"key {ord('A')}"


async def viewers(daemon):
    """What is measured of viewers."""
    async with daemon.session() as session, session.get("/api/v1/measurements") as response:
        return (await response.json())["viewers"]


async def test_what_a_viewer_takes_is_counted(shared):
    before = await viewers(shared)
    async with shared.viewer() as viewer:
        for _ in range(3):
            await viewer.update(incremental=False)
        await viewer.request(incremental=False)

        async def taken():
            now = await viewers(shared)
            return now if now["updates"] - before["updates"] >= 3 else None

        now = await eventually(taken)
    assert now["updates"] - before["updates"] == 3
    assert now["control"] == before["control"] + 1
    assert now["sessions"] == before["sessions"] + 1
    assert now["sent_bytes"] - before["sent_bytes"] >= 3 * len(viewer.framebuffer)
    assert 0 < now["round_trip_seconds"] < 60
    assert now["received_bytes"] > before["received_bytes"]


@pytest.mark.slow
async def test_viewers_come_and_go(shared):
    """Twelve at a time leave nothing behind: no session, no bridge."""
    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(look(shared))
    await shared.until(lambda s: s["viewers"] == 0)
    websockify = (await shared.pids())["websockify"]

    async def only_the_listener():
        return not children_of(websockify)

    await eventually(only_the_listener)


async def look(daemon):
    async with daemon.viewer() as viewer:
        await viewer.update(incremental=False)

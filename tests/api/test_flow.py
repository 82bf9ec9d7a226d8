"""A viewer that stops reading: memory stays bounded, others get their picture, it is dropped."""

import asyncio
import contextlib
from typing import Any

import psutil
import pytest

from tests.rfb import MIB
from tests.support import eventually, running_daemon, window_on

pytestmark = pytest.mark.slow

LARGE = (3840, 2160)
FRAME_BYTES = LARGE[0] * LARGE[1] * 4
MOVING = ("--moving", "--place", "3840x2160+0+0")


@contextlib.asynccontextmanager
async def kept_watching(viewer):
    """Let a viewer ask for and take one whole frame after another."""

    async def watch():
        while True:
            await viewer.update(incremental=False)

    task = asyncio.create_task(watch())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def stop_reading(viewer, requests=100):
    """Ask for frames, and take nothing from the socket any more."""
    viewer.socket._response.connection.transport.pause_reading()
    for _ in range(requests):
        await viewer.request(incremental=False)


async def enlarge(daemon, *viewers, to=LARGE):
    """Make the desktop large while somebody watches, which is when x11vnc takes notice at once."""
    body = dict(zip(("width", "height"), to, strict=True))
    async with daemon.session() as session, session.put("api/v1/display", json=body) as response:
        assert response.status == 200

    async def large():
        return all((v.width, v.height) == to for v in viewers)

    await eventually(large)


async def frames(viewer, count, *, limit):
    """Wait until a viewer has had so many more frames."""
    last = viewer.updates + count

    async def had():
        return viewer.updates >= last

    await eventually(had, timeout=limit, of=lambda: f"{viewer.updates - last + count} of {count}")


async def test_a_viewer_that_reads_nothing_takes_no_memory(tmp_path):
    async with running_daemon(tmp_path) as daemon, daemon.viewer() as slow:
        process = psutil.Process(daemon.pid)
        async with kept_watching(slow):
            await enlarge(daemon, slow)
            async with window_on(daemon, *MOVING):
                await frames(slow, 3, limit=30)
                before = process.memory_info().rss
                await frames(slow, 10, limit=20)
        await stop_reading(slow)
        most = before
        async with window_on(daemon, *MOVING):
            for _ in range(100):
                await daemon.status()
                most = max(most, process.memory_info().rss)
        grown = (most - before) / MIB
        assert grown < 64, f"{grown:.0f} MiB, and a frame has {FRAME_BYTES / MIB:.0f}"


async def test_a_viewer_that_reads_nothing_is_dropped_and_others_go_on(tmp_path):
    async with (
        running_daemon(tmp_path, VIZPROXY_VIEWER_STALL_TIMEOUT="2") as daemon,
        daemon.viewer() as slow,
        daemon.viewer() as other,
        kept_watching(other),
        window_on(daemon, *MOVING),
    ):
        async with kept_watching(slow):  # until then: one that pauses is dropped for that
            await enlarge(daemon, slow, other)
            await frames(other, 3, limit=30)
        await stop_reading(slow)
        await daemon.until(lambda s: s["viewers"] == 1, limit=10)
        await frames(other, 5, limit=30)
        assert "it took no data for 2 s" in daemon.log.read_text()


async def test_others_get_frames_while_a_viewer_takes_nothing(tmp_path):
    """As a viewer on a dead link: it has asked for its next update and does not take it.

    The buffer has room for that update (raw here, of 14 MiB, and perhaps for the rest of the one
    before). Without it, x11vnc would wait for that viewer, and nobody have a picture for 20 s.
    """
    room: dict[str, Any] = {
        "VIZPROXY_VIEWER_BUFFER": "64MiB",
        "VIZPROXY_VIEWER_STALL_TIMEOUT": "1m",
    }
    async with (
        running_daemon(tmp_path, **room) as daemon,
        daemon.viewer() as slow,
        daemon.viewer() as other,
        kept_watching(other),
    ):
        async with kept_watching(slow):
            await enlarge(daemon, slow, other, to=(2560, 1440))
        async with window_on(daemon, *MOVING):
            await stop_reading(slow, requests=1)
            await frames(other, 8, limit=15)
            assert (await daemon.status())["viewers"] == 2


async def test_a_viewer_that_reads_nothing_does_not_hold_up_the_end(tmp_path):
    async with (
        running_daemon(tmp_path, VIZPROXY_VIEWER_STALL_TIMEOUT="5m") as daemon,
        daemon.viewer() as slow,
    ):
        async with kept_watching(slow):
            await enlarge(daemon, slow)
        async with window_on(daemon, *MOVING):
            await stop_reading(slow)
            await daemon.status()
        async with asyncio.timeout(10):
            assert await daemon.end() == 0

"""Activity: what of a viewer is input, what else counts, and what happens when nobody is there."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.broker.desk import Desk
from tests.rfb import ConnectionEndedError, RfbClient
from tests.support import Daemon, eventually, running_daemon, window_on

PAUSED = 4001
IDLE_TIMEOUT = "1500ms"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """A desktop that loses patience soon."""
    directory = tmp_path_factory.mktemp("shared")
    async with running_daemon(directory, VIZPROXY_VIEWER_IDLE_TIMEOUT=IDLE_TIMEOUT) as running:
        yield running


async def last_activity(daemon: Daemon) -> float:
    return float((await daemon.status())["last_activity"] or 0)


async def used_after(daemon: Daemon, before: float) -> float:
    """Wait until the desktop was used again; return when."""

    async def check() -> float | None:
        last = await last_activity(daemon)
        return last if last > before else None

    return await eventually(check)


async def until_closed(viewer: RfbClient) -> ConnectionEndedError:
    """Take updates, as a page does, until the daemon ends it."""
    try:
        while True:
            await viewer.update()
    except ConnectionEndedError as ended:
        return ended


def moved_to(x: int, y: int) -> bytes:
    return struct.pack(">BBHH", 5, 0, x, y)


async def test_a_moving_picture_alone_is_no_use_and_the_viewer_is_paused(shared: Daemon) -> None:
    before = await last_activity(shared)
    async with window_on(shared, "--moving"), shared.viewer() as viewer:
        ended = await until_closed(viewer)
        assert (ended.code, ended.reason) == (
            PAUSED,
            "nobody used the desktop for 1.5 seconds",
        )
        assert viewer.updates > 10, "the picture moved"
    assert await last_activity(shared) == before


@pytest.mark.slow
async def test_input_is_use_and_keeps_all_viewers(shared: Daemon) -> None:
    async with (
        window_on(shared, "--moving"),
        shared.viewer() as hands,
        shared.viewer() as eyes,
    ):
        watching = asyncio.create_task(until_closed(eyes))
        handling = asyncio.create_task(until_closed(hands))
        last = await last_activity(shared)
        loop = asyncio.get_running_loop()
        began, x = loop.time(), 10
        while loop.time() < began + 2.5:
            x += 1
            await hands.send(moved_to(x, 10))
            last = await used_after(shared, last)
        assert not watching.done()
        assert not handling.done()
        ends = await asyncio.gather(watching, handling)
    assert [ended.code for ended in ends] == [PAUSED, PAUSED]


async def test_a_paused_viewer_comes_back_when_it_likes(shared: Daemon) -> None:
    async with shared.viewer() as viewer:
        assert (await until_closed(viewer)).code == PAUSED
    async with shared.viewer() as viewer:
        await viewer.update(incremental=False)
    await shared.until(lambda s: s["viewers"] == 0)


async def test_what_people_do_to_apps_is_use_and_looking_is_none(shared: Daemon) -> None:
    desk = Desk(shared)
    before = await last_activity(shared)
    for path in ("status", "apps", "windows", "menu", "display"):
        await desk.get(path)
    await desk.ask("PUT", "display", {"width": 800, "height": 600})  # as the page does by itself
    assert await last_activity(shared) == before
    await desk.post("windows/tile")
    last = await used_after(shared, before)
    assert (await desk.run("run", "true")).code == 0
    assert await used_after(shared, last) > last


@pytest.mark.slow
@pytest.mark.parametrize("told", ["by the configuration", "by the app"])
async def test_an_app_that_counts_keeps_the_viewers(told: str, tmp_path: Path) -> None:
    settings = {"VIZPROXY_VIEWER_IDLE_TIMEOUT": "6s"}
    options = ["--activity", "always"]
    if told == "by the configuration":
        settings["VIZPROXY_BROKER_ACTIVITY"], options = "always", []
    async with running_daemon(tmp_path, wait=True, **settings) as daemon:
        desk = Desk(daemon)
        ran = await desk.run("run", "--detach", *options, "--name", "busy", "sleep", "60")
        assert ran.code == 0, ran.err
        first = await last_activity(daemon)
        last = await used_after(daemon, first + 1)  # not the start itself
        assert last > first
        assert (await desk.run("apps", "stop", ran.out.strip())).code == 0
        await desk.is_empty()

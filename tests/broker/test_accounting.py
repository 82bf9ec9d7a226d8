"""What apps use of the framebuffer is what X says, and nobody takes more than there is."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import signal
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
import pytest_asyncio

from tests.broker.desk import MIB, XPROGRAM, Desk, desk_with
from tests.support import Daemon, eventually, running_daemon

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """A desktop of which two apps take all."""
    settings: Any = {
        "VIZPROXY_BROKER_FRAMEBUFFER": "8MiB",
        "VIZPROXY_BROKER_APP_FRAMEBUFFER": "4MiB",
        "VIZPROXY_BROKER_OVER_USE_GRACE": "300ms",
    }
    async with running_daemon(tmp_path_factory.mktemp("small"), **settings) as daemon:
        yield daemon


async def check_accounts(desk: Desk) -> None:
    """Wait until each app is charged what X-Resource counts for its clients, and nothing is lost."""

    async def check() -> bool:
        apps, windows = await desk.apps(), await desk.windows()
        clients = desk.x_clients()
        owners: dict[int, str] = {}
        for window in windows:
            base = max(base for base in clients if base <= int(window["id"], 16))
            owners[base] = window["app"]
        for app in apps:
            for base, client in clients.items():
                if client.pid in app["pids"]:
                    owners[base] = app["id"]
        for app in apps:
            counted = sum(
                clients[base].pixmap_bytes for base in owners if owners[base] == app["id"]
            )
            assert app["framebuffer"]["pixmap_bytes"] == counted, app
            assert app["framebuffer"]["used"] == counted
        budget = await desk.budget()
        assert budget["used"] == sum(app["framebuffer"]["used"] for app in apps)
        leased = [app for app in apps if app["leased"]]
        assert budget["granted"] == sum(app["framebuffer"]["granted"] for app in leased)
        assert budget["granted"] <= budget["total"]
        return True

    await eventually(check, timeout=15)


async def test_what_x_says(desk):
    async with (
        desk.shown("paints", "--pixmaps", "1000000") as (program, _),
        desk.running("xeyes", options=("--framebuffer", "1MiB")),
        desk.plain("xclock"),
        desk.plain(*XPROGRAM, "--pixmaps", "4321"),
    ):
        await desk.until(lambda apps: len([a for a in apps if a["windows"]]) == 4)
        await check_accounts(desk)
        await program.do("pixmaps 2000000")
        await program.do("dialog news")  # pixmaps are counted when a window comes
        await desk.app("paints", lambda app: app["framebuffer"]["pixmap_bytes"] == 3_000_000)
        await program.do("free")
        await program.do("dialog more")
        await desk.app("paints", lambda app: app["framebuffer"]["pixmap_bytes"] == 0)
        await check_accounts(desk)


@pytest.mark.slow
async def test_pixmaps_are_counted_though_nothing_else_happens(desk):
    async with desk.shown("paints") as (program, _):
        await program.do("pixmaps 1234568")
        await desk.app("paints", lambda app: app["framebuffer"]["pixmap_bytes"] == 1_234_568)


async def test_use_above_the_grant_is_told_and_no_more(desk):
    run = desk.shown("greedy", "--pixmaps", str(2 * MIB), options=("--framebuffer", "1MiB"))
    async with desk.events() as events, run as (program, app):
        assert (await events.receive_json())["type"] == "snapshot"
        await desk.app("greedy", lambda app: app["framebuffer"]["over"])
        sentence = f"{app['id']} uses 2 MiB of framebuffer and may use 1 MiB"
        told: list[dict] = []
        async with asyncio.timeout(5):
            while not [n for message in told for n in message.get("notices", ())]:
                told.append(await events.receive_json())
        (notice,) = [n for message in told for n in message.get("notices", ())]
        assert (notice["level"], notice["kind"]) == ("warning", "over_use")
        assert (notice["app"], notice["text"]) == (app["id"], sentence)
        status = await desk.daemon.until(lambda status: sentence in status["warnings"])
        assert status["state"] == "ready"
        assert "(too much)" in (await desk.run("apps")).out
        assert desk.daemon.log.read_text().count(sentence) == 1
        await program.do("free")
        await program.do("dialog done")
        await desk.app("greedy", lambda app: not app["framebuffer"]["over"])
        await desk.daemon.until(lambda status: sentence not in status["warnings"])
        assert program.process.returncode is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["leased", "plain"])
async def test_use_above_the_grant_ends_the_app_where_that_is_wanted(tmp_path, kind):
    settings = {"over_use": "stop", "over_use_grace": "300ms", "close_timeout": "300ms"}
    greedy = (*XPROGRAM, "--pixmaps", str(2 * MIB), "--ignore-delete")
    async with desk_with(tmp_path, **settings, app_framebuffer="1MiB") as desk:
        started = desk.running(*greedy) if kind == "leased" else desk.plain(*greedy)
        async with (
            desk.shown("modest", "--pixmaps", str(MIB)) as (modest, _),
            started as program,
            asyncio.timeout(10),
        ):
            assert await program.process.wait() == (-signal.SIGTERM if kind == "leased" else 1)
            notice = await desk.notice("over_use")
            assert notice["level"] == "error"
            assert notice["text"].endswith("may use 1 MiB: it is being ended")
            assert modest.process.returncode is None
            await desk.until(lambda apps: [app["name"] for app in apps] == ["modest"])


async def test_a_full_budget(desk):
    async with desk.shown("first") as (_, first), desk.running("cat") as cat:
        second = await desk.app("cat")
        refused, detached = await asyncio.gather(
            desk.run("run", "--name", "third", "--framebuffer", "1MiB", "true"),
            desk.run("run", "--name", "third", "--detach", "true"),
        )
        assert refused.code == detached.code == 75
        sentence = refused.sentence()
        assert sentence.startswith("cannot start third: it asks for 1 MiB of framebuffer, and ")
        assert "of the budget of 8 MiB" in sentence
        for app in (first, second):
            assert f"{app['id']} has 4 MiB" in sentence
        assert "`vizproxy apps stop ID`" in sentence
        assert "it asks for 4 MiB" in detached.sentence()
        notice = await desk.notice("refused")
        assert notice["text"] in refused.err + detached.err
        assert len(await desk.apps()) == 2
        cat.process.kill()
        await cat.process.wait()
        await desk.until(lambda apps: len(apps) == 1)
        assert (await desk.run("run", "--framebuffer", "4MiB", "true")).code == 0


@pytest.mark.slow
async def test_more_than_there_is(desk):
    refused = await desk.run("run", "--framebuffer", "9MiB", "true")
    assert refused.code == 75
    assert re.search(r"asks for 9 MiB of framebuffer, and .*8 MiB", refused.sentence())


@pytest.mark.slow
async def test_too_many_apps(tmp_path):
    async with desk_with(tmp_path, max_apps="2") as desk:
        async with desk.running("cat"), desk.plain("xclock"):
            await desk.until(lambda apps: len(apps) == 2)
            refused = await desk.run("run", "true")
            assert refused.code == 75
            assert "2 apps are on the desktop and broker.max_apps is 2" in refused.sentence()
            assert "xclock-" in refused.sentence()
            detached = await desk.run("run", "--detach", "true")
            assert (detached.code, detached.sentence()) == (75, refused.sentence())
        await desk.until(lambda apps: not apps)
        assert (await desk.run("run", "true")).code == 0


async def test_what_adopted_apps_use_counts(desk):
    async with desk.plain(*XPROGRAM, "--pixmaps", str(6 * MIB)):
        await desk.app("xprogram", lambda app: app["framebuffer"]["used"] == 6 * MIB)
        refused, granted = await asyncio.gather(
            desk.run("run", "--framebuffer", "3MiB", "true"),
            desk.run("run", "--framebuffer", "2MiB", "true"),
        )
        assert (refused.code, granted.code) == (75, 0)
        assert re.search(r"xprogram-\d+ has 6 MiB", refused.sentence())


@pytest.mark.slow
async def test_many_who_come_at_once_get_no_more_than_there_is(desk):
    async with contextlib.AsyncExitStack() as stack:
        started = [await stack.enter_async_context(desk.running("cat")) for _ in range(4)]

        async def decided() -> bool:
            codes = [program.process.returncode for program in started]
            return codes.count(75) == 2 and len(await desk.apps()) == 2

        await eventually(decided)
        assert (await desk.budget())["granted"] == 8 * MIB


# for a while


class Crowd:
    """Eight places, each with an app that is started, and ended in one way or another."""

    def __init__(self, desk: Desk, chance: random.Random) -> None:
        self.desk = desk
        self.chance = chance
        self.ends: list[str] = []
        self.lives = 0

    async def live(self, place: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            await self.one_life(place)

    async def one_life(self, place: int) -> None:
        self.lives += 1
        name = f"place{place}-{self.lives}"
        size = str(self.chance.randrange(3 * MIB))
        kinds = {
            "paints": (*XPROGRAM, "--title", name, "--pixmaps", size),
            "deaf": (*XPROGRAM, "--title", name, "--ignore-delete", "--pixmaps", size),
            "gears": ("glxgears",),
            "clock": ("xclock",),
            "eyes": ("xeyes",),
            "forks": ("sh", "-c", "xlogo & wait"),
        }
        argv = kinds[self.chance.choice(list(kinds))]
        # What is never a lease's but a shell's: it would leave its child behind when killed.
        leased = argv[0] == "sh" or self.chance.random() < 0.6
        run = self.desk.running(*argv, options=("--name", name))
        async with run if leased else self.desk.plain(*argv) as program:
            app = await self.mine(name if leased else None, program.process)
            if app is not None:
                await self.end(app, program.process, forked=argv[0] == "sh")

    async def mine(self, name: str | None, process: asyncio.subprocess.Process) -> dict | None:
        """The app that was started: by its name, or by its process. None if it isn't there in time."""
        found: list[dict] = []

        async def check() -> bool:
            found[:] = [
                app
                for app in await self.desk.apps()
                if app["windows"] and (app["name"] == name if name else process.pid in app["pids"])
            ]
            return bool(found)

        await eventually(check, timeout=20, of=lambda: f"{name} {process}")
        return found[0]

    async def end(self, app: dict, process: asyncio.subprocess.Process, *, forked: bool) -> None:
        ways = ["stop", "close", "force"] if forked else ["stop", "close", "force", "term", "kill"]
        way = self.chance.choice(ways)
        self.ends.append(way)
        if way == "stop":
            await self.desk.ask("DELETE", f"apps/{app['id']}")
        elif way in {"close", "force"}:
            path = f"windows/{app['windows'][0]}/close"
            status, answer = await self.desk.ask("POST", path, {"force": way == "force"})
            assert status == 200, answer
        else:
            process.send_signal(signal.SIGTERM if way == "term" else signal.SIGKILL)
        async with asyncio.timeout(15):
            await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [3, 60])
async def test_eight_apps_that_come_and_go(tmp_path, seconds):
    async with desk_with(tmp_path, close_timeout="500ms", framebuffer="64MiB") as desk:
        crowd = Crowd(desk, random.Random(seconds))
        async with asyncio.TaskGroup() as group:
            for place in range(8):
                group.create_task(crowd.live(place, seconds))
        assert len(crowd.ends) >= seconds
        assert len(set(crowd.ends)) >= 4
        await desk.is_empty()
        # Nothing is left behind that would count against those who come now.
        async with contextlib.AsyncExitStack() as stack:
            for name in ("one", "two", "three"):
                await stack.enter_async_context(desk.shown(name, "--pixmaps", "1000000"))
            await stack.enter_async_context(desk.plain("xclock"))
            await desk.until(lambda apps: len([a for a in apps if a["windows"]]) == 4)
            await check_accounts(desk)
            living = {p.pid for p in desk.processes()}
            assert {pid for app in await desk.apps() for pid in app["pids"]} <= living
            assert len(desk.keepers()) == 3
        daemon = psutil.Process(desk.daemon.pid)
        assert daemon.num_fds() < 60, "no connection is left open"
        assert "Traceback" not in desk.daemon.log.read_text()

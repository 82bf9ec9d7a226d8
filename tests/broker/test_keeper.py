"""A lease lasts exactly as long as its app, whatever happens to either side."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.broker.desk import RUN, XPROGRAM, Desk, desk_with
from tests.cli.running import VIZPROXY
from tests.process.scripts import write_script
from tests.support import eventually, running_daemon

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEVER_ENDS = (sys.executable, "-c", "import signal; signal.pause()")


class Way:
    """A socket that leads to the daemon's, and can be cut."""

    def __init__(self, to):
        self.to = to
        self.writers = []
        self.is_open = True
        self.refused = 0

    async def serve(self, reader, writer):
        if not self.is_open:
            self.refused += 1
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_unix_connection(self.to)
        self.writers += [writer, far_writer]

        async def pump(source, sink):
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        with contextlib.suppress(ConnectionError):
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


@contextlib.asynccontextmanager
async def way_to(desk, path):
    """A desk that is reached by a detour."""
    way = Way(desk.socket)
    async with await asyncio.start_unix_server(way.serve, path):
        detour = Desk(desk.daemon, socket=path)
        try:
            yield way, detour
        finally:
            way.cut()
    await detour.is_empty()


async def not_there(desk, app_id):
    async def check():
        return app_id not in [app["id"] for app in await desk.apps()]

    await eventually(check, timeout=5)


async def test_the_lease_ends_with_the_program(desk):
    for number in (signal.SIGTERM, signal.SIGKILL):
        async with desk.running(*NEVER_ENDS, options=("--name", "it")) as program:
            app = await desk.app("it", lambda app: app["pids"])
            program.process.send_signal(number)
            await program.process.wait()
            await not_there(desk, app["id"])
            await desk.is_empty()
    assert "is ended: its program has ended" not in desk.daemon.log.read_text()


async def test_an_app_whose_keeper_is_killed_lives_on_without_a_lease(desk):
    async with desk.shown("orphan") as (program, app):
        assert (app["leased"], app["state"], app["pids"]) == (
            True,
            "running",
            [program.process.pid],
        )
        (keeper,) = desk.keepers()
        keeper.kill()
        adopted = await desk.app("xprogram", lambda app: app["windows"])
        assert (adopted["leased"], adopted["plan"], adopted["state"]) == (False, None, "running")
        assert adopted["windows"] == app["windows"]
        assert adopted["pids"] == app["pids"]
        assert len(await desk.apps()) == 1
        assert (await desk.budget())["granted"] == 0
        await program.do("title still here")
        await desk.window("still here")


async def test_a_launcher_that_forks_and_ends(desk):
    """The command returns at once; the lease stays with what was forked."""
    command = " ".join((*XPROGRAM, "--title", "forked"))
    script = f"setsid {command} </dev/null >/dev/null 2>&1 & exit 6"
    async with desk.running("sh", "-c", script, options=("--name", "launcher")) as program:
        async with asyncio.timeout(5):
            assert await program.process.wait() == 6
        app = await desk.app("launcher", lambda app: app["windows"])
        assert app["leased"]
        assert (await desk.window("forked"))["app"] == app["id"]
        (pid,) = app["pids"]
        assert pid != program.process.pid
        os.kill(pid, signal.SIGKILL)
        await not_there(desk, app["id"])


@pytest.mark.slow
async def test_what_a_program_leaves_behind_does_not_hold_its_lease(desk):
    """A process without a window, such as a session bus, is not the app."""
    script = f"setsid sleep 99 </dev/null >/dev/null 2>&1 & echo $!; exec {' '.join(XPROGRAM)}"
    async with desk.running("sh", "-c", script, options=("--name", "busy")) as program:
        pid = int(await program.line())
        both = {pid, program.process.pid}
        app = await desk.app("busy", lambda app: app["windows"] and set(app["pids"]) == both)
        program.process.kill()
        await desk.app("busy", lambda app: app["pids"] == [pid])
        await desk.until(lambda apps: not apps, limit=20)

        async def logged() -> bool:
            return f"the lease of {app['id']} has ended" in desk.daemon.log.read_text()

        await eventually(logged)
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
async def test_an_app_started_from_an_app_has_a_lease_of_its_own(desk):
    inner = " ".join((*RUN, "--name", "inner", "--", *XPROGRAM, "--title", "inner"))
    outer = " ".join((*XPROGRAM, "--title", "outer"))
    script = f"{inner} >/dev/null & {outer} >/dev/null; wait"
    async with desk.running("sh", "-c", script, options=("--name", "outer")):
        inside = await desk.app("inner", lambda app: app["windows"])
        outside = await desk.app("outer", lambda app: app["windows"])
        assert inside["leased"]
        assert outside["leased"]
        assert (await desk.window("inner"))["app"] == inside["id"]
        assert (await desk.window("outer"))["app"] == outside["id"]
        assert len(await desk.apps()) == 2

        async def apart():
            one, two = [set((await desk.app(name))["pids"]) for name in ("inner", "outer")]
            keepers = {keeper.pid for keeper in desk.keepers()}
            assert not one & two, "a process is one app's"
            assert not keepers & (one | two), "a keeper is no part of an app"
            return len(keepers) == 2

        await eventually(apart, timeout=8)
        await desk.run("apps", "stop", outside["id"])
        await not_there(desk, outside["id"])
        assert (await desk.app("inner"))["leased"], "the one inside goes on, with its lease"
        await desk.run("apps", "stop", inside["id"])


async def test_a_lost_connection_is_made_again(desk, tmp_path):
    async with (
        way_to(desk, tmp_path / "http.sock") as (way, detour),
        detour.shown("lost", "--pixmaps", "1000000") as (program, app),
    ):
        way.is_open = False
        way.cut()
        adopted = await desk.app("xprogram")
        assert not adopted["leased"]
        way.is_open = True
        again = await desk.app("lost", lambda app: app["windows"])
        assert again["leased"]
        assert again["id"] != app["id"]
        assert (again["pids"], again["windows"]) == (app["pids"], app["windows"])
        assert again["framebuffer"]["pixmap_bytes"] == app["framebuffer"]["pixmap_bytes"]
        assert len(await desk.apps()) == 1
        used = await desk.app("lost", lambda app: app["resident_bytes"])
        assert used["cpu_seconds"] > 0, "told to the new lease, too"
        assert program.process.returncode is None
        stopped = await desk.run("apps", "stop", again["id"])
        assert stopped.code == 0
        async with asyncio.timeout(5):
            await program.process.wait()


@pytest.mark.slow
async def test_a_lost_connection_is_made_again_on_a_full_desktop(tmp_path):
    """The app itself, as it waits to get its lease back, must not stand in its own way."""
    async with (
        desk_with(tmp_path / "d", max_apps="1", framebuffer="8MiB", app_framebuffer="8MiB") as desk,
        way_to(desk, tmp_path / "http.sock") as (way, detour),
        detour.shown("lost", "--pixmaps", "4000000"),
    ):
        way.is_open = False
        way.cut()
        await desk.app("xprogram")
        way.is_open = True
        again = await desk.app("lost", lambda app: app["windows"])
        assert again["leased"]
        assert again["framebuffer"]["granted"] == 8 * 1024**2


@pytest.mark.slow
async def test_a_runner_that_hangs_loses_its_lease_and_gets_another(desk):
    async with desk.shown("hung") as (_, app):
        (keeper,) = desk.keepers()
        keeper.suspend()
        try:
            async with desk.shown("other") as (_, other):
                assert other["leased"], "nobody else is held up for long"
                await desk.app("xprogram", lambda app: not app["leased"], limit=45)
        finally:
            keeper.resume()
        again = await desk.app("hung", lambda app: app["windows"])
        assert again["leased"]
        assert again["id"] != app["id"]
        assert len(await desk.apps()) == 1


@pytest.mark.slow
async def test_a_new_daemon_knows_the_old_one_s_apps(tmp_path):
    async with running_daemon(tmp_path) as daemon:
        desk = Desk(daemon)
        run = desk.running(*NEVER_ENDS, options=("--name", "kept", "--framebuffer", "3MiB"))
        program = await run.__aenter__()
        try:
            before = await desk.app("kept", lambda app: app["pids"])
            assert await daemon.end() == 0
            async with running_daemon(tmp_path) as second:
                again = Desk(second)
                after = await again.app("kept", lambda app: app["pids"], limit=20)
                assert after["leased"]
                assert after["pids"] == before["pids"] == [program.process.pid]
                assert after["framebuffer"]["granted"] == 3 * 1024**2
                await run.__aexit__(None, None, None)
                await again.is_empty()
        finally:
            await run.__aexit__(None, None, None)


@pytest.mark.slow
async def test_a_desktop_that_starts_is_waited_for(tmp_path):
    slow = write_script(tmp_path / "xorg", 'read -r _ < "{gate}"; exec /usr/lib/xorg/Xorg "$@"')
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    write_script(slow, slow.read_text().partition("\n")[2], gate=gate)
    async with running_daemon(
        tmp_path / "d", wait=False, VIZPROXY_PROGRAMS_XORG=str(slow)
    ) as daemon:
        desk = Desk(daemon)
        async with daemon.connected():
            pass
        async with (
            desk.started((*RUN, "sh", "-c", "echo $DISPLAY")) as waiting,
            desk.started((*RUN, "sh", "-c", "echo never")) as given_up,
        ):

            async def asked():
                return len(desk.keepers()) >= 2

            await eventually(asked)
            given_up.process.send_signal(signal.SIGINT)
            assert await given_up.rest() == ""
            assert await given_up.process.wait() == 130
            assert waiting.process.returncode is None
            gate.write_text("go\n")
            assert await waiting.line() == (await daemon.environment())["DISPLAY"]
        await desk.is_empty()


@pytest.mark.slow
async def test_apps_that_do_not_want_to_end(tmp_path):
    async with desk_with(tmp_path, close_timeout="300ms") as desk:
        script = "trap '' TERM; echo ready; while :; do sleep 99; done"
        async with (
            desk.running("sh", "-c", script, options=("--name", "deaf")) as deaf,
            desk.plain(*XPROGRAM, "--title", "plain", "--ignore-delete") as plain,
        ):
            assert await deaf.line() == "ready"
            app = await desk.app("deaf", lambda app: len(app["pids"]) == 2)
            other = await desk.app("xprogram", lambda app: app["windows"])
            for one in (app, other):
                ended = await desk.run("apps", "stop", one["id"])
                assert ended.code == 0
            async with asyncio.timeout(5):
                assert await deaf.process.wait() == -signal.SIGKILL
                assert await plain.process.wait() == 1, "its connection is cut"


@pytest.mark.slow
async def test_keepers_hold_nothing_of_the_command_s(desk, tmp_path):
    async with desk.started((*VIZPROXY, "run", "cat"), cwd=tmp_path):
        await desk.app("cat", lambda app: app["pids"])
        (keeper,) = desk.keepers()
        assert keeper.cwd() == "/"
        assert keeper.terminal() is None
        opened = {str(Path(f"/proc/{keeper.pid}/fd/{n}").readlink()) for n in (0, 1, 2)}
        assert opened == {"/dev/null"}
        assert keeper.ppid() != os.getpid()

"""The observer when things go wrong, or go on without end."""

import asyncio
import logging
import os
import signal
import sys

import pytest
from Xlib import X
from Xlib.protocol import event as xevent

from tests.support import eventually, program_on, running_daemon, window_on
from tests.x11.watching import session_on, watching
from vizproxy.errors import DisplayError, NotReadyError
from vizproxy.x11 import actions
from vizproxy.x11.observer import REST_SECONDS
from vizproxy.x11.scene import EMPTY, Geometry

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = [
    "_NET_WM_NAME UTF8_STRING 8 " + "ff" * 3000,
    "_NET_WM_NAME UTF8_STRING 32 " + "ff" * 3000,
    "_NET_WM_NAME CARDINAL 16 0102",
    "WM_NAME COMPOUND_TEXT 8 1b2547c3",
    "WM_NAME ATOM 32 00000000",
    "WM_CLASS STRING 8 41",
    "WM_CLASS STRING 8 " + "00" * 500,
    "WM_CLASS INTEGER 32 ffffffff",
    "_NET_WM_PID CARDINAL 32 ffffffff",
    "_NET_WM_PID CARDINAL 16 0100",
    "_NET_WM_PID STRING 8 31",
    "_NET_WM_STATE ATOM 32 " + "ff" * 4000,
    "_NET_WM_STATE ATOM 8 01",
    "WM_STATE WM_STATE 32 ffffffff",
    "_NET_WM_WINDOW_TYPE ATOM 32 00000000ffffffff",
    "WM_TRANSIENT_FOR WINDOW 32 ffffffff",
    "WM_TRANSIENT_FOR WINDOW 8 00",
    "WM_PROTOCOLS ATOM 16 0100",
    "WM_CLIENT_MACHINE STRING 8 ff00fe1b5b41",
    "WM_CLIENT_MACHINE CARDINAL 32 " + "00" * 4000,
]


async def test_a_window_with_hostile_properties_is_told_of_all_the_same(shared, watch):
    async with (
        window_on(shared, "--managed", "--title", "hostile") as hostile,
        window_on(shared, "--managed", "--title", "good") as good,
    ):
        window_id = (await watch.window("hostile")).id
        for value in HOSTILE:
            await hostile.do(f"property {value}")
            assert (await watch.observer.refresh()).window(window_id) is not None, value
        await good.do("title still good")
        await watch.window("still good")
        await hostile.do("title good again")
        await watch.window("good again")


async def test_windows_that_vanish_amid_readings_harm_nobody(shared, watch, caplog):
    caplog.set_level(logging.DEBUG)

    async def come_and_go():
        for _ in range(12):
            async with window_on(shared, "--managed", "--title", "brief") as program:
                await program.do("titles 5")

    async with window_on(shared, "--managed", "--title", "lasting"):
        await watch.window("lasting")
        coming = asyncio.gather(*(come_and_go() for _ in range(3)))
        while not coming.done():
            scene = await watch.observer.refresh()
            assert "lasting" in {w.title for w in scene.windows}
        await coming
        await watch.until(lambda s: [w.title for w in s.windows] == ["lasting"])
    assert not [r for r in caplog.records if r.levelno > logging.DEBUG and "vizproxy" in r.name]


async def test_a_title_that_changes_without_end_is_read_only_so_often(shared, watch):
    async with (
        window_on(shared, "--managed", "--title", "storm") as storm,
        window_on(shared, "--managed", "--title", "calm") as calm,
    ):
        await watch.window("storm")
        await watch.window("calm")
        loop = asyncio.get_running_loop()
        changes, began = watch.changes, loop.time()
        await storm.do("titles 1000")
        await calm.do("title calm still")
        await watch.window("calm still")
        await watch.window("storm 1000")
        # one more than fit into the time, and one for the window's second change
        assert watch.changes - changes <= (loop.time() - began) / REST_SECONDS + 2


async def test_events_that_nobody_asked_for_are_ignored(shared, watch):
    """Anybody may send anybody any event; python-xlib cannot read all of them."""
    async with (
        window_on(shared, "--managed", "--title", "target") as program,
        session_on(shared) as stranger,
    ):
        target = await watch.window("target")

        def send_them(display):
            window = display.create_resource_object("window", target.id)
            root = display.screen().root
            for code in (*range(2, 35), *range(64, 128)):
                raw = bytes((code, 32)) + bytes(30)
                forged = xevent.AnyEvent(display=display.display, binarydata=raw)
                for place in (window, root):
                    for mask in (X.StructureNotifyMask, X.PropertyChangeMask):
                        place.send_event(forged, event_mask=mask, onerror=lambda *_: 1)
            display.sync()

        await stranger.call(send_them)
        await program.do("title unmoved")
        await watch.window("unmoved")
        assert watch.session.name is not None


@pytest.mark.slow
async def test_more_requests_than_the_protocol_can_number(shared, watch):
    async with window_on(shared, "--managed", "--title", "many") as program:
        window_id = (await watch.window("many")).id

        def ask(display):
            window = display.create_resource_object("window", window_id)
            for _ in range(3000):
                window.get_geometry()

        for number in range(25):
            await program.do(f"title many {number}")
            await watch.call(ask)
        await watch.window("many 24")


async def test_a_reading_after_the_server_has_gone(daemon):
    async with watching(daemon) as watch, window_on(daemon, "--managed"):
        await watch.window("xprogram")
        changes = watch.changes
        os.kill((await daemon.pids())["xorg"], signal.SIGKILL)
        await watch.until(lambda s: s == EMPTY)
        assert watch.changes > changes
        with pytest.raises(DisplayError, match="not running"):
            await watch.observer.refresh()
        await daemon.until_component("xorg", "ready", after=0)
        await watch.session.connect((await daemon.environment())["DISPLAY"])
        await watch.observer.attach()
        async with window_on(daemon, "--managed", "--title", "anew"):
            await watch.window("anew")


async def test_a_server_that_hangs_keeps_its_last_scene(daemon):
    async with watching(daemon) as watch, window_on(daemon, "--managed"):
        await watch.window("xprogram")
        scene = watch.scene
        pid = (await daemon.pids())["xorg"]
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(DisplayError, match="no answer within"):
                await watch.session.call(lambda d: d.sync(), timeout=0.3)
            assert watch.scene == scene
        finally:
            os.kill(pid, signal.SIGCONT)
        assert {w.title for w in (await watch.observer.refresh()).windows} == {"xprogram"}


@pytest.mark.slow
async def test_without_a_window_manager_the_windows_are_still_known(tmp_path):
    async with (
        running_daemon(tmp_path, VIZPROXY_SUPERVISION_BACKOFF_INITIAL="2s") as daemon,
        watching(daemon) as watch,
        window_on(daemon, "--managed", "--title", "early"),
    ):
        early = await watch.window("early", lambda w: w.active)
        os.kill((await daemon.pids())["wm"], signal.SIGKILL)
        frameless = await watch.window("early", lambda w: not w.active)
        assert frameless.id == early.id
        async with (
            window_on(daemon, "--managed", "--title", "late"),
            window_on(daemon, "--title", "popup"),
        ):
            late = await watch.window("late")
            assert (late.geometry.x, late.geometry.y) == (40, 60)  # as it came
            assert [w.title for w in watch.scene.windows] == ["early", "late"]
            await watch.call(lambda d: actions.activate(d, early.id))
            with pytest.raises(NotReadyError, match="window manager is not running"):
                await watch.call(lambda d: actions.minimise(d, early.id))
            await watch.call(lambda d: actions.place(d, late.id, Geometry(9, 8, 70, 60)))
            await watch.window("late", lambda w: w.geometry == Geometry(9, 8, 70, 60))

            await daemon.until_component("wm", "ready", after=0)
            await watch.window("late", lambda w: w.geometry.y > 8)  # below its title bar now
        await watch.until(lambda s: [w.title for w in s.windows] == ["early"])


async def test_the_daemon_connects_again_when_its_own_connections_are_cut(tmp_path):
    async with (
        running_daemon(tmp_path, VIZPROXY_SUPERVISION_HEALTH_INTERVAL="1") as daemon,
        session_on(daemon) as session,
        watching(daemon) as watch,
    ):

        async def bases():
            scene = await watch.observer.refresh()
            return [c.base for c in scene.clients if c.pid == daemon.pid]

        async def both_connected():  # the observer's, and soon after it that by which damage is counted
            found = await bases()
            return len(found) == 2 and found

        before = await eventually(both_connected)
        assert await session.call(lambda d: [actions.kill_x_client(d, base) for base in before])

        async def healed():
            status = await daemon.status()
            return len(await bases()) == len(before) and status["state"] == "ready"

        await eventually(healed, timeout=20, of=daemon.log.read_text)


async def test_what_anybody_writes_on_the_root_window_ends_nothing(tmp_path):
    """A property whose form changes while it is read has python-xlib add numbers to bytes."""
    script = """
from Xlib import Xatom
from Xlib.display import Display
display = Display()
root, atom = display.screen().root, display.get_atom("_NET_SUPPORTING_WM_CHECK")
for _ in range(300):
    root.change_property(atom, Xatom.WINDOW, 32, [1] * 60000)
    root.change_property(atom, Xatom.WINDOW, 8, b"x" * 200000)
    display.sync()
root.delete_property(atom)
display.sync()
"""
    async with running_daemon(tmp_path) as daemon:
        async with program_on(daemon, sys.executable, "-c", script) as hostile:
            assert await hostile.rest(limit=60) == ""
        async with daemon.session() as session, session.get("api/v1/windows") as response:
            assert await response.json() == {"windows": []}
        assert daemon.process.returncode is None
        assert "bug" not in daemon.log.read_text()

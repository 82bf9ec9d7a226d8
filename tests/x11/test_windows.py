"""What the observer tells of windows, with programs of different kinds."""

import os
import socket

import pytest

from tests.support import program_on, window_on
from vizproxy.x11.scene import Geometry

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_window_and_all_that_is_told_of_it(shared, watch):
    async with window_on(shared, "--managed", "--title", "Grüße ✓", "--class", "Voreen") as program:
        window = await watch.window("Grüße ✓", lambda w: w.active)
        assert (window.instance, window.class_name) == ("voreen", "Voreen")
        assert window.pid == program.process.pid
        assert window.machine == socket.gethostname()
        assert (window.geometry.width, window.geometry.height) == (200, 100)
        assert window.closes_politely
        assert not any((window.minimised, window.maximised, window.fullscreen, window.dialog))
        assert window.transient_for is None
        clients = {client.base: client for client in watch.scene.clients}
        assert clients[window.client].pid == program.process.pid


@pytest.mark.parametrize(
    ("argv", "title", "class_name", "pid_is_told"),
    [
        (("xclock", "-update", "1"), "xclock", "XClock", True),
        (("xeyes",), "xeyes", "XEyes", False),
        (("glxgears",), "glxgears", "", False),
        (("wish8.6",), "wish8.6", "Wish8.6", None),
        (("xmessage", "hello"), "xmessage", "Xmessage", None),
    ],
    ids=["xclock", "xeyes", "glxgears", "Tk", "xmessage"],
)
async def test_programs_of_other_kinds(shared, watch, argv, title, class_name, pid_is_told):
    async with program_on(shared, *argv) as program:
        window = await watch.window(title)
        assert window.class_name == class_name
        if pid_is_told is not None:
            assert window.pid == (program.process.pid if pid_is_told else None)
        owner = next(c for c in watch.scene.clients if c.base == window.client)
        assert owner.pid == program.process.pid


async def test_changes_are_seen(shared, watch):
    async with window_on(shared, "--managed", "--title", "one") as program:
        before = await watch.window("one")
        await program.do("title two")
        window = await watch.window("two")
        assert window.id == before.id
        await program.do("move 300 200")
        window = await watch.window("two", lambda w: w.geometry != before.geometry)
        await program.do("title three")
        await watch.window("three")
        await program.do("hide")
        await watch.empty()
        await program.do("show")
        await watch.window("three")


async def test_a_window_s_place_is_that_of_its_content_on_the_screen(shared, watch):
    async with window_on(shared, "--managed", "--title", "placed") as program:
        window = await watch.window("placed")
        await program.do("move 300 200")
        moved = await watch.window("placed", lambda w: w.geometry != window.geometry)
        told = await watch.call(
            lambda d: d.screen().root.translate_coords(
                d.create_resource_object("window", moved.id), 0, 0
            )
        )
        assert moved.geometry == Geometry(told.x, told.y, 200, 100)


async def test_windows_come_in_the_order_in_which_they_were_opened(shared, watch):
    async with (
        window_on(shared, "--managed", "--title", "first"),
        window_on(shared, "--managed", "--title", "second") as second,
        window_on(shared, "--managed", "--title", "third"),
    ):
        await watch.window("third")
        assert [w.title for w in watch.scene.windows] == ["first", "second", "third"]
        await second.do("title again")
        await watch.window("again")
        assert [w.title for w in watch.scene.windows] == ["first", "again", "third"]


async def test_a_dialog_is_told_from_a_main_window(shared, watch):
    async with window_on(shared, "--managed", "--title", "main") as program:
        await program.do("dialog Really?")
        dialog = await watch.window("Really?")
        main = await watch.window("main")
        assert dialog.dialog
        assert not main.dialog
        assert dialog.transient_for == main.id
        assert dialog.client == main.client


async def test_a_program_that_does_not_tell_its_process(shared, watch):
    async with window_on(shared, "--managed", "--no-pid", "--no-delete") as program:
        window = await watch.window("xprogram")
        assert window.pid is None
        assert not window.closes_politely
        assert program.process.pid in {client.pid for client in watch.scene.clients}


async def test_pop_ups_and_desktop_furniture_are_no_windows(shared, watch):
    async with (
        window_on(shared, "--title", "popup"),  # without --managed: it refuses to be managed
        window_on(shared, "--managed", "--title", "panel") as panel,
        window_on(shared, "--managed", "--title", "main"),
    ):
        await watch.window("main")
        dock = await watch.call(lambda d: d.get_atom("_NET_WM_WINDOW_TYPE_DOCK"))
        value = dock.to_bytes(4, "little").hex()
        await panel.do(f"property _NET_WM_WINDOW_TYPE ATOM 32 {value}")
        await watch.until(lambda s: [w.title for w in s.windows] == ["main"])


async def test_pixmaps_are_counted_to_the_byte(shared, watch):
    async with window_on(shared, "--title", "no window of the desktop") as program:

        async def used():
            scene = await watch.observer.refresh()
            return next(c.pixmap_bytes for c in scene.clients if c.pid == program.process.pid)

        before = await used()
        await program.do("pixmaps 123456788")
        assert await used() == before + 123456788
        await program.do("pixmaps 4")
        assert await used() == before + 123456792
        await program.do("free")
        assert await used() == before


async def test_the_observer_s_own_connection_is_left_out(shared, watch):
    assert os.getpid() not in {client.pid for client in watch.scene.clients}
    assert (await shared.pids())["wm"] in {client.pid for client in watch.scene.clients}


async def test_many_windows_at_once(shared, watch):
    """More than are asked about in one batch, all from one program."""
    async with window_on(shared, "--managed", "--title", "0") as program:
        for number in range(1, 40):
            await program.do(f"dialog {number}")
        await watch.until(lambda s: {w.title for w in s.windows} == {str(n) for n in range(40)})

"""What is done to windows, under the real window manager."""

import asyncio

import pytest

from tests.support import eventually, program_on, window_on
from vizproxy.errors import WindowGoneError
from vizproxy.x11 import actions, manager
from vizproxy.x11.scene import Geometry

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCREEN = Geometry(0, 0, 1600, 900)


def frame(display, window_id):
    """The rectangle that a window and its frame take, as the server has it."""
    window = display.create_resource_object("window", window_id)
    while (parent := window.query_tree().parent) != display.screen().root:
        window = parent
    shape = window.get_geometry()
    edge = 2 * shape.border_width
    return Geometry(shape.x, shape.y, shape.width + edge, shape.height + edge)


def topmost(display):
    """The title of the uppermost window, by the window manager's account."""
    root = display.screen().root
    stack = root.get_full_property(display.get_atom("_NET_CLIENT_LIST_STACKING"), 0).value
    window = display.create_resource_object("window", stack[-1])
    return window.get_full_text_property(display.get_atom("_NET_WM_NAME"))


async def test_raise(shared, watch):
    async with (
        window_on(shared, "--managed", "--title", "lower"),
        window_on(shared, "--managed", "--title", "upper"),
    ):
        lower = await watch.window("lower")
        await watch.window("upper", lambda w: w.active)
        await watch.call(lambda d: actions.activate(d, lower.id))
        await watch.window("lower", lambda w: w.active)
        await eventually(lambda: watch.call(lambda d: topmost(d) == "lower"))


async def test_minimise_and_bring_back(shared, watch):
    async with window_on(shared, "--managed", "--title", "shy"):
        window = await watch.window("shy")
        for back in (actions.restore, actions.activate):
            await watch.call(lambda d: actions.minimise(d, window.id))
            await watch.window("shy", lambda w: w.minimised and not w.active)
            await watch.call(lambda d, back=back: back(d, window.id))
            await watch.window("shy", lambda w: not w.minimised and w.active)
        assert (await watch.window("shy")).geometry == window.geometry


async def test_maximise_and_restore(shared, watch):
    async with (
        window_on(shared, "--managed", "--title", "big"),
        window_on(shared, "--managed", "--title", "other"),
    ):
        window = await watch.window("big")
        await watch.window("other", lambda w: w.active)
        await watch.call(lambda d: actions.minimise(d, window.id))
        await watch.window("big", lambda w: w.minimised)
        await watch.call(lambda d: actions.maximise(d, window.id))
        await watch.window("big", lambda w: w.maximised and w.active and not w.minimised)
        await eventually(lambda: watch.call(lambda d: frame(d, window.id) == SCREEN))
        await watch.call(lambda d: actions.restore(d, window.id))
        await watch.window("big", lambda w: not w.maximised and w.geometry == window.geometry)


async def test_a_full_screen_window_is_restored(shared, watch):
    async with window_on(shared, "--managed", "--title", "film"):
        window = await watch.window("film")
        await watch.call(lambda d: manager.ask_to_add(d, window.id, manager.FULLSCREEN))
        await watch.window("film", lambda w: w.fullscreen and w.geometry == SCREEN)
        await watch.call(lambda d: actions.restore(d, window.id))
        await watch.window("film", lambda w: not w.fullscreen and w.geometry == window.geometry)


async def test_a_polite_program_closes_when_asked(shared, watch):
    async with window_on(shared, "--managed", "--title", "polite") as program:
        window = await watch.window("polite")
        assert await watch.call(lambda d: actions.ask_to_close(d, window.id))
        await watch.empty()
        assert await asyncio.wait_for(program.process.wait(), 10) == 0


async def test_a_program_that_ignores_the_question_is_killed(shared, watch):
    async with window_on(shared, "--managed", "--title", "stubborn", "--ignore-delete") as program:
        window = await watch.window("stubborn")
        assert await watch.call(lambda d: actions.ask_to_close(d, window.id))
        assert await program.line() == "delete"
        assert (await watch.observer.refresh()).window(window.id)
        await watch.call(lambda d: actions.kill_client(d, window.id))
        await watch.empty()
        assert await asyncio.wait_for(program.process.wait(), 10) == 1


async def test_a_program_that_does_not_know_the_question(shared, watch):
    async with window_on(shared, "--managed", "--title", "deaf", "--no-delete"):
        window = await watch.window("deaf")
        assert not await watch.call(lambda d: actions.ask_to_close(d, window.id))
        assert (await watch.observer.refresh()).window(window.id)


async def test_a_program_may_answer_with_a_dialog(shared, watch):
    async with window_on(shared, "--managed", "--title", "unsaved", "--dialog-on-delete"):
        window = await watch.window("unsaved")
        assert await watch.call(lambda d: actions.ask_to_close(d, window.id))
        dialog = await watch.window("Save changes?")
        assert dialog.transient_for == window.id


@pytest.mark.parametrize("argv", [("xeyes",), ("glxgears",)], ids=lambda argv: argv[0])
async def test_an_x_client_is_killed_by_its_base(shared, watch, argv):
    async with program_on(shared, *argv) as program:
        window = await watch.window(argv[0])
        assert await watch.call(lambda d: actions.kill_x_client(d, window.client))
        await watch.empty()
        await asyncio.wait_for(program.process.wait(), 10)
        assert not await watch.call(lambda d: actions.kill_x_client(d, window.client))


async def test_an_x_client_without_a_shown_window_is_killed_by_its_base(shared, watch):
    async with window_on(shared, "--managed", "--title", "hides") as program:
        base = (await watch.window("hides")).client
        await program.do("hide")
        await watch.empty()
        assert await watch.call(lambda d: actions.kill_x_client(d, base))
        assert await asyncio.wait_for(program.process.wait(), 10) == 1


async def test_neither_the_server_nor_we_are_killed_by_our_base(watch):
    own = await watch.call(lambda d: d.display.info.resource_id_base)
    for base in (0, own):
        assert not await watch.call(lambda d, base=base: actions.kill_x_client(d, base))


@pytest.mark.parametrize(
    "action",
    [
        actions.activate,
        actions.minimise,
        actions.restore,
        actions.maximise,
        actions.ask_to_close,
        actions.kill_client,
        lambda d, window_id: actions.place(d, window_id, SCREEN),
    ],
    ids=["activate", "minimise", "restore", "maximise", "ask_to_close", "kill_client", "place"],
)
async def test_a_window_that_has_gone(shared, watch, action):
    async with window_on(shared, "--managed", "--title", "gone") as program:
        window = await watch.window("gone")
        program.process.kill()
        await watch.empty()
        with pytest.raises(WindowGoneError, match="it is not there any more"):
            await watch.call(lambda d: action(d, window.id))
        assert await watch.call(lambda d: actions.tile(d, [window.id])) == ()


async def test_place_gives_the_frame_its_place(shared, watch):
    async with window_on(shared, "--managed", "--title", "placed"):
        window = await watch.window("placed")
        await watch.call(lambda d: actions.maximise(d, window.id))
        await watch.window("placed", lambda w: w.maximised)
        wanted = Geometry(100, 50, 640, 480)
        await watch.call(lambda d: actions.place(d, window.id, wanted))
        await eventually(lambda: watch.call(lambda d: frame(d, window.id) == wanted))
        await watch.window("placed", lambda w: not w.maximised)


async def test_tiled_windows_share_the_screen(shared, watch):
    async with (
        window_on(shared, "--managed", "--title", "a") as first,
        window_on(shared, "--managed", "--title", "b"),
        window_on(shared, "--managed", "--title", "c"),
        program_on(shared, "glxgears"),
        window_on(shared, "--managed", "--title", "away"),
    ):
        await first.do("dialog question")
        away, question = await watch.window("away"), await watch.window("question")
        gears = await watch.window("glxgears")
        await watch.call(lambda d: actions.minimise(d, away.id))
        await watch.window("away", lambda w: w.minimised)
        await watch.call(lambda d: actions.maximise(d, gears.id))
        await watch.window("glxgears", lambda w: w.maximised)

        everything = [w.id for w in watch.scene.windows]
        tiled = await watch.call(lambda d: actions.tile(d, everything))
        assert set(tiled) == set(everything) - {away.id, question.id}
        wanted = {Geometry(x, y, 800, 450) for x in (0, 800) for y in (0, 450)}

        async def laid_out():
            return {await watch.call(lambda d, i=i: frame(d, i)) for i in tiled} == wanted

        await eventually(laid_out)
        assert (await watch.window("question")).geometry == question.geometry
        assert (await watch.window("away")).minimised


async def test_no_window_to_tile(watch):
    assert await watch.call(lambda d: actions.tile(d, [])) == ()

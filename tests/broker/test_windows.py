"""Windows of all kinds of programs belong to their apps, and do what the API tells them."""

import asyncio
import contextlib
import re
from typing import Any

import pytest
import pytest_asyncio

from tests.broker.desk import XPROGRAM
from tests.support import eventually, running_daemon

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSE_SECONDS = 0.4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory):
    """A desktop on which programs must close fast."""
    settings: Any = {"VIZPROXY_BROKER_CLOSE_TIMEOUT": f"{CLOSE_SECONDS}s"}
    async with running_daemon(tmp_path_factory.mktemp("windows"), **settings) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def tk(tmp_path_factory):
    """A Tk program. It tells neither process nor machine, unless it is told to."""
    script = tmp_path_factory.mktemp("tk") / "paint.tcl"
    script.write_text(
        'wm title . "Tk window"; wm geometry . 300x200+50+50; pack [button .b -text x]'
    )
    return ("wish", str(script))


def stacking(desk):
    """The windows from the lowest to the topmost, as the window manager tells."""
    with desk.display() as display:
        atom = display.get_atom("_NET_CLIENT_LIST_STACKING")
        return [f"{n:#x}" for n in display.screen().root.get_full_property(atom, 0).value]


def overlap(one, other):
    a, b = one["geometry"], other["geometry"]
    return (
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    )


# whose they are


async def test_programs_of_all_kinds_belong_to_their_leases(desk, tk):
    kinds = {
        "gears": (("glxgears",), "glxgears"),
        "clock": (("xclock",), "xclock"),
        "eyes": (("xeyes",), "xeyes"),
        "tk": (tk, "Tk window"),
        "forks": (("sh", "-c", "xlogo & wait"), "xlogo"),
        "silent": ((*XPROGRAM, "--title", "silent", "--no-pid"), "silent"),
    }
    async with contextlib.AsyncExitStack() as stack:
        for name, (argv, _) in kinds.items():
            await stack.enter_async_context(desk.running(*argv, options=("--name", name)))
        for name, (_, title) in kinds.items():
            app = await desk.app(name, lambda app: app["windows"])
            assert (app["leased"], app["state"], app["plan"]) == (True, "running", "software")
            window = await desk.window(title)
            assert window["app"] == app["id"]
            assert [window["id"]] == app["windows"]
        assert len(await desk.apps()) == len(await desk.windows()) == len(kinds)
        forked = await desk.app("forks")
        await desk.run("apps", "stop", forked["id"])


@pytest.mark.slow
async def test_a_program_that_was_merely_started_is_adopted(desk):
    async with desk.plain("xclock", "-geometry", "150x150") as program:
        app = await desk.app("xclock", lambda app: app["framebuffer"]["pixmap_bytes"])
        assert (app["leased"], app["plan"], app["state"]) == (False, None, "running")
        assert app["pids"] == [program.process.pid]
        assert app["framebuffer"]["granted"] == 128 * 1024**2, "its allowance is the usual share"
        assert app["framebuffer"]["pixmap_bytes"] == desk.pixmap_bytes(app["windows"][0])
        window = await desk.window("xclock")
        assert (window["app"], window["class"]) == (app["id"], "XClock")
        listed = await desk.run("apps")
        assert re.search(rf"^{app['id']} +running +no lease ", listed.out, re.MULTILINE)
        assert (await desk.run("apps", "stop", app["id"])).code == 0
        async with asyncio.timeout(5):
            await program.process.wait()


@pytest.mark.slow
async def test_two_of_a_kind_are_told_apart(desk):
    async with desk.shown("one"), desk.shown("two"), desk.plain(*XPROGRAM, "--title", "three"):
        third = await desk.window("three")
        apps = {app["id"]: app for app in await desk.apps()}
        assert len(apps) == 3
        for title in ("one", "two", "three"):
            window = await desk.window(title)
            assert apps[window["app"]]["windows"] == [window["id"]]
        assert not apps[third["app"]]["leased"]


@pytest.mark.slow
async def test_all_windows_of_an_app(desk):
    async with desk.shown("main", "--place", "300x200+10+10") as (program, app):
        await program.do("dialog Settings")
        dialog = await desk.window("Settings", lambda window: window["dialog"])
        assert dialog["app"] == app["id"]
        now = await desk.app("main", lambda app: len(app["windows"]) == 2)
        main = await desk.window("main")
        assert now["windows"] == [main["id"], dialog["id"]], "in mapping order"
        assert not main["dialog"]


# what is done to them


async def test_raising_minimising_and_restoring(desk):
    place = ("--place", "300x200+100+100")
    async with desk.shown("below", *place), desk.shown("above", *place):
        below, above = await desk.window("below"), await desk.window("above")
        assert stacking(desk) == [below["id"], above["id"]]
        raised = await desk.post(f"windows/{below['id']}/raise")
        assert raised["id"] == below["id"]
        await desk.window("below", lambda window: window["active"])
        assert stacking(desk) == [above["id"], below["id"]]

        minimised = await desk.post(f"windows/{below['id']}/minimise")
        assert minimised["minimised"]
        with desk.display() as display:
            window = display.create_resource_object("window", int(below["id"], 16))
            assert window.get_wm_state().state == 3, "iconic"
        restored = await desk.post(f"windows/{below['id']}/restore")
        assert not restored["minimised"]
        assert restored["geometry"] == below["geometry"]

        await desk.post(f"windows/{above['id']}/minimise")
        await desk.post(f"apps/{above['app']}/raise")
        await desk.window("above", lambda window: window["active"] and not window["minimised"])
        assert stacking(desk)[-1] == above["id"]


@pytest.mark.slow
async def test_maximising_and_tiling(desk):
    async with contextlib.AsyncExitStack() as stack:
        for name in ("one", "two", "three"):
            await stack.enter_async_context(desk.shown(name, "--place", "300x200+100+100"))
        one = await desk.window("one")
        maximised = await desk.post(f"windows/{one['id']}/maximise")
        assert maximised["maximised"]
        size = maximised["geometry"]
        assert size["width"] >= 1590
        assert size["height"] >= 850
        with desk.display() as display:
            window = display.create_resource_object("window", int(one["id"], 16))
            seen = window.get_geometry()
            assert (seen.width, seen.height) == (size["width"], size["height"])
        restored = await desk.post(f"windows/{one['id']}/restore")
        assert not restored["maximised"]
        assert restored["geometry"] == one["geometry"]

        await desk.post(f"windows/{one['id']}/maximise")
        await desk.post("windows/tile")

        async def tiled():
            found = await desk.windows()
            assert not any(window["maximised"] for window in found)
            for number, window in enumerate(found):
                assert not any(overlap(window, other) for other in found[number + 1 :])
            sizes = [window["geometry"] for window in found]
            return sum(size["width"] * size["height"] for size in sizes) > 0.85 * 1600 * 900

        await eventually(tiled)


# closing


async def test_closing_a_polite_window(desk):
    async with desk.shown("polite") as (program, app):
        answer = await desk.post(f"windows/{app['windows'][0]}/close")
        assert answer == {"outcome": "closed"}
        assert await program.rest() == "delete\n", "it was asked"
        async with asyncio.timeout(5):
            assert await program.process.wait() == 0


async def test_a_window_that_ignores_the_request_is_killed(desk):
    async with desk.shown("stubborn", "--ignore-delete") as (program, app):
        started = asyncio.get_running_loop().time()
        answer = await desk.post(f"windows/{app['windows'][0]}/close")
        assert asyncio.get_running_loop().time() - started >= CLOSE_SECONDS
        assert answer == {"outcome": "killed"}
        assert await program.rest() == "delete\n"
        async with asyncio.timeout(5):
            assert await program.process.wait() == 1


@pytest.mark.slow
async def test_a_window_that_does_not_know_the_request_is_killed_at_once(desk):
    async with desk.shown("ignorant", "--no-delete") as (program, app):
        answer = await desk.post(f"windows/{app['windows'][0]}/close")
        assert answer == {"outcome": "killed"}
        assert await program.rest() == ""
        async with asyncio.timeout(5):
            assert await program.process.wait() == 1


async def test_a_program_that_asks_back_is_left_alone_until_forced(desk):
    async with desk.shown("unsaved", "--dialog-on-delete") as (program, app):
        answer = await desk.post(f"windows/{app['windows'][0]}/close", {"force": False})
        assert answer == {"outcome": "asking"}
        await desk.window("Save changes?", lambda window: window["dialog"])
        assert program.process.returncode is None
        answer = await desk.post(f"windows/{app['windows'][0]}/close", {"force": True})
        assert answer == {"outcome": "killed"}
        async with asyncio.timeout(5):
            await program.process.wait()


@pytest.mark.slow
async def test_tk_closes_politely(desk, tk):
    async with desk.running(*tk, options=("--name", "tk")) as program:
        window = await desk.window("Tk window")
        assert await desk.post(f"windows/{window['id']}/close") == {"outcome": "closed"}
        async with asyncio.timeout(5):
            assert await program.process.wait() == 0


# mistakes


@pytest.mark.parametrize("action", ["raise", "minimise", "restore", "maximise", "close"])
async def test_a_window_that_is_gone(desk, action):
    for number in ("0x1", "0x7fffffff", "0xFFFFFFFF"):
        status, answer = await desk.ask("POST", f"windows/{number}/{action}")
        assert (status, answer["code"]) == (404, "window_gone")
        assert number.lower() in answer["message"]


async def test_bad_ids_and_bodies(desk):
    for number in (
        "x",
        "0x",
        "0x0",
        "16",
        "0x100000000",
        "-0x1",
        "0x1_0",
        "0x%20",
        "é",
        "0x" + "f" * 99,
    ):
        status, answer = await desk.ask("POST", f"windows/{number}/raise")
        assert (status, answer["code"]) == (400, "invalid_request"), number
    bodies: list[object] = [[], "x", {"force": 1}, {"force": None}]
    for body in bodies:
        status, answer = await desk.ask("POST", "windows/0x1/close", body)
        assert (status, answer["code"]) == (400, "invalid_request"), body
    for method, path, wanted in (
        ("POST", "windows/0x1/dance", 404),
        ("GET", "windows/0x1/raise", 405),
        ("GET", "apps/nobody-1", 404),
        ("DELETE", "apps/nobody-1", 404),
        ("POST", "apps/nobody-1/raise", 404),
    ):
        status, answer = await desk.ask(method, path)
        assert status == wanted, path
        assert answer["code"] in {"no_such_app", "not_found", "method_not_allowed"}


@pytest.mark.slow
async def test_a_window_that_goes_away_in_the_middle(desk):
    """Whatever order things happen in, the answer is one of those that are told of."""
    async with desk.shown("brief", "--place", "300x200+100+100") as (program, app):
        window = app["windows"][0]
        actions = ("raise", "minimise", "maximise", "restore", "raise")
        asked = [
            asyncio.create_task(desk.ask("POST", f"windows/{window}/{action}"))
            for action in actions
        ]
        program.process.kill()
        for status, answer in await asyncio.gather(*asked):
            assert status == 200 or (status, answer["code"]) == (404, "window_gone"), answer

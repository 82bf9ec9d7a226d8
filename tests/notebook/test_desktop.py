"""What a notebook can do with a desktop.

Every test runs in an event loop, as a notebook's cells do.
"""

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.broker.desk import XPROGRAM, Desk, desk_with, kill_all
from tests.support import ROOT, eventually, running_daemon
from vizproxy import Desktop
from vizproxy.errors import NoSuchAppError, NotRunningError, WindowGoneError
from vizproxy.notebook import App, AppFailedError, Screenshot, TookTooLongError, Window

pytestmark = pytest.mark.asyncio(loop_scope="module")

IN_A_SCRIPT = """
from vizproxy import Desktop

desktop = Desktop()
app = desktop.run("sleep 600", name="from a script")
print(app.state, len(desktop.apps), desktop.status.ready, desktop.screenshot().png[1:4])
desktop.stop(app)
"""

INTERRUPTED = """
from vizproxy import Desktop

desktop = Desktop()
print("waiting", flush=True)
try:
    desktop.wait_for_end("{app}")
except KeyboardInterrupt:
    print("interrupted", [app.id for app in desktop.apps])
"""


def shown(desktop, title, *arguments, **options):
    """Run ``tests.xprogram`` and wait for its window."""
    argv = (*XPROGRAM, "--title", title, *arguments)
    app = desktop.run(argv, name=title, cwd=ROOT, **options)
    return app, desktop.wait_for_window(app)


# one after the other


async def test_a_program_from_its_start_to_its_end(desktop):
    app, window = shown(desktop, "Brain Scan", framebuffer="12MiB", plan="software")
    assert app.id.startswith("brain-scan-")
    assert (app.name, app.plan, app.framebuffer.granted) == ("Brain Scan", "software", 12 * 1024**2)
    assert (window.app, window.title, window.width, window.height) == (
        *(app.id, "Brain Scan"),
        *(200, 100),
    )
    (listed,) = desktop.apps
    assert (listed.id, listed.state, listed.windows) == (app.id, "running", (window.id,))
    assert (listed.started.tzinfo, listed.started) == (app.started.tzinfo, app.started)
    assert [listed.id for listed in desktop.windows] == [window.id]
    desktop.stop(app)
    assert (desktop.apps, desktop.windows) == ([], [])
    desktop.stop(app)  # a cell may be run again


async def test_the_front(desktop):
    first, _ = shown(desktop, "first")
    second, window = shown(desktop, "second")

    async def active(title):
        async def check():
            return [w.title for w in desktop.windows if w.active] == [title]

        await eventually(check, of=lambda: desktop.windows)

    for target, title in ((first, "first"), (window, "second"), (first.id, "first")):
        desktop.show(target)
        await active(title)
    desktop.show(window.id)
    await active("second")
    desktop.stop(first)
    desktop.stop(second.id)
    with pytest.raises(NoSuchAppError, match=r"try one of `desktop\.apps`"):
        desktop.show(first)
    with pytest.raises(WindowGoneError, match="not there any more"):
        desktop.show(window)


async def test_a_picture_of_what_is_there(desktop, tmp_path):
    place = ("--place", "300x200+0+0")
    app, _ = shown(desktop, "green", "--colour", "00ff00", *place)

    async def check():
        pixels = np.asarray(desktop.screenshot().image)
        return (pixels == (0, 255, 0)).all(axis=2).sum() >= 300 * 200

    await eventually(check)
    shot = desktop.screenshot()
    assert (shot.width, shot.height) == shot.image.size == desktop.status.size
    assert shot.save(tmp_path / "shot.png").read_bytes() == shot.png
    desktop.stop(app)


async def test_how_the_desktop_does(desktop):
    status = desktop.status
    assert (status.state, status.ready, status.plan, status.warnings) == (
        *("ready", True, "software"),
        (),
    )
    assert status.size == (1600, 900)
    assert status.framebuffer.total == 2 * 1024**3
    assert repr(status) == ("<Status: the desktop is ready (plan software, 1600x900, 0 viewers)>")


async def test_where_and_with_what_a_program_is_started(desktop, tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "as it is")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for name in ("random.py", "signal.py", "vizproxy.py"):  # which any notebook may have beside it
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    app = desktop.run(
        ["sh", "-c", "pwd > found; env >> found; exec sleep 600", "an argument"],
        cwd=tmp_path,
        env={"ADDED": "a b"},
    )
    where, *found = (tmp_path / "found").read_text().splitlines()
    env = dict(line.partition("=")[::2] for line in found)
    assert where == str(tmp_path)
    assert (env["KEPT"], env["ADDED"]) == ("as it is", "a b")
    assert env["DISPLAY"] == desktop.status.display
    assert "MPLBACKEND" not in env, "its plots are to be windows"
    desktop.stop(app)


async def test_a_command_is_split_without_a_shell(desktop, tmp_path):
    app = desktop.run(
        "sh -c 'printf %s, \"$@\" > words; exec sleep 600' sh 'a b' $HOME *", cwd=tmp_path
    )
    assert (tmp_path / "words").read_text() == "a b,$HOME,*,"
    desktop.stop(app)


# waiting


async def test_waiting_for_somebody_to_close_it(desk, desktop, async_desktop):
    app, window = shown(desktop, "to be closed")
    ending = asyncio.create_task(async_desktop.wait_for_end(app))
    await desk.post(f"windows/{window.id}/close")
    async with asyncio.timeout(10):
        await ending
    desktop.wait_for_end(app)  # it has ended: that was to be waited for
    with pytest.raises(NoSuchAppError, match=r"cannot wait for a window of .*: it has ended"):
        desktop.wait_for_window(app)


async def test_a_program_that_has_done_its_work(desktop):
    """Such as one that hands its file to another one of its kind, which runs already."""
    app = desktop.run("true")
    desktop.wait_for_end(app)
    assert desktop.apps == []


async def test_a_program_that_fails(desktop):
    """It depends on the machine's load whether its start or the wait for its window tells so."""
    with pytest.raises(AppFailedError) as failure:
        desktop.wait_for_window(desktop.run(["sh", "-c", "seq 30; echo the cause >&2; exit 4"]))
    assert len(failure.value.output) == 20
    assert failure.value.output[-2:] == ("30", "the cause")
    text = str(failure.value)
    assert "sh-" in text
    assert "exited with status 4. Its last output:\n    12\n" in text
    assert text.endswith("\n    the cause")


async def test_a_program_that_fails_later(desktop, tmp_path):
    app = desktop.run(["sh", "-c", "read go < pipe; exit 3"], cwd=_with_pipe(tmp_path))
    waiting = asyncio.create_task(asyncio.to_thread(desktop.wait_for_end, app))
    await asyncio.to_thread((tmp_path / "pipe").write_text, "go\n")
    with pytest.raises(AppFailedError, match=r"exited with status 3; try it in a terminal"):
        await waiting


async def test_what_takes_too_long(desktop):
    app = desktop.run("sleep 600")
    for wait in (desktop.wait_for_window, desktop.wait_for_end):
        with pytest.raises(TookTooLongError, match=r"took more than 0.1 s; try a longer `timeout`"):
            wait(app, timeout=0.1)
    with pytest.raises(TimeoutError):
        desktop.wait_for_end(app.id, timeout=0.1)
    desktop.stop(app)


@pytest.mark.slow
async def test_a_program_that_does_not_want_to_end(tmp_path):
    async with desk_with(tmp_path, close_timeout="1s") as desk:
        desktop = Desktop(desk.socket)
        app = desktop.run(
            ["sh", "-c", "trap '' TERM; echo > ready; while :; do sleep 9; done"], cwd=tmp_path
        )

        async def ready():
            return (tmp_path / "ready").exists()

        await eventually(ready)
        with pytest.raises(TookTooLongError, match=f"cannot end {app.id}: "):
            desktop.stop(app, timeout=0.1)
        assert [app.state for app in desktop.apps] == ["stopping"]
        desktop.stop(app)
        assert desktop.apps == []


async def test_the_desktop_ends_meanwhile(tmp_path):
    async with running_daemon(tmp_path) as daemon:
        desktop = Desktop(daemon.socket)
        app = desktop.run("sleep 600")

        async def connected(number):
            sockets = psutil.Process(daemon.pid).net_connections("unix")
            return [str(s.laddr) for s in sockets].count(str(daemon.socket)) == number

        try:
            await eventually(lambda: connected(2))  # it listens, also to the app's keeper
            waiting = asyncio.create_task(asyncio.to_thread(desktop.wait_for_end, app))
            await eventually(lambda: connected(3))
            async with asyncio.timeout(20):
                await daemon.end(signal.SIGKILL)
                with pytest.raises(NotRunningError, match="closed the connection"):
                    await waiting
            with pytest.raises(NotRunningError, match="the daemon there is dead"):
                desktop.run("true")
        finally:
            kill_all(Desk(daemon).processes())


# together with others


async def test_the_same_for_whoever_can_wait(async_desktop):
    argv = (*XPROGRAM, "--title", "window")
    apps = await asyncio.gather(
        *(async_desktop.run(argv, name=f"app {n}", cwd=ROOT) for n in range(3))
    )
    windows = await asyncio.gather(*(async_desktop.wait_for_window(app) for app in apps))
    assert [window.app for window in windows] == [app.id for app in apps]
    assert len(await async_desktop.apps()) == len(await async_desktop.windows()) == 3
    assert isinstance(await async_desktop.screenshot(), Screenshot)
    assert (await async_desktop.status()).ready
    await async_desktop.show(windows[0])
    await asyncio.gather(*(async_desktop.stop(app) for app in apps))
    assert await async_desktop.apps() == []


async def test_a_wait_that_is_cancelled(async_desktop):
    app = await async_desktop.run("sleep 600")
    waiting = asyncio.create_task(async_desktop.wait_for_end(app))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await waiting
    await async_desktop.stop(app)


async def test_several_threads(desktop):
    with ThreadPoolExecutor(8) as pool:
        shots = list(pool.map(lambda _: desktop.screenshot().width, range(8)))
        started = list(pool.map(lambda n: desktop.run("sleep 600", name=f"t{n}"), range(3)))
        assert shots == [1600] * 8
        assert {app.id for app in started} == {app.id for app in desktop.apps}
        list(pool.map(desktop.stop, started))


async def test_a_script_without_a_loop(desk):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-X", "dev", "-c", IN_A_SCRIPT),
        env=desk.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert out == b"starting 1 True b'PNG'\n"


async def test_an_interrupt(desk, desktop):
    app = desktop.run("sleep 600")
    script = INTERRUPTED.format(app=app.id)
    async with desk.started((sys.executable, "-c", script)) as program:
        assert await program.line() == "waiting"

        async def asked():
            return len([*Path(f"/proc/{program.process.pid}/task").iterdir()]) > 1

        await eventually(asked)
        program.process.send_signal(signal.SIGINT)
        assert await program.rest() == f"interrupted ['{app.id}']\n"
    desktop.stop(app)


def _with_pipe(directory):
    os.mkfifo(directory / "pipe")
    return directory


async def test_what_is_shown_in_a_list_is_what_was_returned(desktop):
    app, window = shown(desktop, "<b>bold</b>")
    assert isinstance(desktop.apps[0], App)
    assert isinstance(desktop.windows[0], Window)
    assert "&lt;b&gt;bold&lt;/b&gt;" in desktop.apps._repr_html_()
    assert "<td>&lt;b&gt;bold&lt;/b&gt;</td>" in desktop.windows._repr_html_()
    assert repr(window) == f"<Window {window.id} '<b>bold</b>': {app.id}, 200x100, active>"
    assert str(desktop.apps).splitlines()[1].startswith(f"{app.id}  <b>bold</b>  running  software")
    desktop.stop(app)

"""As in a Pod: apps live in another container, and share with the daemon three files, no more.

These are http.sock, the X server's socket and the cookie. A container is played by a PID namespace with
a /proc of its own. The daemon cannot see the processes there, nor can the X server tell their PIDs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.broker.desk import RUN, XPROGRAM, Desk
from tests.cli.running import VIZPROXY
from tests.support import eventually, running_daemon

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMESPACE = (
    *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--uts"),
    *("--fork", "--kill-child", "--mount-proc"),
)
# unshare(1) passes no signals on to its child.
FORWARD = """
"$@" & outer=$!
trap 'kill -TERM $(cat /proc/$outer/task/$outer/children)' TERM
until ! kill -0 $outer 2>/dev/null; do wait $outer; code=$?; done
exit $code
"""
# The numbers on which no other server looks: one in another namespace would take our lock for dead.
DISPLAY_NUMBER = 20000 + os.getpid() % 20000


def container(*argv: str, setup: str = "true") -> tuple[str, ...]:
    """A command in a container of its own, as the second process there."""
    return (*NAMESPACE, "sh", "-ec", f'{setup}; "$@"; exit $?', "sh", *argv)


@pytest.fixture(scope="module", autouse=True)
def permitted() -> None:
    tried = subprocess.run((*NAMESPACE, "true"), capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.fail(f"cannot make namespaces, which these tests need: {tried.stderr}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A desktop in a container."""
    directory = tmp_path_factory.mktemp("pod")
    command = ("sh", "-c", FORWARD, "sh", *NAMESPACE, *VIZPROXY)
    async with running_daemon(
        directory, command=command, VIZPROXY_DISPLAY_NUMBER=str(DISPLAY_NUMBER)
    ) as daemon:
        yield Desk(daemon)


@pytest_asyncio.fixture(loop_scope="module")
async def apart(pod: Desk) -> AsyncIterator[Desk]:
    """The desktop in its container; whatever a test starts on it must have ended with the test."""
    yield pod
    await pod.is_empty()


@pytest.fixture(scope="module")
def tk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Tk program that tells its process and machine, with a picture of 100x100 pixels."""
    script = tmp_path_factory.mktemp("tk") / "paint.tcl"
    script.write_text(
        'wm title . [lindex $argv 0]; wm client . [info hostname]; pack [button .b -text "x"]'
    )
    return script


@pytest.mark.slow
async def test_the_daemon_cannot_see_the_apps_processes(apart: Desk) -> None:
    async with apart.started(container(*RUN, *XPROGRAM)) as program:
        assert await program.line() == "shown"
        app = await apart.app(Path(sys.executable).name, lambda app: app["windows"])
        assert max(app["pids"]) < 20, "these are PIDs of the container"
        inside = [p.pid for p in apart.processes() if "tests.xprogram" in p.cmdline()]
        assert not set(inside) & set(app["pids"])


async def test_an_app_is_known_by_what_its_windows_tell(apart: Desk, tk: Path) -> None:
    paints = (*RUN, "--name", "bytes", "--", *XPROGRAM, "--pixmaps", "1000000")
    async with (
        apart.started(container(*RUN, "wish", str(tk), "From Tk")) as program,
        # Not the second process there, as the other is: see below.
        apart.started(container(*paints, setup="env true; env true; env true")),
    ):
        app = await apart.app("wish", lambda app: app["windows"])
        assert (app["leased"], app["state"]) == (True, "running")
        assert (await apart.window("From Tk"))["app"] == app["id"]
        other = await apart.app("bytes", lambda app: app["windows"])
        assert other["framebuffer"]["pixmap_bytes"] == 1_000_000
        assert other["framebuffer"]["pixmap_bytes"] == apart.pixmap_bytes(other["windows"][0])
        assert len(await apart.apps()) == 2
        stopped = await apart.run("apps", "stop", app["id"])
        assert stopped.code == 0
        assert await program.process.wait() == 128 + 15


async def test_a_program_that_tells_nothing_is_adopted(apart: Desk) -> None:
    async with apart.started(container(*RUN, "--name", "eyes", "xeyes")) as program:
        leased = await apart.app("eyes", lambda app: app["pids"])
        adopted = await apart.app("xeyes", lambda app: app["framebuffer"]["pixmap_bytes"])
        assert (adopted["leased"], adopted["pids"]) == (False, [])
        assert (leased["state"], leased["windows"]) == ("starting", [])
        assert (await apart.run("apps", "stop", leased["id"])).code == 0
        assert await program.process.wait() == 128 + 15


@pytest.mark.slow
@pytest.mark.parametrize("machines", [("here", "there"), ("same", "same")])
async def test_equal_pids_in_two_containers(
    apart: Desk, tk: Path, machines: tuple[str, str]
) -> None:
    """Host names tell them apart. Where those are equal, too, nobody gets the other's windows."""
    first, second = (
        container(*RUN, "--name", name, "wish", str(tk), name, setup=f"hostname {host}")
        for name, host in zip(("one", "two"), machines, strict=True)
    )
    async with apart.started(first), apart.started(second):
        apps = [await apart.app(name, lambda app: app["pids"]) for name in ("one", "two")]
        assert apps[0]["pids"] == apps[1]["pids"]
        ids = [app["id"] for app in apps]

        async def settled() -> bool:
            owners = [(await apart.window(name))["app"] for name in ("one", "two")]
            if machines[0] == machines[1]:
                return not set(owners) & set(ids)
            return owners == ids

        await eventually(settled)


@pytest.mark.slow
async def test_equal_pids_in_the_container_and_on_the_desktop_s_side(desk: Desk) -> None:
    """A program says that it is a process whose number has another app beside the daemon."""
    async with desk.shown("honest") as (program, app):
        script = f"""
import os, sys
import tests.xprogram as x
os.getpid = lambda: {program.process.pid}
sys.argv[1:] = ["--managed", "--title", "liar", "--class", "Liar"]
sys.exit(x.main())
"""
        run = container(*RUN, "--name", "liar", sys.executable, "-c", script)
        async with desk.started(run) as liar:
            assert await liar.line() == "shown"
            window = await desk.window("liar")
            assert window["app"] != app["id"]
            assert (await desk.app("honest"))["windows"] == app["windows"]


@pytest.mark.slow
async def test_a_container_below_the_daemon_s(desk: Desk, tk: Path) -> None:
    """The X server does tell PIDs then, but they are not those that the app's own side knows."""
    async with (
        desk.started(container(*RUN, "wish", str(tk), "Below")),
        desk.started(container(*RUN, "--name", "eyes", "xeyes")),
        desk.shown("beside") as (_, beside),
    ):
        app = await desk.app("wish", lambda app: app["windows"])
        assert app["leased"]
        assert (await desk.window("Below"))["app"] == app["id"]
        assert (await desk.window("beside"))["app"] == beside["id"]
        eyes = await desk.window("xeyes")
        owner = next(app for app in await desk.apps() if app["id"] == eyes["app"])
        assert owner["name"] in {"xeyes", "eyes"}
        stopped = await desk.run("apps", "stop", app["id"])
        assert stopped.code == 0


@pytest.mark.slow
async def test_the_runtime_directory_under_another_name(apart: Desk, tmp_path: Path) -> None:
    run = apart.daemon.directory
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    desk = Desk(apart.daemon, socket=elsewhere / "http.sock")
    setup = f"mount --bind {run} {elsewhere}; mount -t tmpfs none {run}"
    show = f"echo $XAUTHORITY; ls {run} | wc -l; exec {' '.join(XPROGRAM)}"
    command = container(*RUN, "--name", "moved", "sh", "-c", show, setup=setup)
    async with desk.started(command) as program:
        assert await program.line() == str(elsewhere / "Xauthority")
        assert await program.line() == "0", "the directory is not where the daemon has it"
        assert await program.line() == "shown"
        app = await desk.app("moved", lambda app: app["windows"])
        assert app["leased"]
    await desk.is_empty()


@pytest.mark.slow
async def test_without_the_cookie(apart: Desk, tmp_path: Path) -> None:
    only = tmp_path / "http.sock"
    only.touch()
    desk = Desk(apart.daemon, socket=only)
    run = apart.daemon.directory
    setup = f"mount --bind {run / 'http.sock'} {only}; mount -t tmpfs none {run}"
    async with desk.started(container(*RUN, "true", setup=setup)) as program:
        said = await program.rest()
        assert await program.process.wait() == 73
        assert said.startswith(f"vizproxy: cannot open the display: its cookie is neither {run}")
    await desk.is_empty()

"""``vizproxy-run`` as it is published, in a container that has nothing of what it needs."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.broker.desk import Desk
from tests.published.containers import Busybox, environment, with_mounts
from tests.support import eventually, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


async def has_published(desk: Desk) -> None:
    async def check() -> bool:
        return (desk.daemon.directory / "share" / "bin" / "vizproxy-run").exists()

    await eventually(check, of=desk.daemon.log.read_text)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_desk(
    tmp_path_factory: pytest.TempPathFactory, bundle: Path
) -> AsyncIterator[Desk]:
    """A desktop that has published the launcher."""
    directory = tmp_path_factory.mktemp("desk")
    async with running_daemon(directory, VIZPROXY_SHARE_SOURCE=str(bundle)) as daemon:
        desk = Desk(daemon)
        await has_published(desk)
        yield desk


@pytest.fixture
def busybox(shared_desk: Desk, tmp_path: Path) -> Busybox:
    # With a space, and not where the daemon has it.
    return Busybox(tmp_path / "root", shared_desk.daemon.directory, "/mnt/a place")


async def test_a_program_finds_nothing_of_the_launchers(
    shared_desk: Desk, busybox: Busybox
) -> None:
    own = ("HOME=/", "LD_LIBRARY_PATH=/own", "LD_PRELOAD=libown.so", "PYTHONHOME=/own", "A=b c")
    async with shared_desk.started(busybox.launched("env", environ=own), environment()) as program:
        told = (await program.rest()).splitlines()
        assert await program.process.wait() == 0, told
    shown = (await shared_desk.daemon.status())["environment"]
    assert {line for line in told if not line.startswith(("VIZPROXY_APP=", "PWD=", "SHLVL="))} == {
        *own,
        "PATH=/bin",
        f"DISPLAY={shown['DISPLAY']}",
        "XAUTHORITY=/mnt/a place/Xauthority",
        "VIZPROXY_SOCKET=/mnt/a place/http.sock",
    }


async def test_a_program_has_a_lease_and_takes_the_launchers_place(
    shared_desk: Desk, busybox: Busybox
) -> None:
    script = 'printf "[%s]" "$@"; echo; read line; echo $line; exit 7'
    command = busybox.launched(
        "--name", "in a box", "--", "sh", "-c", script, "sh", "a b", "", "$x"
    )
    async with shared_desk.started(command, environment()) as program:
        assert await program.line() == "[a b][][$x]"
        app = await shared_desk.app("in a box", lambda app: app["pids"])
        assert app["leased"]
        assert app["pids"] == [program.process.pid]
        assert program.process.stdin is not None
        program.process.stdin.write(b"typed\n")
        assert await program.line() == "typed"
        assert await program.process.wait() == 7
    await shared_desk.is_empty()


async def test_a_detached_program_and_sentences(shared_desk: Desk, busybox: Busybox) -> None:
    detached = busybox.launched("--detach", "sleep", "1000")
    told = subprocess.run(detached, env=environment(), capture_output=True, text=True, check=True)
    app = await shared_desk.app("sleep", lambda app: app["pids"])
    assert told.stdout == f"{app['id']}\n"
    assert (await shared_desk.run("apps", "stop", app["id"])).code == 0
    await shared_desk.is_empty()
    for arguments, code, sentence in (
        (["nonsense"], 127, "cannot run nonsense: there is no such program"),
        (["--framebuffer", "much", "true"], 2, "cannot use --framebuffer: "),
        (["--http-socket", "/none", "true"], 69, "cannot reach the desktop at /none: "),
    ):
        command = busybox.launched(*arguments)
        ended = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stdout) == (code, "")
        assert ended.stderr.startswith(f"vizproxy: {sentence}")


async def test_a_link_to_it_on_the_path(shared_desk: Desk, busybox: Busybox) -> None:
    (busybox.root / "bin" / "run").symlink_to(f"{busybox.share}/bin/vizproxy-run")
    command = busybox.command("run", "sh", "-c", "echo $VIZPROXY_SOCKET")
    async with shared_desk.started(command, environment()) as program:
        assert await program.line() == "/mnt/a place/http.sock"


async def test_it_is_the_named_desktop_if_one_is_named(shared_desk: Desk, busybox: Busybox) -> None:
    command = busybox.launched("true", environ=("VIZPROXY_SOCKET=/another.sock",))
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 69
    assert "cannot reach the desktop at /another.sock" in ended.stderr


async def test_a_container_with_glibc_draws_by_the_published_virtualgl(
    tmp_path: Path, bundle: Path
) -> None:
    if not Path("/opt/VirtualGL").is_dir():
        pytest.skip("VirtualGL is not installed in /opt (https://virtualgl.org)")
    source = str(bundle)
    async with running_daemon(
        tmp_path, VIZPROXY_DISPLAY_GPU_DRIVER="dummy", VIZPROXY_SHARE_SOURCE=source
    ) as daemon:
        desk = Desk(daemon)
        await has_published(desk)
        launcher = daemon.directory / "share" / "bin" / "vizproxy-run"
        command = with_mounts("mount -t tmpfs none /opt", launcher, "glxinfo")
        async with desk.started(command, environment()) as program:
            told = await program.rest(limit=30)
            assert await program.process.wait() == 0, told
        assert "client glx vendor string: VirtualGL" in told
        assert "OpenGL renderer string: llvmpipe" in told
        await desk.is_empty()

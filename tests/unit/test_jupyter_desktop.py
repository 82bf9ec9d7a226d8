"""A Jupyter server with a desktop of its own, and how that ends."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import children_of, eventually, own_display
from tests.unit.jupyting import BASE, Server, jupyter_server

pytestmark = pytest.mark.slow


@pytest.fixture
def runtime() -> Iterator[Path]:
    """The user's runtime directory, with a path that is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="vizproxy-test-") as directory:
        yield Path(directory)


async def desktop_up(server: Server) -> dict[str, object]:
    async def up() -> dict[str, object] | None:
        asked = "desktop/api/v1/status"
        async with server.session() as session, session.get(asked) as response:
            status: dict[str, object] = await response.json()
            return status if status.get("state") == "ready" else None

    return await eventually(up, timeout=30.0, of=server.log.read_text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_however_the_server_ends_nothing_is_left(
    tmp_path: Path, runtime: Path, number: signal.Signals
):
    environ = {"XDG_RUNTIME_DIR": str(runtime), **own_display()}
    async with jupyter_server(tmp_path / "j", environ) as server:
        await desktop_up(server)
        (directory,) = runtime.glob("vizproxy-jupyter-*")
        assert directory.name == f"vizproxy-jupyter-{server.process.pid}"
        children = children_of(server.process.pid)
        assert {"Xorg", "x11vnc"} <= {child.name() for child in children}
        server.process.send_signal(number)
        async with asyncio.timeout(10.0):
            await server.process.wait()

        async def gone() -> bool:
            assert [child for child in children if child.is_running()] == []
            return not directory.exists()

        await eventually(gone)


async def test_servers_of_one_user_have_desktops_of_their_own(tmp_path: Path, runtime: Path):
    shared = {"XDG_RUNTIME_DIR": str(runtime)}
    async with (
        jupyter_server(tmp_path / "a", {**shared, **own_display()}) as first,
        jupyter_server(tmp_path / "b", {**shared, **own_display()}) as second,
    ):
        displays = set()
        for server in (first, second):
            await desktop_up(server)

            async def display(server: Server = server) -> str | None:
                told = await server.in_terminal("echo is:$DISPLAY:$VIZPROXY_PAGE")
                shown = told.rpartition("is:")[2].partition(f":{BASE}/desktop/")[0]
                return shown if shown.startswith(":") else None

            displays.add(await eventually(display, timeout=20.0))
        assert len(displays) == 2
        assert len(list(runtime.glob("vizproxy-jupyter-*"))) == 2


async def test_a_killed_daemon_is_started_again(tmp_path: Path, runtime: Path):
    environ = {"XDG_RUNTIME_DIR": str(runtime), **own_display()}
    async with jupyter_server(tmp_path / "j", environ) as server:
        await desktop_up(server)
        (daemon,) = (
            c for c in psutil.Process(server.process.pid).children() if "serve" in c.cmdline()
        )
        daemon.kill()

        async def another() -> bool:
            return "was killed by SIGKILL" in server.log.read_text()

        await eventually(another)
        await desktop_up(server)
        assert server.tracebacks() == []
    assert list(runtime.glob("vizproxy-jupyter-*")) == []


async def test_one_that_is_started_with_its_tile_is_not_started_before(
    tmp_path: Path, runtime: Path
):
    environ = {
        "XDG_RUNTIME_DIR": str(runtime),
        "VIZPROXY_JUPYTER_START": "tile",
        **own_display(),
    }
    async with jupyter_server(tmp_path / "j", environ) as server:
        await server.in_terminal("true")
        assert list(runtime.glob("vizproxy-jupyter-*")) == []
        person = server.session(Accept="text/html")
        async with person as session, session.get("desktop/") as response:
            assert "The desktop is starting" in await response.text()
        await desktop_up(server)


async def test_a_display_of_ones_own_stays_the_terminals(tmp_path: Path, runtime: Path):
    environ = {"XDG_RUNTIME_DIR": str(runtime), "DISPLAY": "localhost:10.0", **own_display()}
    async with jupyter_server(tmp_path / "j", environ) as server:
        await desktop_up(server)
        assert "is:localhost:10.0:" in await server.in_terminal("echo is:$DISPLAY:")
        assert server.log.read_text().count("DISPLAY is localhost:10.0 already") == 1

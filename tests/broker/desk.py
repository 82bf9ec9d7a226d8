"""A desktop with apps on it, as the broker's tests see it: by the API, the processes and X itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from Xlib.display import Display

from tests.cli.running import VIZPROXY, Ended, environment
from tests.support import ROOT, Daemon, Program, eventually, running_daemon

Json = dict[str, Any]

MIB = 1024**2
PIPE = subprocess.PIPE
XPROGRAM = (sys.executable, "-m", "tests.xprogram", "--managed")
RUN = (*VIZPROXY, "run")


def anything(_: Json) -> bool:
    """Whatever it is."""
    return True


@dataclass(frozen=True)
class XClient:
    """An X client as the X server tells of it, when a test asks by itself."""

    pid: int
    pixmap_bytes: int


class Desk:
    """A running daemon, and who uses it.

    Everything that is started here knows the daemon's socket by its environment, as do the keepers
    and whatever else is forked: :meth:`processes` finds them by that.
    """

    def __init__(self, daemon: Daemon, *, socket: Path | None = None) -> None:
        self.daemon = daemon
        self.socket = socket or daemon.socket

    # the API

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Json]:
        """Make a request; return the status and what is answered."""
        async with (
            self.daemon.session() as session,
            session.request(method, f"api/v1/{path}", json=body) as response,
        ):
            return response.status, await response.json()

    async def get(self, path: str) -> Json:
        return (await self.ask("GET", path))[1]

    async def post(self, path: str, body: object = None) -> Json:
        """Make a request that is granted."""
        status, answer = await self.ask("POST", path, body)
        assert status == 200, answer
        return answer

    async def apps(self) -> list[Json]:
        found: list[Json] = (await self.get("apps"))["apps"]
        return found

    async def windows(self) -> list[Json]:
        found: list[Json] = (await self.get("windows"))["windows"]
        return found

    async def budget(self) -> Json:
        found: Json = (await self.get("apps"))["framebuffer"]
        return found

    async def app(
        self, name: str, seen: Callable[[Json], object] = anything, *, limit: float = 10
    ) -> Json:
        """Wait until there is one app of that name, of which ``seen`` holds."""
        last: list[Json] = []

        async def check() -> Json | None:
            nonlocal last
            last = await self.apps()
            named = [app for app in last if app["name"] == name]
            return named[0] if len(named) == 1 and seen(named[0]) else None

        return await eventually(check, timeout=limit, of=lambda: f"{name!r} wanted: {last}")

    async def window(
        self, title: str, seen: Callable[[Json], object] = anything, *, limit: float = 10
    ) -> Json:
        """Wait until there is one window of that title, of which ``seen`` holds."""
        last: list[Json] = []

        async def check() -> Json | None:
            nonlocal last
            last = await self.windows()
            titled = [window for window in last if window["title"] == title]
            return titled[0] if len(titled) == 1 and seen(titled[0]) else None

        return await eventually(check, timeout=limit, of=lambda: f"{title!r} wanted: {last}")

    async def until(self, seen: Callable[[list[Json]], object], *, limit: float = 10) -> list[Json]:
        """Wait until something holds of all apps; return them."""
        last: list[Json] = []

        async def check() -> bool:
            nonlocal last
            last = await self.apps()
            return bool(seen(last))

        await eventually(check, timeout=limit, of=lambda: last)
        return last

    async def notice(self, kind: str, app: str | None = None, *, limit: float = 10) -> Json:
        """Wait for a notice of a kind, about an app if it is told; return the latest."""

        async def check() -> Json | None:
            async with self.events() as events:
                first = await events.receive_json(timeout=5)
            found = [notice for notice in first["notices"] if notice["kind"] == kind]
            found = [notice for notice in found if app in (None, notice["app"])]
            return found[-1] if found else None

        return await eventually(check, timeout=limit, of=self.daemon.log.read_text)

    @contextlib.asynccontextmanager
    async def events(self, **options: Any) -> AsyncIterator[Any]:
        """A reader of the desktop's events."""
        async with (
            self.daemon.session() as session,
            session.ws_connect("api/v1/events", **options) as socket,
        ):
            yield socket

    async def is_empty(self, *, but: int = 0, limit: float = 10) -> None:
        """Wait until there is no app, no window, no grant and no process but the daemon's own.

        The process ``but`` may stay.
        """

        async def check() -> bool:
            answer = await self.get("apps")
            budget = answer["framebuffer"]
            assert not answer["apps"], answer["apps"]
            assert not await self.windows()
            assert (budget["granted"], budget["used"], budget["apps"]) == (0, 0, 0)
            return not [p for p in self.processes() if p.pid != but]

        await eventually(check, timeout=limit, of=self.processes)

    # processes

    def environment(self, **changed: str) -> dict[str, str]:
        """An environment that leads ``vizproxy`` to this daemon."""
        # With the module path: programs run by name, from any directory.
        paths = os.pathsep.join(dict.fromkeys([str(ROOT), *filter(None, sys.path)]))
        return environment(VIZPROXY_SOCKET=str(self.socket), PYTHONPATH=paths) | changed

    def processes(self) -> list[psutil.Process]:
        """Whatever was started for this daemon's desktop and lives: apps, keepers, their children."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get("VIZPROXY_SOCKET") == str(self.socket):
                    found.append(process)
            except (psutil.Error, OSError):
                continue  # it has ended
        return found

    def keepers(self) -> list[psutil.Process]:
        """The processes that hold the leases."""
        return [p for p in self.processes() if _is_keeper(p)]

    @contextlib.asynccontextmanager
    async def started(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, **options: Any
    ) -> AsyncIterator[Program]:
        """Any command; it is killed at the end."""
        usual = {"cwd": ROOT, "stdin": PIPE, "stdout": PIPE, "stderr": subprocess.STDOUT}
        process = await _execute(argv, env or self.environment(), usual | options)
        try:
            yield Program(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            async with asyncio.timeout(10):
                await process.communicate()

    def running(
        self, *argv: str, options: Sequence[str] = (), **changed: str
    ) -> contextlib.AbstractAsyncContextManager[Program]:
        """A program under ``vizproxy run``."""
        return self.started((*RUN, *options, "--", *argv), self.environment(**changed))

    @contextlib.asynccontextmanager
    async def shown(self, name: str, *arguments: str, options: Sequence[str] = ()) -> Any:
        """``tests.xprogram`` under ``vizproxy run``, from the moment that its window is known.

        Yields the program and its app.
        """
        argv = (*XPROGRAM, "--title", name, *arguments)
        async with self.running(*argv, options=("--name", name, *options)) as program:
            first = await program.line()
            assert first == "shown", first + (await program.rest())
            yield program, await self.app(name, lambda app: app["windows"])

    @contextlib.asynccontextmanager
    async def plain(self, *argv: str) -> AsyncIterator[Program]:
        """A program that is merely started with DISPLAY set."""
        env = {**self.environment(), **(await self.daemon.status())["environment"]}
        async with self.started(argv, env) as program:
            yield program

    async def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> Ended:
        """Run ``vizproxy`` to its end."""
        usual = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "stdout": PIPE, "stderr": PIPE}
        argv = (*VIZPROXY, *arguments)
        process = await _execute(argv, env or self.environment(), usual | options)
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return Ended(process.returncode, (out or b"").decode(), err.decode())

    # X itself

    @contextlib.contextmanager
    def display(self) -> Iterator[Display]:
        """An X connection of the test's own. Blocks: nobody else has anything to do meanwhile."""
        number = _display_of(self.daemon)
        before = os.environ.get("XAUTHORITY")
        os.environ["XAUTHORITY"] = str(self.daemon.directory / "Xauthority")
        try:
            display = Display(f":{number}")
        finally:
            if before is None:
                del os.environ["XAUTHORITY"]
            else:
                os.environ["XAUTHORITY"] = before
        try:
            yield display
        finally:
            display.close()

    def x_clients(self) -> dict[int, XClient]:
        """Every X client but the test's own, by its resource base, as X-Resource tells."""
        with self.display() as display:
            own = display.display.info.resource_id_base
            mask = display.display.info.resource_id_mask
            listed = [c.resource_base for c in display.res_query_clients().clients]
            found = {}
            for base in listed:
                if base in (0, own):
                    continue
                reply = display.res_query_client_ids([{"client": base, "mask": 2}])
                pids = [i.value[0] for i in reply.ids if i.spec.client & ~mask == base and i.value]
                counted = display.res_query_client_pixmap_bytes(base)
                size = counted.bytes + (counted.bytes_overflow << 32)
                found[base] = XClient(pids[0] if pids else 0, size)
            return found

    def pixmap_bytes(self, window: str) -> int:
        """The bytes of the pixmaps of the X client that a window belongs to."""
        with self.display() as display:
            return int(display.res_query_client_pixmap_bytes(int(window, 16)).bytes)


@contextlib.asynccontextmanager
async def desk_with(directory: Path, **settings: str) -> AsyncIterator[Desk]:
    """A desktop of a test's own, with settings of the broker's; it must be empty at the end."""
    environ: Any = {f"VIZPROXY_BROKER_{name.upper()}": text for name, text in settings.items()}
    async with running_daemon(directory, **environ) as daemon:
        desk = Desk(daemon)
        try:
            yield desk
            await desk.is_empty()
        finally:
            kill_all(desk.processes())


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """Kill what a failed test may have left."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


async def _execute(
    argv: Sequence[str], env: Mapping[str, str], options: dict[str, Any]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*argv, env=dict(env), **options)


def _is_keeper(process: psutil.Process) -> bool:
    try:
        command = process.cmdline()
        # A typed command that has not yet become its program is no session leader's child.
        return "vizproxy.cli.main" in command and process.ppid() != os.getpid()
    except psutil.Error:
        return False


def _display_of(daemon: Daemon) -> str:
    for line in daemon.log.read_text().splitlines():
        if ", then start any on :" in line:
            return line.rpartition(":")[2].strip()
    raise AssertionError(daemon.log.read_text())

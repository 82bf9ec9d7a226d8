"""What tests share: waiting for a condition, and a daemon to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import aiohttp
import psutil

from tests.rfb import RfbClient, watching

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent

POLL_SECONDS = 0.02

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
_display_numbers = itertools.count(1000 * (1 + int(WORKER.removeprefix("gw") or 0)))


def own_display() -> dict[str, str]:
    """The setting that keeps a daemon's display apart from those of tests that run beside it.

    Left to themselves, X servers take the first free number, which may be that of a server that
    another test has just killed and whose restart it awaits.
    """
    return {"VIZPROXY_DISPLAY_NUMBER": str(next(_display_numbers))} if WORKER else {}


def own_plan(settings: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The setting by which a daemon draws as on a machine without a GPU, whatever machine this is.

    There is none for a daemon whose GPU the dummy driver stands in for, by ``settings``, or that was
    told a plan.
    """
    told = {"VIZPROXY_DISPLAY_GPU_DRIVER", "VIZPROXY_DISPLAY_PLAN"}
    return {} if told & settings.keys() else {"VIZPROXY_DISPLAY_PLAN": "software"}


async def eventually(
    check: Callable[[], Awaitable[T | None]],
    *,
    timeout: float = 20.0,  # noqa: ASYNC109 - over many tries, not of one call
    of: Callable[[], object] = str,
) -> T:
    """Return the first true result of ``check``; fail when there is none within ``timeout``.

    An AssertionError or a connection error counts as "not yet". ``of`` describes what was last
    seen, for the failure. The one place in the tests that sleeps.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            last = result = await check()
            if result:
                return result
        except (AssertionError, OSError, aiohttp.ClientError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {last!r} {of()}")
        await asyncio.sleep(POLL_SECONDS)


def children_of(pid: int) -> list[psutil.Process]:
    """Every living descendant of a process."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@dataclass
class Daemon:
    """A ``vizproxy serve`` that a test started, and its runtime directory."""

    process: asyncio.subprocess.Process
    directory: Path
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def socket(self) -> Path:
        return self.directory / "http.sock"

    async def said(self, text: str) -> None:
        """Wait until something stands in the log, which is written after people are told."""

        async def check() -> bool:
            return text in self.log.read_text()

        await eventually(check, of=self.log.read_text)

    def session(self) -> aiohttp.ClientSession:
        """A client session whose every request goes to the daemon's socket."""
        return aiohttp.ClientSession(
            "http://vizproxy/", connector=aiohttp.UnixConnector(str(self.socket))
        )

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A session, from the moment that the daemon answers."""

        async def check() -> bool:
            async with session.get("healthz") as response:
                return response.status == 200

        async with self.session() as session:
            await eventually(check, of=self.log.read_text)
            yield session

    async def status(self) -> dict[str, Any]:
        async with self.session() as session, session.get("api/v1/status") as response:
            status: dict[str, Any] = await response.json()
            return status

    async def component(self, name: str) -> dict[str, Any]:
        return next(c for c in (await self.status())["components"] if c["name"] == name)

    async def ready(self) -> dict[str, Any]:
        """Wait until the whole desktop is ready; return its status."""

        async def check() -> dict[str, Any] | None:
            assert self.process.returncode is None, self.log.read_text()
            status = await self.status()
            return status if status["state"] == "ready" else None

        return await eventually(check, timeout=20, of=self.log.read_text)

    async def until(
        self, seen: Callable[[dict[str, Any]], object], *, limit: float = 15
    ) -> dict[str, Any]:
        """Wait for a status in which ``seen`` holds; return that status."""
        last: dict[str, Any] = {}

        async def check() -> dict[str, Any] | None:
            nonlocal last
            last = await self.status()
            return last if seen(last) else None

        return await eventually(check, timeout=limit, of=lambda: f"{last} {self.log.read_text()}")

    async def until_component(self, name: str, state: str, *, after: int = -1) -> dict[str, Any]:
        """Wait until a component is in a state, after more than so many restarts; return it."""

        def seen(status: dict[str, Any]) -> bool:
            found = part(status, name)
            return bool(found["state"] == state and found["restarts"] > after)

        return part(await self.until(seen), name)

    async def pids(self) -> dict[str, int]:
        """The PID of every component."""
        return {c["name"]: c["pid"] for c in (await self.status())["components"]}

    async def display_number(self) -> int:
        """The number of the desktop's display."""
        return int((await self.environment())["DISPLAY"].removeprefix(":"))

    @contextlib.asynccontextmanager
    async def viewer_socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A viewer's WebSocket, on which nothing has been said yet."""
        async with (
            self.session() as session,
            session.ws_connect("/websockify", protocols=("binary",)) as socket,
        ):
            yield socket

    @contextlib.asynccontextmanager
    async def viewer(self) -> AsyncIterator[RfbClient]:
        """A viewer of the desktop."""
        async with self.session() as session, watching(session) as client:
            yield client

    async def environment(self) -> dict[str, str]:
        """The environment in which a program appears on the desktop."""
        return {**os.environ, **(await self.status())["environment"]}

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the daemon by a signal and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until the daemon has ended and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), 20)


def part(status: dict[str, Any], name: str) -> dict[str, Any]:
    """The part of a status that is about one component."""
    return next(c for c in status["components"] if c["name"] == name)


class Program:
    """A program on the desktop, and the lines that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, *, limit: float = 10) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(limit):
            return (await self.process.stdout.readline()).decode().strip()

    async def do(self, command: str, *, limit: float = 10) -> None:
        """Have ``tests.xprogram`` carry out a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        while (line := await self.line(limit=limit)) != "done":
            assert line, f"the program ended at {command!r}"

    async def rest(self, *, limit: float = 10) -> str:
        """All that it prints until its end."""
        assert self.process.stdout is not None
        async with asyncio.timeout(limit):
            return (await self.process.stdout.read()).decode()


@contextlib.asynccontextmanager
async def program_on(daemon: Daemon, *argv: str, **environ: str) -> AsyncIterator[Program]:
    """Run any program on the desktop; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**await daemon.environment(), **environ},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield Program(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def window_on(daemon: Daemon, *arguments: str) -> AsyncIterator[Program]:
    """Run ``tests.xprogram`` on the desktop, from the moment that its window is shown."""
    argv = (sys.executable, "-m", "tests.xprogram", *arguments)
    async with program_on(daemon, *argv) as program:
        first = await program.line()
        assert first == "shown", first + (await program.rest())
        yield program


@contextlib.asynccontextmanager
async def running_daemon(
    directory: Path,
    *arguments: str,
    wait: bool = True,
    command: Sequence[str] = (sys.executable, "-m", "vizproxy.cli.main"),
    **environ: str,
) -> AsyncIterator[Daemon]:
    """Run ``vizproxy serve`` in ``directory``/run; check that it leaves no process behind."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *command,
            "serve",
            *("--runtime-dir", str(directory / "run")),
            *arguments,
            env={**os.environ, **own_display(), **own_plan(environ), **environ},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    daemon = Daemon(process, directory / "run", log)
    try:
        if wait:
            await daemon.ready()
        yield daemon
    finally:
        children = children_of(process.pid)
        await daemon.end()
        await gone(children)


async def gone(processes: list[psutil.Process]) -> None:
    """Wait until none of the processes lives; kill them and fail if one does."""

    async def check() -> bool:
        return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    def left() -> object:
        return [p for p in processes if p.is_running()]

    try:
        with contextlib.suppress(psutil.NoSuchProcess):
            await eventually(check, timeout=5, of=left)
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

"""What tests share: waiting for a condition, and a daemon to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import psutil

T = TypeVar("T")

POLL_SECONDS = 0.02


async def eventually(
    check: Callable[[], Awaitable[T]], *, timeout: float = 10.0, of: Callable[[], object] = str
) -> T:
    """Return the first true result of ``check``; fail when there is none within ``timeout``.

    An AssertionError or a connection error counts as "not yet". ``of`` describes what was last
    seen, for the failure. The one place in the tests that sleeps.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            if last := await check():
                return last
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

    def session(self) -> aiohttp.ClientSession:
        """A client session whose every request goes to the daemon's socket."""
        return aiohttp.ClientSession(
            "http://vizproxy/", connector=aiohttp.UnixConnector(str(self.socket))
        )

    async def status(self) -> dict[str, Any]:
        async with self.session() as session, session.get("api/v1/status") as response:
            return await response.json()

    async def component(self, name: str) -> dict[str, Any]:
        return next(c for c in (await self.status())["components"] if c["name"] == name)

    async def ready(self) -> dict[str, Any]:
        """Wait until the whole desktop is ready; return its status."""

        async def check() -> dict[str, Any] | None:
            assert self.process.returncode is None, self.log.read_text()
            status = await self.status()
            return status if status["state"] == "ready" else None

        return await eventually(check, timeout=20, of=self.log.read_text)

    async def environment(self) -> dict[str, str]:
        """The environment in which a program appears on the desktop."""
        return {**os.environ, **(await self.status())["environment"]}

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the daemon by a signal and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)


@contextlib.asynccontextmanager
async def running_daemon(
    directory: Path, *arguments: str, wait: bool = True, **environ: str
) -> AsyncIterator[Daemon]:
    """Run ``vizproxy serve`` in ``directory``/run; check that it leaves no process behind."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vizproxy.cli.main", "serve"),
            *("--runtime-dir", str(directory / "run")),
            *arguments,
            env={**os.environ, **environ},
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



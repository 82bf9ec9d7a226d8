"""A daemon as a child of the Jupyter server: its output, and its end in every case.

It leads a session of its own, so Ctrl-C in the server's terminal does not reach it. ``setpriv`` asks
the kernel to end it, politely, when the thread that started it is gone, so a server that is killed
leaves none behind; without ``setpriv`` only a server that ends by itself does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

MAX_LINE_BYTES: Final = 4096
OUTPUT_GRACE_SECONDS: Final = 0.5
"""How long the rest of the output is awaited after the end: a grandchild may hold the pipe."""

POLL_SECONDS: Final = 0.02

_HUMAN_LINE: Final = re.compile(
    r"\d\d:\d\d:\d\d\.\d{3} (?P<level>debug|info|warning|error|critical) +(?P<words>.*)"
)
_TROUBLE: Final = frozenset({"warning", "error", "critical"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the daemon's output: what it says, and whether somebody should look at it."""

    text: str
    trouble: bool


def read_line(raw: str) -> Line:
    """Read a line of the daemon's log, in either form, or something else that it printed."""
    if raw.startswith("{"):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(raw)
            who = entry.get("component", "vizproxy")
            return Line(f"{who}: {entry['message']}", entry["level"] in _TROUBLE)
    if match := _HUMAN_LINE.fullmatch(raw):
        who, _, words = match["words"].partition(" ")
        return Line(f"{who}: {words.strip()}", match["level"] in _TROUBLE)
    return Line(raw, trouble=False)


class Child(asyncio.SubprocessProtocol):
    """A running child. ``ended`` gets its exit status; ``line`` is called with what it prints."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._partial = b""
        self._transport: asyncio.SubprocessTransport | None = None
        self._closed = asyncio.Event()
        self.pid = 0
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        """Wait for its end and for what it said last; return the exit status."""
        status = await asyncio.shield(self.ended)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OUTPUT_GRACE_SECONDS):
                await self._closed.wait()
        self._close()
        return status

    async def stop(self, patience: float) -> None:
        """End it and all of its session: politely, then by force."""
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, patience)):
            if self.ended.done():
                break
            self._signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.shield(self.ended)
        self._close()

    def stop_now(self, patience: float) -> None:
        """The same, without an event loop. Blocks."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if _is_gone(self.pid):
                break
            self._signal(number)
            deadline = time.monotonic() + patience
            while not _is_gone(self.pid) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)  # it ends its own children

    # asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        del fd
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._tell(line)
        if len(self._partial) > MAX_LINE_BYTES:
            self._tell(self._partial)
            self._partial = b""

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del fd, exc
        self._tell(self._partial)
        self._partial = b""
        self._closed.set()

    def process_exited(self) -> None:
        self._signal(signal.SIGKILL)  # what is left of its session
        status = None if self._transport is None else self._transport.get_returncode()
        if not self.ended.done():
            self.ended.set_result(0 if status is None else status)

    def _tell(self, raw: bytes) -> None:
        text = raw[:MAX_LINE_BYTES].decode("utf-8", "replace").rstrip()
        text = "".join(
            c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text
        )
        if text:
            self._line(text)


async def spawn(
    argv: Sequence[str], environ: Mapping[str, str], line: Callable[[str], None]
) -> Child:
    """Start a child. What it prints to standard error is read; the rest is for a terminal.

    Raises:
        OSError: the program cannot be executed, or no process can be made.
    """
    _, child = await asyncio.get_running_loop().subprocess_exec(
        lambda: Child(line),
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environ),
        start_new_session=True,
    )
    return child


def with_death_signal(argv: Sequence[str], setpriv: str | None) -> tuple[str, ...]:
    """The command line that makes a child end with the thread that starts it."""
    return tuple(argv) if setpriv is None else (setpriv, "--pdeathsig", "TERM", "--", *argv)


def _is_gone(pid: int) -> bool:
    """Whether a child has ended, be it waited for or not."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True

"""One child process: its group, its output, its end.

A child leads a session and process group of its own, so that a signal to the group reaches all that
it forked and a Ctrl-C in the daemon's terminal reaches none of it. It is started through
util-linux's ``setpriv``, which asks the kernel to kill it when the daemon dies by whatever means
(``PR_SET_PDEATHSIG``, prctl(2)) and bars it from gaining privileges (``PR_SET_NO_NEW_PRIVS``).
``setpriv`` then execs the program: same PID, nothing left in between. The kernel ties the death
signal to the *thread* that spawned the child, hence :func:`spawn` belongs on the main thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from vizproxy.supervise.sharedmemory import remove_left_by

REPORT_FD: Final = "{report-fd}"
"""Placeholder in argv for the number of the descriptor on which the child reports (``-displayfd``)."""

TAIL_LINES: Final = 20
MAX_LINE_BYTES: Final = 4096
OUTPUT_GRACE_SECONDS: Final = 0.5
"""How long the end of a child's output is awaited once the child and its group are dead."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How to start one child.

    ``argv[0]`` is an absolute path or a name in ``env``'s PATH; nothing goes through a shell.
    ``creates`` are the files and sockets that the child makes; what a former run left of them is
    removed before a start.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    setpriv: str
    creates: tuple[Path, ...] = ()
    umask: int = 0o077

    @property
    def reports(self) -> bool:
        """Whether the child writes its readiness to a descriptor of its own."""
        return REPORT_FD in self.argv

    def command(self, report_fd: int | None) -> tuple[str, ...]:
        """The full command line, with the death signal armed and the descriptor filled in."""
        own = tuple(str(report_fd) if word == REPORT_FD else word for word in self.argv)
        return (self.setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--", *own)


class Child(asyncio.SubprocessProtocol):
    """A running child, made by :func:`spawn`.

    ``ended`` is called once, with the child and its exit status (negative: the signal's number),
    after the leader is gone, its group was killed and its output was read to the end. What it left
    of shared memory is removed. ``line`` is called with the child and each line that it says.
    """

    def __init__(
        self,
        *,
        ended: Callable[[Child, int], None],
        line: Callable[[Child, str], None],
    ) -> None:
        self._ended = ended
        self._line = line
        self._transport: asyncio.SubprocessTransport | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._partial = b""
        self._returncode: int | None = None
        self._finished = False
        self._grace: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.Future[int] | None = None
        self.pid = 0
        self.report: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of output, at most :data:`TAIL_LINES`."""
        return tuple(self._tail)

    @property
    def finished(self) -> bool:
        """Whether ``ended`` was called."""
        return self._finished

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the child's whole process group, if any of it is left."""
        if self.pid:  # 0 would be our own group
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    # asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        del fd
        *lines, self._partial = (self._partial + data).split(b"\n")
        for raw in lines:
            self._add_line(raw)
        if len(self._partial) > MAX_LINE_BYTES:
            self._add_line(self._partial)
            self._partial = b""

    def process_exited(self) -> None:
        # The group first: a grandchild that lives on would hold the pipe, and must not live on.
        if self._transport is not None:
            self._returncode = self._transport.get_returncode()
        self.signal_group(signal.SIGKILL)
        self._grace = asyncio.get_running_loop().call_later(OUTPUT_GRACE_SECONDS, self._finish)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._finish()

    def _finish(self) -> None:
        if self._finished or self._returncode is None:
            return
        self._finished = True
        if self._grace is not None:
            self._grace.cancel()
        if self._partial:
            self._add_line(self._partial)
            self._partial = b""
        if self._transport is not None:
            self._transport.close()
        self.report.cancel()
        loop = asyncio.get_running_loop()
        self._sweeping = loop.run_in_executor(None, remove_left_by, self.pid)
        self._ended(self, self._returncode)

    def _add_line(self, raw: bytes) -> None:
        text = raw[:MAX_LINE_BYTES].decode("utf-8", "replace").rstrip()
        text = "".join(
            c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text
        )
        if text:
            self._tail.append(text)
            self._line(self, text)


class _ReportReader(asyncio.Protocol):
    """Reads the one line that a child writes to its report descriptor."""

    def __init__(self, report: asyncio.Future[str]) -> None:
        self._report = report
        self._data = b""
        self._transport: asyncio.ReadTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if b"\n" in self._data or len(self._data) > MAX_LINE_BYTES:
            if not self._report.done():
                self._report.set_result(self._data.decode("ascii", "replace").strip())
            if self._transport is not None:
                self._transport.close()


class Spawn(Protocol):
    """How a child is made; :func:`spawn` or a test's double."""

    def __call__(
        self,
        spec: ProcessSpec,
        *,
        ended: Callable[[Child, int], None],
        line: Callable[[Child, str], None],
    ) -> Awaitable[Child]: ...


async def spawn(
    spec: ProcessSpec, *, ended: Callable[[Child, int], None], line: Callable[[Child, str], None]
) -> Child:
    """Start a child.

    Raises:
        OSError: the program (or ``setpriv``) cannot be executed, or no process can be made.
    """
    await asyncio.to_thread(remove_leftovers, spec)
    loop = asyncio.get_running_loop()
    child = Child(ended=ended, line=line)
    read_fd, write_fd = os.pipe() if spec.reports else (None, None)
    try:
        if read_fd is not None:
            pipe = os.fdopen(read_fd, "rb", buffering=0)
            await loop.connect_read_pipe(lambda: _ReportReader(child.report), pipe)
        await loop.subprocess_exec(
            lambda: child,
            *spec.command(write_fd),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(spec.env),
            cwd="/",
            umask=spec.umask,
            start_new_session=True,
            pass_fds=() if write_fd is None else (write_fd,),
        )
    finally:
        if write_fd is not None:
            os.close(write_fd)
    return child


def remove_leftovers(spec: ProcessSpec) -> None:
    """Remove the files and sockets that a former run of this child left behind."""
    for path in spec.creates:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

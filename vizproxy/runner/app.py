"""The app that a keeper keeps: in the place of the command that was typed, or detached from it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from vizproxy.cgroups import MemoryWatch, Shortage
from vizproxy.errors import exit_reason
from vizproxy.runner.order import Order, not_executable, own_environment, start_for, through_shell
from vizproxy.runner.tree import ProcessTree

TAIL_LINES: Final = 20
MAX_LINE_CHARS: Final = 300
_OUTPUT_SECONDS: Final = 0.5
"""How long the end of an app's output is awaited after its end."""

_KILLED: Final = frozenset({-signal.SIGKILL, 128 + signal.SIGKILL})
"""The exit statuses of a program that was killed, and of a shell that has run one (POSIX, 2.8.2)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an app has ended: as the end of a sentence, whether that is a failure, and its last lines."""

    reason: str
    failed: bool = False
    output: tuple[str, ...] = ()


class App(Protocol):
    """An app, from its start to its end.

    ``needs_keeper`` tells whether its keeper must stay even when the lease has ended.
    """

    tree: ProcessTree
    needs_keeper: bool

    async def start(self, granted: Mapping[str, Any]) -> None:
        """Start it, with what the daemon has granted. Raises VizproxyError if that fails."""

    async def ending(self) -> Ending:
        """How it has ended."""


class Foreground:
    """The app takes the place of the process ``root``, which is told by ``answer`` to begin."""

    def __init__(
        self, order: Order, root: int, answer: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.tree = ProcessTree(root, order.mark)
        self.needs_keeper = False
        self._answer = answer

    async def start(self, granted: Mapping[str, Any]) -> None:
        self._answer({"granted": dict(granted)})

    async def ending(self) -> Ending:
        # Its parent, the user's shell, has the exit code. We are not its parent.
        return Ending("its program has ended")


class Detached:
    """The app is a child of the keeper; its output is kept, in case that it fails.

    ``memory`` is that of the container in which both are.
    """

    def __init__(
        self,
        order: Order,
        directory: Path,
        answer: Callable[[Mapping[str, Any]], None],
        memory: MemoryWatch,
    ) -> None:
        self.tree = ProcessTree(0, order.mark)
        self.needs_keeper = True  # who else would read its output?
        self._order = order
        self._directory = directory
        self._answer = answer
        self._memory = memory
        self._watching: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    async def start(self, granted: Mapping[str, Any]) -> None:
        start = start_for(self._order, granted, own_environment())
        self._watching = asyncio.create_task(self._memory.watch(), name="memory")
        try:
            try:
                self._process = await self._spawn(start.argv, start.environment)
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                script = through_shell(start.argv, os.environ.get("PATH", os.defpath))
                self._process = await self._spawn(script, start.environment)
        except OSError as error:
            raise not_executable(start.argv[0], error) from error
        self.tree.root = self._process.pid
        self._reading = asyncio.create_task(self._read(), name="output")
        self._answer({"started": granted["id"], "warning": start.warning})

    async def _spawn(
        self, argv: tuple[str, ...], environment: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *argv,
            env=dict(environment),
            cwd=self._directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        partial = b""
        while data := await self._process.stdout.read(65536):
            *lines, partial = (partial + data).split(b"\n")
            self._tail.extend(_readable(line) for line in lines[-TAIL_LINES:] if line.strip())
            partial = partial[:MAX_LINE_CHARS]
        if partial.strip():
            self._tail.append(_readable(partial))

    async def ending(self) -> Ending:
        if self._process is None:
            return Ending("it was never started", failed=True)
        status = await self._process.wait()
        if self._reading is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_OUTPUT_SECONDS):
                    await self._reading
        shortage = await self._memory.explain() if status in _KILLED else None
        if self._watching is not None:
            self._watching.cancel()
        reason = ending_reason(status, shortage)
        return Ending(reason, status != 0, tuple(self._tail) if status else ())


def ending_reason(status: int, shortage: Shortage | None) -> str:
    """How an app has ended, as it goes on from its name; a shell tells of a killed program by 137."""
    if shortage is None:
        return exit_reason(status)
    killed = f"{exit_reason(-signal.SIGKILL)}{shortage}"
    return killed if status < 0 else f"{exit_reason(status)}: a program of it {killed}"


def _readable(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_LINE_CHARS]

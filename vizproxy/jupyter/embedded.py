"""The desktop of a Jupyter server's own: a daemon that the server starts, watches and ends."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vizproxy.client import unreachable
from vizproxy.errors import EXIT_BUSY, EXIT_UNAVAILABLE, EXIT_USAGE, exit_reason
from vizproxy.jupyter.child import Child, read_line, spawn, with_death_signal
from vizproxy.jupyter.explain import Explanation, Phase, as_sentence
from vizproxy.jupyter.sidecar import silent
from vizproxy.thisside import COMMAND, SOCKET_NAME, SPEAKER, without_hint

log = logging.getLogger(__name__)

TAIL_LINES: Final = 20
_HOPELESS: Final = frozenset({EXIT_USAGE, EXIT_UNAVAILABLE})
"""Exit codes of a daemon that would fail again at once: bad configuration, a missing program."""

_FIRST_LOOK_SECONDS: Final = 0.1
_LAST_LOOK_SECONDS: Final = 1.0
_GROWTH: Final = 1.1
"""How often is looked for the socket: after these pauses, which grow by that."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds, and how often a daemon may fail until it is started only when somebody looks for it.

    ``first`` is before the second start, and is doubled each time; ``retry`` is the least until a
    start that somebody causes; beyond ``stable``, a failure is the first again; beyond ``slow``, a
    start takes longer than it should; ``stop`` is granted to end politely.
    """

    first: float = 0.5
    retry: float = 3.0
    stable: float = 60.0
    slow: float = 15.0
    stop: float = 5.0
    max_failures: int = 5


@dataclass(frozen=True, slots=True)
class _End:
    status: int
    why: str
    hint: str

    @property
    def hopeless(self) -> bool:
        return self.status in _HOPELESS


def command(runtime_dir: Path) -> tuple[str, ...]:
    """The daemon's command line. It listens in its own directory alone, whatever is configured."""
    socket = str(runtime_dir / SOCKET_NAME)
    places = ("--runtime-dir", str(runtime_dir), "--http-socket", socket, "--http", "")
    return (*COMMAND, "serve", *places)


class EmbeddedDesktop:
    """Keeps a daemon running, from :meth:`start` to :meth:`stop`. To be used on the main thread.

    ``argv`` is the daemon's command line, ``environ`` its environment; ``started`` is called when it
    was started, which is before it listens. A daemon that fails is started again, ever later; one
    that would only fail again, when somebody looks for it.
    """

    def __init__(
        self,
        runtime_dir: Path,
        argv: tuple[str, ...],
        environ: Mapping[str, str],
        *,
        setpriv: str = "setpriv",
        started: Callable[[], None] = lambda: None,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = runtime_dir
        self._argv = argv
        self._environ = environ
        self._setpriv = setpriv
        self._started = started
        self._pauses = pauses or Pauses()
        self.misfit = None  # it is of our own version
        self._clock = clock
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._said: list[str] = []
        self._visit = asyncio.Event()
        self._runs = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._child: Child | None = None
        self._began = clock()
        self._end: _End | None = None
        self._given_up = False
        self._stopped = False

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self._directory / SOCKET_NAME

    def start(self) -> None:
        """Start the daemon, if that was not done."""
        if self._task is None and not self._stopped:
            atexit.register(self._at_exit, os.getpid())
            self._began = self._clock()
            self._task = asyncio.get_running_loop().create_task(self._run(), name="desktop")

    def wanted(self) -> None:
        """Somebody looks for the desktop: start it, or try once more."""
        self.start()
        self._visit.set()

    async def running(self) -> None:
        """Wait until the daemon was started and has not ended, which may be never."""
        await self._runs.wait()

    async def listening(self) -> None:
        """Wait until the daemon listens. Its socket is looked for only while there is a daemon."""
        while True:
            await self._runs.wait()
            pause = _FIRST_LOOK_SECONDS
            while self._runs.is_set():
                if await asyncio.to_thread(self.socket.exists):
                    return
                await asyncio.sleep(pause)
                pause = min(pause * _GROWTH, _LAST_LOOK_SECONDS)

    async def stop(self) -> None:
        """End the daemon, and remove what it left."""
        self._stopped = True
        atexit.unregister(self._at_exit)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._child is not None:
            await self._child.stop(self._pauses.stop)
        if self._task is not None:
            await asyncio.to_thread(self._remove_remains)

    async def explain(self, error: BaseException) -> Explanation:
        """Say why the daemon could not be reached, after ``error``."""
        message = unreachable(self.socket, error).message
        if self._stopped:
            return _ending(message)
        if self._end is not None and not self._starts_anew:
            return self._failed(self._end, message)
        if isinstance(error, FileNotFoundError | ConnectionRefusedError) or self._child is None:
            return self._starting(message)
        return silent(message)

    @property
    def _starts_anew(self) -> bool:
        """Whether a start after a failure may be taken for one: the next failure would have come."""
        if self._child is None:
            return False
        return not self._given_up or self._clock() - self._began > self._pauses.retry

    # the daemon's life

    async def _run(self) -> None:
        failures = 0
        while True:
            self._began = self._clock()
            end = await self._run_once()
            self._report(end)
            self._end = end
            failures = 1 if self._clock() - self._began > self._pauses.stable else failures + 1
            self._given_up = end.hopeless or failures >= self._pauses.max_failures
            if self._given_up:
                self._visit.clear()
                await asyncio.sleep(self._pauses.retry)
                await self._visit.wait()
            else:
                await asyncio.sleep(self._pauses.first * 2 ** (failures - 1))

    async def _run_once(self) -> _End:
        self._said.clear()
        setpriv = await asyncio.to_thread(shutil.which, self._setpriv)
        if setpriv is None:
            log.debug("no %s: a killed server leaves its desktop", self._setpriv)
        try:
            self._child = await spawn(
                with_death_signal(self._argv, setpriv), self._environ, self._take_line
            )
        except OSError as error:
            return _End(EXIT_UNAVAILABLE, f"cannot start the desktop's daemon: {error}", "")
        log.debug("started the desktop's daemon, pid %d", self._child.pid)
        self._runs.set()
        self._started()
        try:
            status = await self._child.wait()
        finally:
            self._runs.clear()
        self._child = None
        return self._read_end(status)

    def _read_end(self, status: int) -> _End:
        sentence = next((line for line in reversed(self._said) if line.startswith(SPEAKER)), "")
        why, hint = without_hint(sentence.removeprefix(SPEAKER))
        return _End(status, why or f"the desktop's daemon {exit_reason(status)}", hint)

    def _take_line(self, raw: str) -> None:
        line = read_line(raw)
        self._lines.append(line.text)
        self._said = [*self._said[-TAIL_LINES:], raw]
        level = logging.WARNING if line.trouble else logging.DEBUG
        log.log(level, "desktop: %s", line.text)

    def _report(self, end: _End) -> None:
        if self._end is None or end != self._end:
            log.warning("the desktop has ended: %s", end.why)

    # words

    def _starting(self, message: str) -> Explanation:
        slow = self._clock() - self._began > self._pauses.slow
        return Explanation(
            Phase.STARTING,
            "The desktop is starting",
            "It is taking longer than usual." if slow else "This takes a few seconds.",
            message,
            "again in a moment",
            output=tuple(self._lines) if slow else (),
        )

    def _failed(self, end: _End, message: str) -> Explanation:
        why = as_sentence(end.why)
        return Explanation(
            Phase.FAILED,
            "The desktop cannot be started" if self._given_up else "The desktop has failed",
            why if self._given_up else f"{why} It is being started again.",
            end.why or message,
            end.hint,
            advice=f"Try {end.hint}." if end.hint else "",
            output=() if all(end.why in line for line in self._lines) else tuple(self._lines),
        )

    # the end of a server that did not take its leave

    def _at_exit(self, pid: int) -> None:
        if os.getpid() == pid and self._child is not None and not self._child.ended.done():
            self._child.stop_now(self._pauses.stop)
            self._remove_remains()

    def _remove_remains(self) -> None:
        """Remove what a daemon leaves that was killed, or of which another had been killed before."""
        if self._end is None or self._end.status != EXIT_BUSY:  # else it is another daemon's
            shutil.rmtree(self._directory, ignore_errors=True)


def _ending(message: str) -> Explanation:
    return Explanation(
        Phase.ABSENT, "The desktop is being ended", "So is the Jupyter server.", message
    )

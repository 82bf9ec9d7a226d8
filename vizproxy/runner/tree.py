"""The processes of an app.

A process belongs to the app if it is the one that was started, or carries the app's mark (a variable
of its environment, which children inherit), or is the child of one that does. A program that forks and
lets its parent end, as launcher scripts do, is lost to one who follows parents; one that is started
with an environment of its own (``env -i``, ``bwrap``), to one who follows the mark.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from typing import Final

import psutil

from vizproxy.runner.use import Use, UseMeter

MARK_VARIABLE: Final = "VIZPROXY_APP"

KEEPER_NAME: Final = "vizproxy-keeper"
"""What a keeper calls itself. One that was started from within an app is no part of that app, though
it has inherited its mark."""

_PASSES: Final = 5
"""How often processes are listed in one look, where they come and go meanwhile."""

_WATCH_SECONDS: Final = 0.5
"""How often processes are looked at where the kernel has no pidfd_open(2)."""


class ProcessTree:
    """The processes of one app: ``root`` and all that carry ``mark``."""

    def __init__(self, root: int, mark: str) -> None:
        self.root = root
        self._mark = mark
        self._members: dict[int, psutil.Process] = {}
        self._others: set[int] = set()
        self._root_seen = False
        self._meter = UseMeter()

    def pin(self) -> None:
        """Take hold of the root while it certainly lives: its PID may be another's later."""
        with contextlib.suppress(psutil.Error):
            self._members[self.root] = psutil.Process(self.root)
            self._root_seen = True

    def look(self, *, afresh: bool = False) -> frozenset[int]:
        """Return the PIDs that live now.

        Another's process is looked at once only, since it never becomes a member; ``afresh`` looks at
        all again.
        """
        if afresh:
            self._others.clear()
        for _ in range(_PASSES):
            # One that has ended since it was listed may have forked first. Only a listing without
            # such tells that nobody is left.
            if self._is_settled() or self._members:
                break
        return frozenset(self._members)

    def use(self) -> Use:
        """Return what the processes use that lived at the last look, and what ended ones have used."""
        return self._meter.read(self._members.values())

    def _is_settled(self) -> bool:
        """List the processes and look at those that are new; whether all of these still live."""
        listed = set(psutil.pids())
        self._others &= listed
        settled = True
        for pid in sorted(listed - self._others - self._members.keys()):  # parents first, mostly
            try:
                belongs = self._belongs(pid)
                if belongs:
                    self._members[pid] = psutil.Process(pid)
                    self._root_seen |= pid == self.root
                elif belongs is False:
                    self._others.add(pid)
            except psutil.NoSuchProcess:
                settled = False
        known = len(self._members)
        self._members = {pid: p for pid, p in self._members.items() if _lives(p)}
        settled &= len(self._members) == known
        for pid in [pid for pid, p in self._members.items() if self._is_anothers(p)]:
            self._others.add(pid)
            del self._members[pid]
        return settled

    def _belongs(self, pid: int) -> bool | None:
        """Whether a process belongs to the app; None while that cannot be told."""
        if pid == self.root and not self._root_seen:  # later it is another's, who got its number
            return True
        if pid == os.getpid():
            return False
        process = psutil.Process(pid)
        if process.ppid() in self._members:
            return True
        try:
            environment = process.environ()
        except psutil.NoSuchProcess:
            raise
        except (psutil.Error, OSError):
            return False
        # It is empty for a moment while a program is being executed.
        return environment.get(MARK_VARIABLE) == self._mark if environment else None

    def _is_anothers(self, process: psutil.Process) -> bool:
        """Whether a member has become another app by ``vizproxy run``, or the keeper of one."""
        if process.pid == self.root:
            return False
        try:
            if process.name() == KEEPER_NAME:
                return True
            return process.environ().get(MARK_VARIABLE, self._mark) != self._mark
        except (psutil.Error, OSError):
            return False

    @staticmethod
    async def any_ended(pids: Iterable[int]) -> None:
        """Return when any of these processes has ended."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptors: list[int] = []
        wanted = tuple(pids)
        try:
            for pid in wanted:
                descriptors.append(os.pidfd_open(pid))
                loop.add_reader(descriptors[-1], ended.set)
            await ended.wait()
        except ProcessLookupError:
            return
        except OSError:  # no such system call (an old kernel, gVisor), or too many descriptors
            while all(psutil.pid_exists(pid) for pid in wanted):  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(_WATCH_SECONDS)
        finally:
            for descriptor in descriptors:
                loop.remove_reader(descriptor)
                os.close(descriptor)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the app."""
        self.look(afresh=True)
        for process in self._members.values():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False

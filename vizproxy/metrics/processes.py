"""What processes use, by psutil.

The kernel forgets what a process has used when it ends, but adds it to its parent's account of
children if the parent waits for it (``cutime`` and ``cstime``, proc(5)). So the CPU time of a component
is that of its living processes with what they have waited for, and of those that nobody has waited for,
as they were seen last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import psutil

from vizproxy.metrics.measurements import DaemonUse, Processes, ProcessUse

_LOOKS: Final = 3
"""How often the processes of a component are read at most, where some end meanwhile."""


class ProcessReader:
    """Reads what the daemon, its components and the apps without a lease use.

    It remembers, so there is one for the daemon's life. :meth:`read` blocks, and is not to be called by
    two threads at once.
    """

    def __init__(self) -> None:
        self._started: float | None = None
        self._listed: set[int] | None = None
        self._parents: dict[int, int] = {}
        self._components: dict[str, _Family] = {}
        self._unleased = _Strangers()

    def read(
        self, components: Mapping[str, int], unleased: Mapping[str, tuple[int, ...]]
    ) -> Processes:
        """What is used now. Never raises for a process that has gone.

        Args:
            components: the PID of each that runs; its descendants belong to it. One that was named once
                stays in the answer, with what it has used.
            unleased: the PIDs of each app without a lease; only these belong to it, since a shell on
                the desktop may have started apps of their own. One that has no such process is left
                out of the answer: what it uses is not known.
        """
        born = self._find_processes()
        for name in components:
            self._components.setdefault(name, _Family())
        for name, family in self._components.items():
            family.renew(components.get(name), self._parents)
        self._unleased.renew({pid for pids in unleased.values() for pid in pids}, born)
        return Processes(
            daemon=self._read_daemon(),
            components={name: family.use for name, family in self._components.items()},
            unleased={
                name: use
                for name, pids in unleased.items()
                if (use := self._unleased.use_of(pids)) is not None
            },
            unleased_cpu_seconds=self._unleased.cpu_seconds,
        )

    def _read_daemon(self) -> DaemonUse:
        """What this process uses, without its children."""
        process = psutil.Process()
        with process.oneshot():
            if self._started is None:  # it would move when the clock is set
                self._started = process.create_time()
            times = process.cpu_times()
            most, _ = process.rlimit(psutil.RLIMIT_NOFILE)
            return DaemonUse(
                use=ProcessUse(times.user + times.system, process.memory_info().rss),
                open_files=process.num_fds(),
                max_files=None if most == psutil.RLIM_INFINITY else most,
                threads=process.num_threads(),
                started=self._started,
            )

    def _find_processes(self) -> set[int]:
        """Learn who started the processes that are new. Who is known is not looked at again.

        Returns the PIDs of those that were started since the last reading: at the first one, none.
        """
        listed = set(psutil.pids())
        born = set() if self._listed is None else listed - self._listed
        self._listed = listed
        for pid in self._parents.keys() - listed:
            del self._parents[pid]
        for pid in listed - self._parents.keys():
            try:
                self._parents[pid] = psutil.Process(pid).ppid()
            except psutil.Error:
                continue  # it has gone
        return born


@dataclass(frozen=True, slots=True)
class _Member:
    """A process as it was read; CPU time in seconds, ``reaped`` that of children it has waited for."""

    process: psutil.Process
    own: float = 0.0
    reaped: float = 0.0
    resident: int = 0

    @classmethod
    def begin(cls, pid: int) -> _Member | None:
        """Read a process for the first time; None if there is none."""
        try:
            return cls(psutil.Process(pid)).renewed()
        except psutil.Error:
            return None

    def renewed(self) -> _Member | None:
        """The same process now; None if it has ended, even if another has its number."""
        process = self.process
        try:
            if not process.is_running():
                return None
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            return None
        except (psutil.Error, OSError):
            return self  # it does not tell this time
        reaped = times.children_user + times.children_system
        return _Member(process, times.user + times.system, reaped, memory.rss)


_Members = Mapping[int, _Member]


class _Family:
    """The processes of a component: one of them and its descendants, also those that outlive it."""

    def __init__(self) -> None:
        self._members: _Members = {}
        self._settled = 0.0
        self.use = ProcessUse(0.0, 0)
        """What they use, and what those that have ended have used."""

    def renew(self, root: int | None, parents: Mapping[int, int]) -> None:
        """Read the processes that are there now."""
        before, now = self._members, self._members
        for _ in range(_LOOKS):
            now = self._read(root, parents)
            # One that ends while they are read may count twice, by itself and by its parent: again.
            if all(member.process.is_running() for member in now.values()):
                break
        lost = sum(member.own + member.reaped for member in _ended(before, now))
        kept = [pid for pid, member in before.items() if _is_same(member, now.get(pid))]
        taken_over = sum(now[pid].reaped - before[pid].reaped for pid in kept)
        self._settled += max(lost - taken_over, 0.0)
        self._members = now
        used = self._settled + sum(member.own + member.reaped for member in now.values())
        resident = sum(member.resident for member in now.values())
        self.use = ProcessUse(max(used, self.use.cpu_seconds), resident)  # sums are rounded

    def _read(self, root: int | None, parents: Mapping[int, int]) -> _Members:
        now = {pid: new for pid, old in self._members.items() if (new := old.renewed())}
        roots = {*now} if root is None else {*now, root}
        for pid in _with_descendants(roots, parents) - now.keys():
            if (member := _Member.begin(pid)) is not None:
                now[pid] = member
        return now


class _Strangers:
    """Single processes, which do not answer for their children.

    Each counts for as long as it is listed. What it has used before is of no app: a program that has
    computed for hours may open its first window now.
    """

    def __init__(self) -> None:
        self._members: _Members = {}
        self.cpu_seconds = 0.0
        """What all that were ever listed have used while they were. It never shrinks."""

    def renew(self, listed: set[int], born: AbstractSet[int]) -> None:
        """Read those that are listed; those that were ``born`` since the last time count as a whole."""
        now: dict[int, _Member] = {}
        for pid in listed:
            before = self._members.get(pid)
            if before is not None and (same := before.renewed()) is not None:
                self.cpu_seconds += max(same.own - before.own, 0.0)
                now[pid] = same
            elif (other := _Member.begin(pid)) is not None:
                # What has the number of one that has ended meanwhile was born meanwhile, too.
                if before is not None or pid in born:
                    self.cpu_seconds += other.own
                now[pid] = other
        self._members = now

    def use_of(self, pids: Iterable[int]) -> ProcessUse | None:
        """What some of them use, and have used in their whole lives; None if none is there."""
        members = [self._members[pid] for pid in pids if pid in self._members]
        if not members:
            return None
        return ProcessUse(sum(m.own for m in members), sum(m.resident for m in members))


def _ended(before: _Members, now: _Members) -> Iterator[_Member]:
    """Those that are there no more."""
    return (member for pid, member in before.items() if not _is_same(member, now.get(pid)))


def _is_same(before: _Member, now: _Member | None) -> bool:
    return now is not None and now.process is before.process


def _with_descendants(roots: set[int], parents: Mapping[int, int]) -> set[int]:
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found

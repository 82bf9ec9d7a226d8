"""Which processes here the kernel has killed for lack of memory, and how much they are allowed.

The kernel counts its OOM kills for each cgroup: ``oom_kill`` in ``memory.events`` (v2: the kernel's
Documentation/admin-guide/cgroup-v2.rst) or in ``memory.oom_control`` (v1, since Linux 4.13:
mm/memcontrol-v1.c). It counts before it sends SIGKILL (mm/oom_kill.c), so whoever sees a process end
finds it counted. The counter names no process. So a kill is evidence for one process that was killed by
SIGKILL at that time, and for no second one; without it, nothing is claimed.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from vizproxy.amounts import amount_text

LOOK_SECONDS: Final = 5.0
"""How often the counter is read, so that it is known when it rose."""

FRESH_SECONDS: Final = 5.0
"""For how long a kill explains the end of a process. A large one takes a while to end."""

PATIENCE_SECONDS: Final = 0.5
"""How long the reading may take before the end of a process goes without explanation."""

_MOST_KILLS: Final = 64
_NO_LIMIT: Final = 2**62
"""Version 1 has no word for "no limit", but the most whole pages that there can be (in
``PAGE_COUNTER_MAX``)."""

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_SEPARATOR: Final = " - "


@dataclass(frozen=True, slots=True)
class Place:
    """The directory in which a cgroup's accounts of memory are, and the version of cgroups, 1 or 2."""

    directory: Path
    version: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A cgroup's accounts at one moment.

    ``kills`` counts its processes that were killed for lack of memory, ``full`` how often its own limit
    was the reason; None: this kernel does not tell. ``limit`` is in bytes; None: there is none.
    """

    kills: int
    full: int | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class Shortage:
    """A kill for lack of memory: the limit in bytes, if there is one, and whether it was reached.

    None: that is not known.
    """

    limit: int | None
    reached: bool | None

    def __str__(self) -> str:
        """How it goes on from ``was killed by SIGKILL``."""
        killed = ", it seems by the kernel for lack of memory"
        if self.limit is None or self.reached is False:
            return f"{killed}: the machine, or the whole Pod, had none left"
        amount = amount_text(self.limit)
        what = (
            f": the limit of {amount} was reached" if self.reached else f" (the limit is {amount})"
        )
        return f"{killed}{what}; try a higher one (in Kubernetes: resources.limits.memory)"


# --------------------------------------------------------------------------------------- the place


def find(groups: str, mounts: str) -> Place | None:
    """Where the accounts of a process's memory are; None where they cannot be seen.

    ``groups`` and ``mounts`` are the contents of its ``cgroup`` and ``mountinfo`` in /proc (cgroups(7),
    proc(5)). Where both versions are there, the one that has the controller counts.
    """
    paths: dict[str, str] = {}
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        paths[controllers] = path
    for controllers, path in paths.items():
        if "memory" in controllers.split(","):
            return _below_mount(1, path, mounts)
    return _below_mount(2, paths[""], mounts) if "" in paths else None


def _below_mount(version: int, path: str, mounts: str) -> Place | None:
    for root, mount in _mounts_of(version, mounts):
        inside = PurePosixPath(path)
        # Of what a namespace hides, names are not known ("/../other"), or are those of the host.
        if ".." not in (*root.parts, *inside.parts) and inside.is_relative_to(root):
            return Place(Path(mount, inside.relative_to(root)), version)
    return None


def _mounts_of(version: int, mounts: str) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """What is mounted of the hierarchy, and where; the latest first, which may hide others."""
    for line in reversed(mounts.splitlines()):
        where, _, what = line.partition(_SEPARATOR)
        root, mount = where.split()[3:5]
        kind, _, options = what.split(" ", 2)
        if version == 2:
            fits = kind == "cgroup2"
        else:
            fits = kind == "cgroup" and "memory" in options.split(",")
        if fits:
            yield _unescaped(root), _unescaped(mount)


def _unescaped(path: str) -> PurePosixPath:
    """A path of ``mountinfo``, in which spaces and the like are written in octal."""
    return PurePosixPath(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), path))


# ------------------------------------------------------------------------------------- the reading


def read(place: Place) -> Reading | None:
    """Read a cgroup's accounts; None where this kernel, or this container, does not tell. Blocks."""
    try:
        if place.version == 1:
            told = _numbers(place.directory / "memory.oom_control")
            limit = int((place.directory / "memory.limit_in_bytes").read_text("ascii"))
            return Reading(told["oom_kill"], None, limit if limit < _NO_LIMIT else None)
        try:  # without the cgroups below, which are other people's
            told = _numbers(place.directory / "memory.events.local")
        except FileNotFoundError:  # before Linux 5.2
            told = _numbers(place.directory / "memory.events")
        most = (place.directory / "memory.max").read_text("ascii").strip()
        return Reading(told["oom_kill"], told.get("oom"), None if most == "max" else int(most))
    except (OSError, ValueError, KeyError):
        return None


def _numbers(path: Path) -> dict[str, int]:
    words = (line.split() for line in path.read_text("ascii").splitlines())
    return {name: int(number) for name, number in words}


class OwnAccounts:
    """Reads the accounts of the cgroup that this process is in when it is first read."""

    def __init__(self, proc: Path = Path("/proc/self")) -> None:
        self._proc = proc
        self._place: Place | None = None
        self._found = False

    def __call__(self) -> Reading | None:
        """Read them; None where they are not to be seen. Blocks."""
        if not self._found:
            self._place, self._found = self._find(), True
        return None if self._place is None else read(self._place)

    def _find(self) -> Place | None:
        try:
            groups, mounts = (
                (self._proc / name).read_text("utf-8", "surrogateescape")
                for name in ("cgroup", "mountinfo")
            )
            return find(groups, mounts)
        except (OSError, ValueError):
            return None


# -------------------------------------------------------------------------------------- the evidence


class Evidence:
    """Which kills were counted lately and have explained no process's end yet. Times are in seconds."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._full_at: float | None = None
        self._kills: deque[tuple[float, Shortage]] = deque(maxlen=_MOST_KILLS)

    def saw(self, reading: Reading, now: float) -> None:
        """The accounts are so now. What was counted before the first reading is long past."""
        last, self._last = self._last, reading
        if last is None:
            return
        if (reading.full or 0) > (last.full or 0):
            self._full_at = now
        shortage = Shortage(reading.limit, None if reading.full is None else self._was_full(now))
        new = min(reading.kills - last.kills, _MOST_KILLS)
        self._kills.extend((now, shortage) for _ in range(new))

    def claim(self, now: float) -> Shortage | None:
        """The kill that explains a process's end at this time, if any; it explains no other."""
        while self._kills:
            seen, shortage = self._kills.popleft()
            if now - seen <= FRESH_SECONDS:
                return shortage
        return None

    def _was_full(self, now: float) -> bool:
        return self._full_at is not None and now - self._full_at <= LOOK_SECONDS + FRESH_SECONDS


class MemoryWatch:
    """Tells whether it was for lack of memory that a process here was killed.

    ``read`` gives the accounts of the cgroup that it is in, and may block: for ``patience`` seconds
    somebody waits for it. They are followed every ``pause`` seconds.
    """

    def __init__(
        self,
        read: Callable[[], Reading | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: float = LOOK_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._read = read
        self._pause = pause
        self._patience = patience
        self._clock = clock
        self._evidence = Evidence()
        self._applied = 0
        self._begun = 0

    async def watch(self) -> None:
        """Follow the accounts for ever, where there are any."""
        while self._applied or not self._begun:
            await self._look()
            await asyncio.sleep(self._pause)

    async def explain(self) -> Shortage | None:
        """Why a process was killed by SIGKILL just now, if lack of memory explains it."""
        try:
            async with asyncio.timeout(self._patience):
                await self._look()
        except TimeoutError:
            return None
        return self._evidence.claim(self._clock())

    async def _look(self) -> None:
        """Read the accounts, if there are any."""
        self._begun += 1
        number = self._begun
        try:
            reading = await asyncio.to_thread(self._read)
        except RuntimeError:  # the limit of processes is reached: there is no thread
            return
        if reading is not None and number > self._applied:  # and not overtaken by a later one
            self._applied = number
            self._evidence.saw(reading, self._clock())

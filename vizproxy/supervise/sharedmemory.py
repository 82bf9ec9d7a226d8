"""System V shared memory that a killed child leaves behind.

x11vnc keeps some fifty segments. The kernel does not free them with the process (shmget(2)), and
allows 4096 in an IPC namespace, which the containers of a Pod share: after some eighty kills no X
client could get any.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TABLE: Final = Path("/proc/sysvipc/shm")
"""One line a segment, below a line of column names (proc(5))."""

_IPC_RMID: Final = 0
_FORGOTTEN_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment: identifier, key (0: private), PID of its maker as seen here (0: not visible from
    here), how many processes have it attached, owner's uid, and when it was last changed (Unix time).
    """

    shmid: int
    key: int
    cpid: int
    nattch: int
    uid: int
    ctime: int


def parse(table: str) -> list[Segment]:
    """The segments in the content of :data:`TABLE`."""
    header, *lines = table.splitlines()
    columns = header.split()
    rows = (dict(zip(columns, map(int, line.split()), strict=False)) for line in lines)
    names = Segment.__slots__
    return [Segment(**{name: row[name] for name in names}) for row in rows]


def left_by(creator: int, segments: Iterable[Segment]) -> list[int]:
    """Those that a dead process made.

    The X server may still have them attached: the kernel then frees them when it lets go.
    """
    return [s.shmid for s in segments if s.cpid == creator]


def abandoned(
    segments: Iterable[Segment], *, uid: int, now: float, alive: Callable[[int], bool]
) -> list[int]:
    """Private ones of ``uid`` that nobody has attached and whose maker is dead.

    Nobody can come to use them any more. A maker in another PID namespace cannot be seen; its
    segment counts when it was not touched for a minute, since programs attach what they make.
    """
    return [
        s.shmid
        for s in segments
        if s.key == 0
        and s.nattch == 0
        and s.uid == uid
        and (not alive(s.cpid) if s.cpid else now - s.ctime > _FORGOTTEN_SECONDS)
    ]


def remove_left_by(creator: int) -> int:
    """Remove what a dead process left; return how many segments that were."""
    return _remove(left_by(creator, _read()))


def remove_abandoned() -> int:
    """Remove what dead processes of ours left; return how many segments that were."""
    return _remove(abandoned(_read(), uid=os.geteuid(), now=time.time(), alive=_alive))


def _alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    state = stat.rpartition(")")[2].split()[0]  # after the name, which may have anything in it
    return state != "Z"


def _read() -> list[Segment]:
    try:
        return parse(TABLE.read_text(encoding="ascii"))
    except OSError:
        return []  # a kernel without System V IPC


def _remove(identifiers: Iterable[int]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return sum(libc.shmctl(shmid, _IPC_RMID, None) == 0 for shmid in identifiers)

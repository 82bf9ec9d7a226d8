"""System V shared memory that a killed child leaves behind.

x11vnc keeps some fifty segments. The kernel does not free them with the process (shmget(2)), and
allows 4096 in an IPC namespace, which the containers of a Pod share: after some eighty kills no X
client could have any.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Final

TABLE: Final = Path("/proc/sysvipc/shm")
"""One line a segment, below a line of column names (proc(5))."""

_IPC_RMID: Final = 0


def segments_of(creator: int, table: str) -> list[int]:
    """The identifiers of the segments that a process made and nobody has attached.

    ``table`` is the content of :data:`TABLE`.
    """
    header, *lines = table.splitlines()
    names = header.split()
    rows = (dict(zip(names, map(int, line.split()), strict=False)) for line in lines)
    return [row["shmid"] for row in rows if row["cpid"] == creator and row["nattch"] == 0]


def remove_segments_of(creator: int) -> int:
    """Remove what a dead process left; return how many segments that were."""
    try:
        table = TABLE.read_text(encoding="ascii")
    except OSError:
        return 0  # a kernel without System V IPC
    libc = ctypes.CDLL(None, use_errno=True)
    return sum(libc.shmctl(shmid, _IPC_RMID, None) == 0 for shmid in segments_of(creator, table))

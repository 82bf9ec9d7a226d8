"""What the daemon asks the kernel about processes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final, TypeVar

from vizproxy.broker.attribution import Surroundings

T = TypeVar("T")

_NSPID: Final = re.compile(rb"^NSpid:.*?(\d+)$", re.MULTILINE)
"""The last number is that of the innermost namespace, the process's own."""


def look_around(pids: AbstractSet[int], own: AbstractSet[int]) -> Surroundings:
    """What is known of the processes of X clients, of which ``own`` are the desktop's."""
    return Surroundings(
        own_pid_namespace(), own, pid_namespaces(pids), inner_pids(pids), names(pids)
    )


def own_pid_namespace() -> str:
    """The kernel's name of this process's PID namespace (``pid:[4026531836]``, namespaces(7))."""
    return pid_namespaces((os.getpid(),)).get(os.getpid(), "")


def pid_namespaces(pids: Iterable[int]) -> Mapping[int, str]:
    """The PID namespace of each process; those that are gone or another user's are left out."""
    return _of_each(pids, lambda proc: str((proc / "ns" / "pid").readlink()))


def inner_pids(pids: Iterable[int]) -> Mapping[int, int]:
    """The PID that each process has in its own namespace; those that are gone are left out."""
    found = _of_each(pids, lambda proc: _NSPID.search((proc / "status").read_bytes()))
    return {pid: int(told[1]) for pid, told in found.items() if told is not None}


def names(pids: Iterable[int]) -> Mapping[int, str]:
    """The name of each process's program; those that are gone are left out."""
    return _of_each(
        pids, lambda proc: (proc / "comm").read_text(encoding="utf-8", errors="replace").strip()
    )


def _of_each(pids: Iterable[int], read: Callable[[Path], T]) -> dict[int, T]:
    """What ``read`` finds in the directory of each process in /proc, where it finds something."""
    found: dict[int, T] = {}
    for pid in pids:
        try:
            found[pid] = read(Path(f"/proc/{pid}"))
        except OSError:
            continue
    return found

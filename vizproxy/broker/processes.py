"""What the daemon asks the kernel about processes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

_NSPID: Final = re.compile(rb"^NSpid:.*?(\d+)$", re.MULTILINE)
"""The last number is that of the innermost namespace, the process's own."""


def own_pid_namespace() -> str:
    """The kernel's name of this process's PID namespace (``pid:[4026531836]``, namespaces(7))."""
    return pid_namespaces((os.getpid(),)).get(os.getpid(), "")


def pid_namespaces(pids: Iterable[int]) -> Mapping[int, str]:
    """The PID namespace of each process; those that are gone or another user's are left out."""
    found: dict[int, str] = {}
    for pid in pids:
        try:
            found[pid] = str(Path(f"/proc/{pid}/ns/pid").readlink())
        except OSError:
            continue
    return found


def inner_pids(pids: Iterable[int]) -> Mapping[int, int]:
    """The PID that each process has in its own namespace; those that are gone are left out."""
    found: dict[int, int] = {}
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_bytes()
        except OSError:
            continue
        if (told := _NSPID.search(status)) is not None:
            found[pid] = int(told[1])
    return found


def names(pids: Iterable[int]) -> Mapping[int, str]:
    """The name of each process's program; those that are gone are left out."""
    found: dict[int, str] = {}
    for pid in pids:
        try:
            found[pid] = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return {pid: name.strip() for pid, name in found.items()}

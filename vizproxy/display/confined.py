"""Starts the window manager such that it starts no program and ends none of ours: a script.

    python -I -S confined.py PROGRAM ARGUMENT...

openbox runs in the sidecar, as the user whose programs run in the notebook's container. It would start
what its settings tell, and end the process that a hung window names by ``_NET_WM_PID`` if that window's
host name is its own. All containers of a Pod have one host name, and a PID is another process in each.
So the kernel refuses it (seccomp(2)) new processes, and signals to the daemon, to those of the daemon's
other children that run now, and to the container's first process; and, as that PID may be -1, to groups
of processes. Where the kernel knows no such filters, the program is started all the same.

It imports nothing of vizproxy, to cost no time.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_LOAD, _IF_EQUAL, _IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_SIGN = 0x80000000
"""Of a PID: kill(2) takes it for a process group, or for all processes."""
_CLONE3 = 435
"""The same number everywhere. Its arguments cannot be looked at; without it, clone is used."""


@dataclass(frozen=True)
class _System:
    """What the kernel calls an architecture and its calls (linux/audit.h, asm/unistd.h)."""

    architecture: int
    kill: int
    clone: int
    forks: tuple[int, ...] = ()


_SYSTEMS = {
    "x86_64": _System(0xC000003E, kill=62, clone=56, forks=(57, 58)),
    "aarch64": _System(0xC00000B7, kill=129, clone=220),
}

Instruction = tuple[int, int, int, int]


def instructions(system: _System, pids: tuple[int, ...]) -> list[Instruction]:
    """The filter: code, how far to jump if true and if false, operand."""
    refused = _REFUSE | errno.EPERM
    made: list[Instruction] = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_IF_EQUAL, 1, 0, system.architecture),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_IF_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]
    for number in system.forks:
        made += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, refused)]
    made += [
        (_IF_EQUAL, 0, 4, system.clone),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_IF_SET, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, refused),
        (_RETURN, 0, 0, _ALLOW),
        (_IF_EQUAL, 1, 0, system.kill),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_IF_SET, 0, 1, _SIGN),
        (_RETURN, 0, 0, refused),
    ]
    for pid in pids:
        made += [(_IF_EQUAL, 0, 1, pid), (_RETURN, 0, 0, refused)]
    return [*made, (_RETURN, 0, 0, _ALLOW)]


class _Instruction(ctypes.Structure):
    """``struct sock_filter`` (linux/filter.h)."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def confine(pids: tuple[int, ...]) -> bool:
    """Confine this process, for good; False if the kernel cannot."""
    system = _SYSTEMS.get(platform.machine())
    if system is None:
        return False
    made = instructions(system, pids)
    program = _Program(len(made), (_Instruction * len(made))(*(_Instruction(*one) for one in made)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program)) == 0)


def protected() -> tuple[int, ...]:
    """The first process, this one's parent and all that are its parent's children now."""
    parent = os.getppid()
    found = {1, parent}
    for told in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            found |= {int(pid) for pid in told.read_text("ascii").split()}
        except OSError:
            continue  # that thread has ended
    return tuple(sorted(found - {os.getpid()}))


def main(*command: str) -> None:
    """Become the program."""
    if not confine(protected()):
        sys.stderr.write("the kernel has no system call filters: the program is not confined\n")
    os.execv(command[0], command)  # noqa: S606 - without a shell is how it is meant


if __name__ == "__main__":
    main(*sys.argv[1:])

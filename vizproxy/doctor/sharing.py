"""Shared memory between this process and an X server, tried out."""

from __future__ import annotations

import contextlib
import ctypes
import struct
from collections.abc import Iterator
from typing import Final

from vizproxy.display.xprobe import XClient
from vizproxy.facts.model import Fact, known, unknown
from vizproxy.supervise import sharedmemory

_IPC_PRIVATE: Final = 0
_IPC_CREAT: Final = 0o1000
_IPC_RMID: Final = 0
_OWNER_ONLY: Final = 0o600
_BYTES: Final = 4096
_SHM_ATTACH: Final = 1
_SHM_DETACH: Final = 2
"""Minor opcodes of the extension MIT-SHM (X11's shm.xml)."""


async def shares_memory(server: XClient) -> Fact[bool]:
    """Whether an X server can attach a System V segment of ours, as its clients do for pictures.

    A server in another IPC namespace may have a segment of its own under the same id, and attach that.
    So what counts is that ours has one more process attached.

    Raises:
        ProbeError: the server does not answer as it should.
    """
    opcode = await server.extension(b"MIT-SHM")
    if opcode is None:
        return unknown("the X server has no MIT-SHM")
    with _segment() as shmid:
        if shmid is None:
            return unknown("no System V segment can be had here")
        resource = server.resource_base | 1
        request = struct.pack("<BBHIIBxxx", opcode, _SHM_ATTACH, 4, resource, shmid, True)
        if not await server.tell(request):
            return known(value=False)
        ours = any(s.shmid == shmid and s.nattch > 0 for s in _segments())
        await server.tell(struct.pack("<BBHI", opcode, _SHM_DETACH, 2, resource))
        return known(ours)


def _segments() -> list[sharedmemory.Segment]:
    try:
        return sharedmemory.parse(sharedmemory.TABLE.read_text(encoding="ascii"))
    except (OSError, ValueError, KeyError):
        return []


@contextlib.contextmanager
def _segment() -> Iterator[int | None]:
    """A segment of a page, removed at the end; None if there is none to be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    shmid = libc.shmget(_IPC_PRIVATE, _BYTES, _IPC_CREAT | _OWNER_ONLY)
    try:
        yield shmid if shmid >= 0 else None
    finally:
        if shmid >= 0:
            libc.shmctl(shmid, _IPC_RMID, None)

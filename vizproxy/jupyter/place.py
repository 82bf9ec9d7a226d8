"""Where the desktop of a Jupyter server is: in a sidecar, or started by the server itself."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vizproxy.runtime import MAX_SOCKET_PATH_BYTES, Layout
from vizproxy.thisside import (
    EMBEDDED,
    EMBEDDED_IN_TEMPORARY,
    SHARED_DIRECTORY,
    SOCKET_NAME,
    SOCKET_VARIABLE,
    TEMPORARY,
    shared_socket,
)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A daemon that somebody else starts, be it in another container; it listens on ``socket``."""

    socket: Path


@dataclass(frozen=True, slots=True)
class Embedded:
    """A daemon that the Jupyter server starts for itself, in a runtime directory of its own."""

    runtime_dir: Path

    @property
    def socket(self) -> Path:
        """The socket on which it is to listen."""
        return self.runtime_dir / SOCKET_NAME


Place = Sidecar | Embedded


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of the server's process. ``owner`` is a directory's uid; None if there is none."""

    environ: Mapping[str, str]
    uid: int
    pid: int
    cwd: Path
    owner: Callable[[Path], int | None]
    exists: Callable[[Path], bool]


def look_around() -> Facts:
    """Gather the facts about this process."""
    return Facts(
        environ=os.environ,
        uid=os.getuid(),
        pid=os.getpid(),
        cwd=_cwd(),
        owner=_owner,
        exists=os.path.lexists,
    )


def choose(facts: Facts, *, shared: Path = SHARED_DIRECTORY) -> Place:
    """Say where the desktop is.

    A sidecar is one if VIZPROXY_SOCKET names its socket or the shared directory is there. Whether it
    runs is another question: it may be about to start.
    """
    if told := facts.environ.get(SOCKET_VARIABLE):
        return Sidecar(facts.cwd / told)
    if (owner := facts.owner(shared)) is not None:
        return Sidecar(shared_socket(shared, uid=owner, user=facts.uid))
    return Embedded(_runtime_dir(facts))


def _runtime_dir(facts: Facts) -> Path:
    """A directory that no other server uses, and whose sockets' paths are short enough.

    The number of the process alone would not do: processes in containers that share a directory may
    have the same.
    """
    parent = Path(facts.environ.get("XDG_RUNTIME_DIR", ""))
    first = parent / EMBEDDED.format(pid=facts.pid)
    if not parent.is_absolute() or facts.owner(parent) != facts.uid or not _fits(first):
        first = TEMPORARY / EMBEDDED_IN_TEMPORARY.format(uid=facts.uid, pid=facts.pid)
    others = (first.with_name(f"{first.name}-{n}") for n in itertools.count(2))
    return next(path for path in itertools.chain([first], others) if not facts.exists(path))


def _fits(root: Path) -> bool:
    longest = Layout(root.with_name(f"{root.name}-00")).websockify_socket
    return len(os.fsencode(longest)) <= MAX_SOCKET_PATH_BYTES


def _cwd() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed
        return Path("/")


def _owner(directory: Path) -> int | None:
    try:
        return directory.stat().st_uid if directory.is_dir() else None
    except OSError:
        return None

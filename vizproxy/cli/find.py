"""Finding the desktop that a command is about, where nobody has said which one."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Final

from vizproxy.config import LoadedConfig
from vizproxy.errors import InvalidRequestError
from vizproxy.thisside import (
    EMBEDDED,
    EMBEDDED_IN_TEMPORARY,
    SHARED_DIRECTORY,
    SOCKET_NAME,
    TEMPORARY,
    is_told,
    shared_socket,
    socket_of,
)

_PATIENCE_SECONDS: Final = 1.0


def find_socket(loaded: LoadedConfig) -> Path:
    """The socket of the desktop that is meant; whether anybody listens there is another question.

    Whatever was said holds. Else it is the usual place, if somebody listens there; or else the place of
    a sidecar, or of the one desktop that a Jupyter server of this user has started for itself. Blocks
    for a moment.

    Raises:
        InvalidRequestError: there are several of the last kind.
    """
    usual = socket_of(loaded)
    if is_told(loaded) or _listens(usual):
        return usual
    if _listens(shared := _shared()):
        return shared
    embedded = [place for place in _embedded() if _listens(place)]
    if len(embedded) > 1:
        raise InvalidRequestError(
            "tell which desktop is meant",
            f"several run here, at {' and '.join(map(str, embedded))}",
            "--http-socket with one of them",
        )
    return embedded[0] if embedded else usual


def _shared() -> Path:
    """The socket of a sidecar that shares its directory with this container."""
    try:
        uid = SHARED_DIRECTORY.stat().st_uid
    except OSError:
        uid = None
    return shared_socket(SHARED_DIRECTORY, uid=uid, user=os.getuid())


def _embedded() -> list[Path]:
    """The sockets in the runtime directories of this user's Jupyter servers, dead ones too."""
    uid = os.getuid()
    in_temporary = TEMPORARY.glob(EMBEDDED_IN_TEMPORARY.format(uid=uid, pid="*"))
    own = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    in_own = own.glob(EMBEDDED.format(pid="*")) if own.is_absolute() else ()
    return sorted(
        place / SOCKET_NAME
        for place in chain(in_own, in_temporary)
        if _is_own(place, stat.S_ISDIR) and _is_own(place / SOCKET_NAME, stat.S_ISSOCK)
    )


def _is_own(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether something of that kind is this user's: in /tmp anybody can make what has such a name."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return is_kind(facts.st_mode) and facts.st_uid == os.getuid()


def _listens(place: Path) -> bool:
    """Whether somebody listens on a socket, who need not have time to answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PATIENCE_SECONDS)
        try:
            probe.connect(os.fspath(place))
        except (BlockingIOError, TimeoutError):
            return True
        except OSError:
            return False
    return True

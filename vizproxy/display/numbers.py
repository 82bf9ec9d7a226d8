"""Display numbers: which are taken, which one a server gets, and which it had before.

Our X servers make no lock file, as ``-displayfd`` turns that off (os/utils.c of the X server). So a
lock in /tmp is always another's, and is neither believed nor removed: the PID in it may be another
process's here, since a container has PIDs of its own. What counts is whether somebody listens. A socket
on which nobody does is dead, in whatever namespaces its server was: the kernel refuses the connection.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vizproxy.display.files import X11_SOCKETS
from vizproxy.errors import BusyError
from vizproxy.runtime import Layout, write_private

log = logging.getLogger(__name__)

MOST: Final = 65535 - 6000
"""The highest number that an X server chooses: TCP ports of displays begin with 6000 (X11 protocol,
appendix B)."""

MAX_RECORD_BYTES: Final = 4096


def socket_path(number: int) -> Path:
    """The socket of a display in the file system."""
    return X11_SOCKETS / f"X{number}"


def display_answers(number: int) -> bool:
    """Whether somebody listens on a display's socket in the file system, in whatever container."""
    return _listens(str(socket_path(number)))


def is_taken(number: int) -> bool:
    """Whether there is an X server for a display number, whoever's it is."""
    return display_answers(number) or _listens(_abstract(number))


def number_to_tell() -> int | None:
    """The display number to tell a new X server; None if it may choose one by itself.

    By itself a server takes the first number whose abstract socket is free, and puts its own in the
    place of whatever is in the file system. An abstract socket is seen in its own network namespace
    only, so the server would cut off one of another container that shares the directory of sockets.
    """
    overlooked = False
    for number in range(MOST + 1):
        if _listens(_abstract(number)):
            continue
        if not display_answers(number):
            return number if overlooked else None
        overlooked = True
    return None


def _abstract(number: int) -> str:
    return f"\0{socket_path(number)}"


def _listens(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address)
        except OSError as error:
            # Whatever else there is (a full backlog, no permission) says that somebody is there.
            return error.errno not in {errno.ECONNREFUSED, errno.ENOENT}
    return True


def check_display_free(number: int) -> None:
    """Check that there is no X server for a display number.

    Raises:
        BusyError: there is one.
    """
    if is_taken(number):
        raise BusyError(
            f"start the X server on display :{number}",
            "another X server runs there",
            "another display.number, or none for the first free one",
        )


def remove_dead_display(number: int) -> None:
    """Remove the socket of an X server that was killed and could not do it itself."""
    if not display_answers(number):
        with contextlib.suppress(OSError):
            socket_path(number).unlink()


@dataclass(slots=True)
class DisplayAddress:
    """An X server's display number: chosen by the configuration or by the server at its first start.

    Kept over restarts of the server, so that the environment that users were given stays true, unless
    somebody else takes it meanwhile. ``former`` are numbers that are held by servers that could not be
    killed. ``preferred`` is the number that the server of a killed daemon had.
    """

    number: int | None = None
    preferred: int | None = None
    configured: bool = field(init=False)
    starting: bool = field(default=False, init=False)
    former: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.configured = self.number is not None

    @property
    def numbers(self) -> tuple[int, ...]:
        """All numbers that its servers have had."""
        return tuple(self.former) if self.number is None else (*self.former, self.number)

    def starts(self) -> int | None:
        """A server is about to start; return the number to tell it, if any.

        If another one has taken the number, it gets a new one. That is so only after a start in vain:
        of a server that has just ended, something may still be there for a moment.
        """
        number, in_vain, self.starting = self.number, self.starting, True
        if number is not None and in_vain and not self.configured and is_taken(number):
            log.warning("another X server has taken the display :%d: a new one is chosen", number)
            self.number = None
        if self.number is not None:
            return self.number
        preferred, self.preferred = self.preferred, None
        if preferred is not None and not is_taken(preferred):
            return preferred
        return number_to_tell()

    def started(self, number: int) -> None:
        """The server accepts clients."""
        self.number, self.starting = number, False

    def abandon(self) -> str:
        """The server could not be killed, so its display stays taken; say what that means."""
        if self.number is None:
            return ""
        taken = f", and its display {self.name} stays taken"
        if self.configured:
            return taken
        self.former.append(self.number)
        self.number = None
        return f"{taken}: a next one has another number, in a new environment (`vizproxy env`)"

    @property
    def name(self) -> str | None:
        """The display's name (``:0``), or None before the first start."""
        return None if self.number is None else f":{self.number}"


# ------------------------------------------------------------------- over the death of the daemon


def remember(layout: Layout, numbers: Mapping[str, int | None]) -> None:
    """Write down the numbers of the X servers, by component, for the daemon after this one.

    Raises:
        FileSystemError: they cannot be written.
    """
    known = {name: number for name, number in numbers.items() if number is not None}
    write_private(layout.displays, json.dumps(known).encode())


def recall(layout: Layout) -> dict[str, int]:
    """The numbers of the X servers of a daemon that was killed; what makes no sense is left out."""
    try:
        descriptor = os.open(layout.displays, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            known = json.loads(file.read(MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: number for name, number in known.items() if _is_number(number)}


def _is_number(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= MOST


def remove_dead(numbers: Iterable[int]) -> None:
    """Remove the sockets of X servers that were killed; those on which somebody listens stay."""
    for number in numbers:
        remove_dead_display(number)

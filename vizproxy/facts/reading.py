"""Reading what is on a machine so that nothing raises, hangs or takes more memory than is reasonable.

What is called a file in a path that we look at may be anything: a directory, a pipe that nobody writes
to, a device, a file without end.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from vizproxy.errors import system_reason
from vizproxy.facts.model import Fact, known, unknown

log = logging.getLogger(__name__)

T = TypeVar("T")

TEXT_BYTES: Final = 64 * 1024
"""What is read of a text at most; those of the kernel and of distributions are far shorter."""

MODULE_BYTES: Final = 32 * 1024 * 1024
"""What is read of a library at most, to find its version."""

_ENTRIES: Final = 10_000


class NotKnownError(Exception):
    """A fact cannot be found out; the text is the reason, fit for the middle of a sentence."""


def fact(read: Callable[[], T]) -> Fact[T]:
    """What ``read`` returns, or why it does not. Never raises."""
    try:
        return known(read())
    except NotKnownError as error:
        return unknown(plain(str(error)))
    except OSError as error:
        return unknown(plain(_os_reason(error)))
    except Exception as error:  # the boundary of each collector: the others go on
        log.warning("a fact about this machine could not be read", exc_info=True)
        return unknown(f"reading it failed with {type(error).__name__}")


def data(path: Path, limit: int = TEXT_BYTES) -> bytes:
    """The first ``limit`` bytes of a regular file, which is not waited for.

    Raises:
        OSError: it cannot be read, or is something else than a file.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # opening a device may do something
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def text(path: Path, limit: int = TEXT_BYTES) -> str:
    """The first ``limit`` bytes of a file as text; what is no UTF-8 is replaced.

    Raises:
        OSError: as of :func:`data`.
    """
    return data(path, limit).decode("utf-8", "replace")


def text_or_none(path: Path) -> str | None:
    """The beginning of a file as text; None if it cannot be read."""
    try:
        return text(path)
    except OSError:
        return None


def names(directory: Path) -> list[str]:
    """The names in a directory in order, but for those that are no text; none if it is not there.

    Raises:
        OSError: it cannot be read, or is no directory.
    """
    try:
        with os.scandir(directory) as entries:
            found = [entry.name for entry in itertools.islice(entries, _ENTRIES)]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if name.isprintable())


def names_or_none(directory: Path) -> list[str]:
    """The names in a directory in order; none if it cannot be read."""
    try:
        return names(directory)
    except OSError:
        return []


def plain(told: str) -> str:
    """A text that can be written anywhere: names of files and variables may be no UTF-8."""
    return told.encode("utf-8", "replace").decode("utf-8")


def printable(told: str) -> str:
    """A text that only shows itself: what drivers and recordings tell may hold a terminal's codes."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in told)


def octal(mode: int) -> str:
    """The permissions in a file's mode as text: ``0666``."""
    return f"{stat.S_IMODE(mode):04o}"


def within(root: Path, path: str | Path) -> Path:
    """Where an absolute path lies, if the file system begins at ``root``."""
    return root / str(path).lstrip("/")


def seen_from(root: Path, path: str | Path) -> str:
    """A path below ``root`` as it is written on that machine: :func:`within` undone."""
    try:
        return plain(f"/{Path(path).relative_to(root)}")
    except ValueError:  # a link has led out of it
        return plain(str(path))


def _os_reason(error: OSError) -> str:
    """What the system says of a failed call, with the path if there is one."""
    why = system_reason(error)
    return f"{error.filename} cannot be read: {why}" if error.filename else why

"""Which versions of vizproxy work together: the desktop's, and the one beside a program.

In a Pod they come by different ways, one in the sidecar's image and the other in the notebook's, and
different people bring them up to date. So each tells which version it is, and the oldest that the other
one may be; a version that tells nothing is older than this and counts as :data:`UNTOLD`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import dropwhile
from typing import Final, Self

from vizproxy import __version__
from vizproxy.errors import VersionError

OLDEST: Final = "0.1.0"
"""The oldest version of the other side that this one works with."""

UNTOLD: Final = "0.1.0"
"""What a side is that does not tell."""

_VERSION: Final = re.compile(
    r"\d{1,9}(\.\d{1,9}){0,4}([A-Za-z.+_-][0-9A-Za-z.+_-]{0,60})?", re.ASCII
)
_RELEASE: Final = re.compile(r"\d+(\.\d+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Side:
    """One side: its version, and the oldest version of the other side that it works with."""

    version: str = UNTOLD
    oldest: str = UNTOLD

    @classmethod
    def of(cls, told: Mapping[str, object]) -> Self:
        """What the other side's message tells of it. What makes no sense counts as not told."""
        version, oldest = (told.get(key) for key in ("version", "oldest"))
        if not (_is_version(version) and _is_version(oldest)):
            return cls()
        return cls(str(version), str(oldest))

    def told(self) -> dict[str, str]:
        """What a message to the other side has in it."""
        return asdict(self)


OURS: Final = Side(__version__, OLDEST)


def misfit(*, desktop: Side, program: Side, action: str) -> VersionError | None:
    """The error if the two cannot work together, which says what cannot be done for that.

    ``program`` is the side in the program's container, where the sentence is read.
    """
    if is_older(program.version, desktop.oldest):
        return VersionError(
            action,
            f"vizproxy is {program.version} here, and the desktop's, which is {desktop.version}, works "
            f"with {desktop.oldest} and newer",
            f"`pip install 'vizproxy>={desktop.oldest}'` here",
        )
    if is_older(desktop.version, program.oldest):
        return VersionError(
            action,
            f"the desktop's vizproxy is {desktop.version}, and the one here, which is "
            f"{program.version}, works with {program.oldest} and newer",
            f"a sidecar of version {program.oldest} or newer, or an older vizproxy here",
        )
    return None


def check(*, desktop: Side, program: Side, action: str) -> None:
    """Check that the two can work together.

    Raises:
        VersionError: they cannot.
    """
    error = misfit(desktop=desktop, program=program, action=action)
    if error is not None:
        raise error


def is_older(version: str, other: str) -> bool:
    """Whether one version is older than another."""
    return _key(version) < _key(other)


def _is_version(told: object) -> bool:
    return isinstance(told, str) and _VERSION.fullmatch(told) is not None


def _key(version: str) -> tuple[int, ...]:
    """What orders versions: the numbers of the release, of which zeros at the end do not count."""
    found = _RELEASE.match(version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    return tuple(reversed([*dropwhile(lambda number: number == 0, reversed(numbers))]))

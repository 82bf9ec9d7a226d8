"""The kinds of setting that are texts: choices, paths, programs, addresses, origins, colours."""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from vizproxy.config.kinds import TextKind
from vizproxy.config.values import Address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vizproxy.config.kinds import Place

E = TypeVar("E", bound=StrEnum)

MAX_PORT = 65535

_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]+)")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[^\[\]%]*\]|[^\[\]:/?#@]+)(?::(?P<port>[0-9]+))?"
)
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MAX_HOST = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ChoiceKind(TextKind[E], Generic[E]):
    """One member of an enumeration, written as its value."""

    choices: type[E]

    @property
    def form(self) -> str:
        """The values to choose from."""
        return f"one of {', '.join(self.choices)}"

    def from_text(self, text: str, place: Place) -> E:  # noqa: ARG002 - the interface has it
        """Read one of the values; raise InvalidValueError with the closest one for any other."""
        self.check_text(text)
        try:
            return self.choices(text)
        except ValueError:
            why = f"is not a choice{did_you_mean(text.lower(), self.choices)}"
            raise self.refusal(text, why) from None


@dataclass(frozen=True, slots=True)
class PathKind(TextKind[Path]):
    """An absolute path; a relative one and ``~`` are resolved against the place they stand in."""

    @property
    def form(self) -> str:
        """What a path looks like."""
        return "a path such as /srv/vizproxy or ~/vizproxy"

    def from_text(self, text: str, place: Place) -> Path:
        """Read a path and make it absolute without touching the disk; raise InvalidValueError."""
        self.check_text(text)
        path = Path(text)
        if path.parts[:1] == ("~",):
            if place.home is None:
                raise self.refusal(text, "needs a home directory, which is not known")
            path = place.home.joinpath(*path.parts[1:])
        elif text.startswith("~"):
            raise self.refusal(text, "names another user's home directory")
        elif not path.is_absolute():
            if place.base is None:
                raise self.refusal(text, "is relative to a current directory that does not exist")
            path = place.base / path
        self.check_text(str(path))
        return path


@dataclass(frozen=True, slots=True)
class ProgramKind(TextKind[str]):
    """A program: a name to look up in ``PATH``, or an absolute path."""

    @property
    def form(self) -> str:
        """What a program looks like."""
        return "a name that is in PATH or an absolute path, without arguments"

    def from_text(self, text: str, place: Place) -> str:  # noqa: ARG002
        """Read a program without looking for it; raise InvalidValueError if it cannot be one."""
        self.check_text(text)
        if text.endswith("/"):
            raise self.refusal(text, "is a directory")
        if "/" in text and not text.startswith("/"):
            raise self.refusal(text, "is a relative path")
        if "/" not in text and any(char.isspace() for char in text):
            raise self.refusal(text, "contains a space")
        return text


@dataclass(frozen=True, slots=True)
class ColourKind(TextKind[str]):
    """A colour as ``#rrggbb``; upper-case digits become lower-case."""

    @property
    def form(self) -> str:
        """What a colour looks like."""
        return "a colour #rrggbb such as #2b303b"

    def from_text(self, text: str, place: Place) -> str:  # noqa: ARG002
        """Read a colour; raise InvalidValueError if it is none."""
        self.check_text(text)
        if not _COLOUR.fullmatch(text):
            raise self.refusal(text, "is not a colour")
        return text.lower()


@dataclass(frozen=True, slots=True)
class AddressKind(TextKind[Address]):
    """A TCP address: a host name or literal address, and a port from 0 to 65535."""

    @property
    def form(self) -> str:
        """What an address looks like."""
        return "HOST:PORT such as 127.0.0.1:6080 or [::1]:6080"

    @property
    def bounds(self) -> str:
        """What the port may be."""
        return f"port 0 to {MAX_PORT}"

    def from_text(self, text: str, place: Place) -> Address:  # noqa: ARG002
        """Read an address without resolving its name; raise InvalidValueError if it is none."""
        self.check_text(text)
        match = _ADDRESS.fullmatch(text)
        if not match:
            raise self.refusal(text, "is not an address with a port")
        port = int(match["port"])
        if port > MAX_PORT:
            raise self.refusal(text, f"has a port above {MAX_PORT}")
        host = match["host"] if match["v6"] is None else match["v6"]
        if not (is_host(host) if match["v6"] is None else is_ipv6(host)):
            raise self.refusal(text, f"has {host!r} for a host")
        return Address(host, port)


@dataclass(frozen=True, slots=True)
class OriginKind(TextKind[str]):
    """A web origin as browsers send it: lower-case, without a path or the scheme's own port."""

    @property
    def form(self) -> str:
        """What an origin looks like."""
        return "scheme, host and port only, such as https://hub.example.org"

    def from_text(self, text: str, place: Place) -> str:  # noqa: ARG002
        """Read an origin and normalize it; raise InvalidValueError if it is none."""
        self.check_text(text)
        match = _ORIGIN.fullmatch(text.lower())
        if not match:
            raise self.refusal(text, "is not a web origin")
        scheme, host, port = match["scheme"], match["host"], match["port"]
        if not (is_ipv6(host[1:-1]) if host.startswith("[") else is_host(host)):
            raise self.refusal(text, f"has {host!r} for a host")
        if host.startswith("["):
            host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
        if port is None or int(port) == _DEFAULT_PORTS[scheme]:
            return f"{scheme}://{host}"
        if not 0 < int(port) <= MAX_PORT:
            raise self.refusal(text, f"has a port that is not from 1 to {MAX_PORT}")
        return f"{scheme}://{host}:{int(port)}"


def is_ipv6(host: str) -> bool:
    """Whether a text is a literal IPv6 address, without brackets."""
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def is_host(host: str) -> bool:
    """Whether a text is a literal IPv4 address or can be a host name."""
    labels = host.split(".")
    if labels[-1].isdigit():  # No top-level domain is a number, so this can only be an address.
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
        return True
    return len(host) <= _MAX_HOST and all(_LABEL.fullmatch(label) for label in labels)


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Say `` (did you mean X?)`` with the candidate closest to a name; nothing if none is close."""
    near = closest(name, candidates)
    return f" (did you mean {near}?)" if near else ""


def closest(name: str, candidates: Iterable[str]) -> str:
    """Get the candidate that a misspelt name most likely stands for, or an empty string."""
    near = difflib.get_close_matches(name[:100], list(candidates), n=1, cutoff=0.6)
    return near[0] if near else ""

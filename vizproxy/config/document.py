"""Reads a TOML file into plain values, with every way it can fail as one sentence."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Final

from vizproxy.errors import system_reason

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 1024 * 1024
"""The largest configuration file, in bytes; it keeps a device file from being read forever."""

_POSITION = re.compile(r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


class DocumentError(Exception):
    """The file cannot be read or is no TOML; the text says why."""


def read_document(file: Path) -> dict[str, object]:
    """Read a TOML file; raise DocumentError if it cannot be read or is no TOML."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        why = system_reason(error)
        msg = f"cannot be read: {why}; give a TOML file that exists and that you may read"
        raise DocumentError(msg) from None
    except ValueError as error:  # A NUL, or text that no file name can have.
        msg = f"cannot be read: {error}; give the path of a TOML file"
        raise DocumentError(msg) from None
    if len(data) > MAX_BYTES:
        msg = f"is larger than {MAX_BYTES} bytes; give a TOML file of settings"
        raise DocumentError(msg)
    return _parsed(_decoded(data))


def _decoded(data: bytes) -> str:
    try:
        # Some editors put a byte order mark at the start.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Past a byte order mark, positions in the error are relative to its end.
        start = error.start
        line, column = _position(error.object[:start].decode("utf-8", "replace"))
        msg = f"is not UTF-8 at line {line}, column {column}; save it as UTF-8"
        raise DocumentError(msg) from None


def _parsed(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _POSITION.search(str(error))
        why = _POSITION.sub("", str(error))
        if match and match["line"]:
            line, column = int(match["line"]), int(match["column"])
        else:
            line, column = _position(text)
        msg = f"is not TOML at line {line}, column {column}: {why[:1].lower()}{why[1:]}"
    except ValueError:  # Python reads no decimal integer of more than some thousand digits.
        msg = "has a number with too many digits in it"
    except RecursionError:
        msg = "is nested too deeply"
    raise DocumentError(msg)


def _position(before: str) -> tuple[int, int]:
    """Get the line and column, both from 1, that come after a text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")

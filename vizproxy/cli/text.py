"""How things are written: times for people, JSON for programs, and what an output can carry."""

from __future__ import annotations

import codecs
import json
import os
import sys
from typing import Any, Final

MARKS: Final = {
    "ready": ("32", "●"),
    "starting": ("33", "◌"),
    "stopped": ("33", "◌"),
    "degraded": ("33", "●"),
    "backoff": ("33", "◌"),
    "stopping": ("33", "◌"),
    "killing": ("31", "◌"),
    "fatal": ("31", "✗"),
    "failed": ("31", "✗"),
}
"""Colour (SGR parameter) and mark of each state of the desktop and of its children."""

PLAIN_MARKS: Final = {"●": "*", "◌": "o", "✗": "x", "?": "?"}
"""The same marks for an output that cannot carry them."""


def mark_of(state: str, encoding: str | None = "utf-8") -> tuple[str, str]:
    """The colour (SGR parameter) and the mark of a state, such that the ``encoding`` can carry it."""
    code, mark = MARKS.get(state, ("0", "?"))
    return code, mark if carries("".join(PLAIN_MARKS), encoding) else PLAIN_MARKS[mark]


def carries(text: str, encoding: str | None) -> bool:
    """Whether a text can be written in an encoding; in one that nobody knows it cannot."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def printable(text: str) -> str:
    """A text with its control characters, and others that cannot be seen, written as escapes.

    Names, titles and what programs say may hold anything; it must not reach a terminal as it is.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def coloured() -> bool:
    """Whether to use colours: on a terminal, unless NO_COLOR (https://no-color.org) is set."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def output_encoding() -> str | None:
    """The encoding of standard output, if it has one."""
    return getattr(sys.stdout, "encoding", None)


def json_text(value: Any) -> str:
    """JSON as standard output can carry it: in ASCII, unless that is UTF-8."""
    encoding = output_encoding() or "ascii"
    return json.dumps(value, indent=2, ensure_ascii=codecs.lookup(encoding).name != "utf-8")


def duration_text(seconds: float) -> str:
    """Seconds as people read them: ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = int(seconds + 0.05)  # never "60.0 s"
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

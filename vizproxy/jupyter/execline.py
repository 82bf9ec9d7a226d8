"""The command line of an installed application: the value of ``Exec`` in its desktop entry.

The Desktop Entry specification has rules of its own for it: quotes, and *field codes* such as ``%f``
that stand for files, names and icons. No shell ever sees it, so nothing in it has a meaning beyond
these rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_ESCAPES: Final = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\", ";": ";"}

_PIECE: Final = re.compile(
    r"""
    (?P<space> [\ \t\r\n]+ )
    | " (?P<quoted> (?: [^"\\] | \\. )* ) "
    | ' (?P<verbatim> [^']* ) '     # not of the specification, but files in use have it
    | \\ (?P<escaped> . )           # nor this
    | (?P<plain> [^\ \t\r\n"'\\]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED_ESCAPE: Final = re.compile(r'\\(["`$\\])')
_FIELD_CODE: Final = re.compile(r"%(.?)", re.DOTALL)

_NOTHING: Final = frozenset("fFuUdDnNvmi")
"""Codes for files to be opened, of which we have none, and those that the specification has given up.
``%i`` stands for two arguments, so it has no meaning within one."""


class BrokenLineError(ValueError):
    """A command line that is not as the specification wants it, and must not be carried out."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What the field codes ``%c``, ``%k`` and ``%i`` stand for."""

    name: str
    path: str
    icon: str


def unescaped(text: str) -> str:
    r"""Take the escapes out of a value: ``\s``, ``\n``, ``\t``, ``\r``, ``\\``, and ``\;`` of lists."""
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text)


def arguments(line: str, fields: Fields) -> tuple[str, ...]:
    """Make the arguments of a command line, the value of ``Exec`` without its escapes.

    Raises:
        BrokenLineError: it is not as the specification wants it.
    """
    if "\0" in line:
        raise BrokenLineError("it has a zero byte")
    made: list[str] = []
    for word in _words(line):
        if word == "%i":
            made += ["--icon", fields.icon] if fields.icon else []
            continue
        argument = _expanded(word, fields)
        if argument or not word:  # an empty one was meant only where it was written
            made.append(argument)
    if not made or not made[0]:
        raise BrokenLineError("it names no program")
    return tuple(made)


def _words(line: str) -> Iterator[str]:
    word: str | None = None
    at = 0
    while at < len(line):
        piece = _PIECE.match(line, at)
        if piece is None:
            raise BrokenLineError("it ends within quotes")
        at = piece.end()
        if piece["space"] is None:
            word = (word or "") + _meant(piece)
        elif word is not None:
            yield word
            word = None
    if word is not None:
        yield word


def _meant(piece: re.Match[str]) -> str:
    if piece["quoted"] is not None:
        return _QUOTED_ESCAPE.sub(r"\1", piece["quoted"])
    return piece[piece.lastgroup or 0]


def _expanded(word: str, fields: Fields) -> str:
    def value(found: re.Match[str]) -> str:
        match found[1]:
            case "%":
                return "%"
            case "c":
                return fields.name
            case "k":
                return fields.path
            case code if code and code in _NOTHING:
                return ""
        raise BrokenLineError(f"there is no field code {found[0]}")

    return _FIELD_CODE.sub(value, word)

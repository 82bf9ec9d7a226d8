"""Options that an admin adds to sections of an X server's configuration.

Of two equal options in a section Xorg takes the first. So one that the template has, too,
is replaced.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from vizproxy.config import Xorg, XorgOption
from vizproxy.errors import FileSystemError

_SECTION: Final = re.compile(r'^\s*Section\s+"([^"]*)"', re.IGNORECASE)
_END: Final = re.compile(r"^\s*EndSection\b", re.IGNORECASE)
_SUBSECTION: Final = re.compile(r"^\s*(End)?SubSection\b", re.IGNORECASE)
_OPTION: Final = re.compile(r'^\s*Option\s+"([^"]*)"(?:\s+"([^"]*)")?', re.IGNORECASE)
_INDENT: Final = " " * 4

_SECTIONS: Final = {
    "server_flags": "ServerFlags",
    "device": "Device",
    "monitor": "Monitor",
    "screen": "Screen",
}
"""The section of each setting."""


def any_in(xorg: Xorg) -> bool:
    """Whether there are options to be added."""
    return any(getattr(xorg, key) for key in _SECTIONS)


def added(text: str, xorg: Xorg, template: Path) -> str:
    """Put the options of ``xorg`` into ``text``, which was made from ``template``.

    Of several sections of a kind the first gets them.

    Raises:
        FileSystemError: the template has no section for one.
    """
    for key, section in _SECTIONS.items():
        options: tuple[XorgOption, ...] = getattr(xorg, key)
        if options:
            text = _with(text, section, options, f"xorg.{key}", template)
    return text


def _with(
    text: str, section: str, options: tuple[XorgOption, ...], setting: str, template: Path
) -> str:
    lines = text.splitlines()
    begin = _begin_of(lines, section)
    if begin is None:
        raise FileSystemError(
            f"add the options of {setting}",
            f'the template {template} has no Section "{section}"',
            "adding one to it",
        )
    wanted = {option.key: option for option in options}
    result = lines[: begin + 1]
    inside = False
    for number, line in enumerate(lines[begin + 1 :], start=begin + 1):
        if _END.match(line):
            rest = [_line(option, f"from {setting}") for option in wanted.values()]
            return "\n".join([*result, *rest, *lines[number:]]) + "\n"
        if bounds := _SUBSECTION.match(line):
            inside = not bounds[1]
        result.extend([line] if inside else _replaced(line, wanted, setting))
    raise FileSystemError(
        f"add the options of {setting}",
        f'Section "{section}" in the template {template} has no end',
        "adding EndSection to it",
    )


def _begin_of(lines: list[str], section: str) -> int | None:
    for number, line in enumerate(lines):
        if (found := _SECTION.match(line)) and found[1].lower() == section.lower():
            return number
    return None


def _replaced(line: str, wanted: dict[str, XorgOption], setting: str) -> list[str]:
    """The line, or what comes into its place; the options that are done with go from ``wanted``."""
    found = _OPTION.match(line)
    option = wanted.pop(XorgOption(found[1], "").key, None) if found else None
    if found is None or option is None:
        return [line]
    return [_line(option, f"from {setting}; the template has {found[2] or 'true'}")]


def _line(option: XorgOption, comment: str) -> str:
    return f'{_INDENT}Option "{option.name}" "{option.value}"  # {comment}'

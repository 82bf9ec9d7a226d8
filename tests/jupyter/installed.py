"""Programs that are installed in the home directory of a test's user."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from tests.support import ROOT

ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>"
    "<rect width='32' height='32' rx='6' fill='#00a000'/></svg>"
)


def window_program(title: str, colour: str, *options: str) -> tuple[str, ...]:
    """The command of a program with one window of a colour; it works in any environment."""
    here = (
        "/usr/bin/env",
        f"PYTHONPATH={ROOT}",
        sys.executable,
        "-m",
        "tests.xprogram",
        "--managed",
    )
    return (*here, "--title", title, "--colour", colour, *options)


def failing_program(*lines: str, code: int = 3) -> tuple[str, ...]:
    """The command of a program that prints lines and fails."""
    script = "".join(f"echo '{line}'; " for line in lines)
    return ("/bin/sh", "-c", f"{script}exit {code}")


def install(home: Path, id_: str, name: str, command: tuple[str, ...], **fields: str) -> None:
    """Install a program, as a package does: by a desktop entry and an icon."""
    applications = home / ".local" / "share" / "applications"
    applications.mkdir(parents=True, exist_ok=True)
    icon = applications / f"{id_}.svg"
    icon.write_text(ICON)
    keys = {
        "Type": "Application",
        "Name": name,
        "Exec": " ".join(_quoted(word) for word in command),
        "Icon": str(icon),
        **fields,
    }
    lines = ["[Desktop Entry]", *(f"{key}={value}" for key, value in keys.items())]
    (applications / f"{id_}.desktop").write_text("\n".join(lines) + "\n")


def tile(name: str, command: tuple[str, ...]) -> str:
    """A tile in vizproxy's configuration."""
    return f"[[jupyter.tile]]\nname = {name!r}\ncommand = {shlex.join(command)!r}\n"


def _quoted(word: str) -> str:
    """A word as the desktop entry specification wants it: twice quoted, as a word and as a value."""
    for character in '\\"`$':
        word = word.replace(character, f"\\{character}")
    return '"' + word.replace("\\", "\\\\") + '"'

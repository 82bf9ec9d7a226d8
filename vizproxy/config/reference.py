"""Writes the reference of all settings, and keeps the one in a Markdown file current.

``python -m vizproxy.config.reference README.md`` rewrites the part of the file between its two
markers; with ``--check`` it only says whether that part is current.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vizproxy.config.kinds import OptionalKind
from vizproxy.config.model import SECTIONS, SETTINGS
from vizproxy.errors import EXIT_CANNOT_CREATE, EXIT_USAGE, ConfigError, FileSystemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vizproxy.config.model import Setting

BEGIN: Final = "<!-- configuration reference: begin -->"
END: Final = "<!-- configuration reference: end -->"

_HEADER = """\
| Key | Value | Default | Environment variable | Meaning |
| --- | --- | --- | --- | --- |
"""


def markdown() -> str:
    """Write a table of settings for each section, as Markdown that ends in a newline."""
    return "\n".join(_section(name) for name in SECTIONS)


def replaced(text: str) -> str:
    """Put the current reference between a text's markers; raise ConfigError if it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        action = "write the configuration reference"
        raise ConfigError(action, "the file has no markers for it", f"adding {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{markdown()}{END}{after}"


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite or check a file's reference; return 0, 1 for a stale one, or an error's exit code."""
    parser = argparse.ArgumentParser(prog="python -m vizproxy.config.reference")
    parser.add_argument("file", type=Path, help="a Markdown file with the two markers in it")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    options = parser.parse_args(argv)
    file: Path = options.file
    try:
        old = file.read_text(encoding="utf-8")
        new = replaced(old)
        if new == old:
            return 0
        if options.check:
            command = f"python -m vizproxy.config.reference {file}"
            sys.stderr.write(f"the configuration reference in {file} is stale; run {command}\n")
            return 1
        file.write_text(new, encoding="utf-8")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{FileSystemError(f'update {file}', str(error))}\n")
        return EXIT_CANNOT_CREATE
    return 0


def _section(name: str) -> str:
    purpose = (SECTIONS[name].__doc__ or "").strip()
    rows = [_row(setting) for setting in SETTINGS.values() if setting.section == name]
    return f"### `[{name}]`\n\n{purpose}\n\n{_HEADER}{''.join(rows)}"


def _row(setting: Setting) -> str:
    cells = [
        f"`{setting.key}`",
        _value(setting),
        _default(setting),
        f"`{setting.variable}`",
        setting.doc,
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _value(setting: Setting) -> str:
    form, bounds = setting.kind.form, setting.kind.bounds
    optional = "; optional" if isinstance(setting.kind, OptionalKind) else ""
    if not bounds:
        return form + optional
    return f"{form} ({bounds}){optional}"


def _default(setting: Setting) -> str:
    if setting.default_text:
        return setting.default_text
    return "unset" if setting.default is None else f"`{setting.kind.to_toml(setting.default)}`"


if __name__ == "__main__":
    sys.exit(main())

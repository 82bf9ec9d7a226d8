"""The reference of all settings, generated from the model for README.md (`make docs`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vizproxy.config.kinds import OptionalKind
from vizproxy.config.model import SECTIONS, SETTINGS

if TYPE_CHECKING:
    from vizproxy.config.model import Setting

_HEADER = """\
| Key | Value | Default | Environment variable | Meaning |
| --- | --- | --- | --- | --- |
"""


def markdown() -> str:
    """Write a table of settings for each section, as Markdown that ends in a newline."""
    return "\n".join(_section(name) for name in SECTIONS)


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

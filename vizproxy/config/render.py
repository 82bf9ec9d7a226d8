"""Writes an effective configuration as TOML that says where each value came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vizproxy.config.load import printable
from vizproxy.config.model import SECTIONS, SETTINGS, value_of

if TYPE_CHECKING:
    from vizproxy.config.load import LoadedConfig


def to_toml(loaded: LoadedConfig) -> str:
    """Write a configuration so that loading the text as a file gives an equal one.

    Each line ends in a comment with the value's source. Settings without a value are comments.
    """
    return "\n".join(_section(name, loaded) for name in SECTIONS)


def _section(name: str, loaded: LoadedConfig) -> str:
    rows: list[tuple[str, str]] = []
    for path, setting in SETTINGS.items():
        if setting.section != name:
            continue
        value = value_of(loaded.config, path)
        if value is None:
            line = f"# {setting.key} is not set"
        else:
            line = f"{setting.key} = {setting.kind.to_toml(value)}"
        rows.append((line, printable(loaded.sources[path])))
    width = max(len(line) for line, _ in rows)
    lines = [f"{line:<{width}}  # {source}\n" for line, source in rows]
    return f"[{name}]\n{''.join(lines)}"

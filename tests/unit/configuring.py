"""Loading a configuration that a test has just written."""

from __future__ import annotations

from pathlib import Path

from vizproxy.config import LoadedConfig, load


def config(
    text: str | None = None,
    *,
    at: Path | None = None,
    env: dict[str, str] | None = None,
    flags: dict[str, str] | None = None,
) -> LoadedConfig:
    """Load a file of the given text (or no file) and the other layers."""
    if text is not None:
        assert at is not None
        at.write_text(text, encoding="utf-8")
    return load(file=at, env=env or {}, flags=flags or {})

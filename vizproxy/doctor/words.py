"""Putting words together."""

from __future__ import annotations

from collections.abc import Iterable


def listed(words: Iterable[str], last: str = "and") -> str:
    """Words as a sentence lists them: ``a, b and c``; empty if there are none."""
    *most, final = [*words] or [""]
    return f"{', '.join(most)} {last} {final}" if most else final


def are(count: int) -> str:
    """``is`` or ``are``."""
    return "is" if count == 1 else "are"


def bits(mode: str) -> int:
    """A file's mode as a number; 0 for what is none."""
    try:
        return int(mode, 8)
    except ValueError:
        return 0

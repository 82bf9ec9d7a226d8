"""How amounts of memory are written for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_UNITS: Final = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def amount_text(count: int, rounding: Callable[[float], int] = round) -> str:
    """Bytes as people read them, to three digits: ``1.25 GiB``, ``512 MiB``, ``96 B``.

    Give the ``rounding`` where an amount must not look like another one that it is compared with.
    """
    for unit, size in _UNITS:
        if count >= size:
            value = count / size
            digits = 0 if value >= 100 else 1 if value >= 10 else 2
            text = f"{rounding(value * 10**digits) / 10**digits:.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if digits else text} {unit}"
    return f"{count} B"

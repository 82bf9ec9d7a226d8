"""Where windows go when they share the desktop. No I/O here."""

from __future__ import annotations

import math
from typing import Final

from vizproxy.x11.scene import Geometry

_PLEASANT_RATIO: Final = 4 / 3
"""Width to height of a cell that suits most windows."""

_RAGGED: Final = 0.1
"""How much worse a shape is taken for rows of equal length."""


def grid(area: Geometry, count: int) -> list[Geometry]:
    """Divide an area into ``count`` cells, row by row, without gap or overlap.

    So many rows are chosen as bring the cells closest to a pleasant shape; rows that can all hold as
    many are preferred. Else the upper ones hold one less.
    """
    if count < 1:
        return []
    rows = min(range(1, count + 1), key=lambda rows: _ugliness(area, count, rows))
    cells = []
    for row in range(rows):
        top, height = _share(area.y, area.height, rows, row)
        _, columns = _share(0, count, rows, row)
        for column in range(columns):
            left, width = _share(area.x, area.width, columns, column)
            cells.append(Geometry(left, top, width, height))
    return cells


def _ugliness(area: Geometry, count: int, rows: int) -> float:
    width, height = max(area.width, 1) * rows / count, max(area.height, 1) / rows
    raggedness = _RAGGED if count % rows else 0.0
    return abs(math.log(width / height / _PLEASANT_RATIO)) + raggedness


def _share(start: int, length: int, parts: int, number: int) -> tuple[int, int]:
    """Where part ``number`` of a length begins, and how long it is."""
    begin, end = (length * n // parts for n in (number, number + 1))
    return start + begin, end - begin


def intersection(one: Geometry, other: Geometry) -> Geometry | None:
    """What two rectangles have in common."""
    left, top = max(one.x, other.x), max(one.y, other.y)
    right = min(one.x + one.width, other.x + other.width)
    bottom = min(one.y + one.height, other.y + other.height)
    if right <= left or bottom <= top:
        return None
    return Geometry(left, top, right - left, bottom - top)

"""How what ``vizproxy top`` shows is fitted into a terminal, in numbers alone. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

GAP: Final = 2
"""Columns between two cells of a table, or two words of a line."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a column of a table wants: ``width`` for its widest cell, or ``least`` if room is scarce.

    Where it still does not fit, the columns of the highest ``rank`` are left out first; those of rank
    0 never are.
    """

    width: int
    least: int
    rank: int = 0


def column_widths(claims: Sequence[Claim], room: int) -> list[int]:
    """The width of each column of a table in ``room`` columns of the terminal; 0 is left out."""
    kept = list(range(len(claims)))
    while _claimed(claims, kept, least=True) > room:
        rank = max((claims[number].rank for number in kept), default=0)
        if rank == 0:
            break
        kept = [number for number in kept if claims[number].rank != rank]
    widths = [claim.width if number in kept else 0 for number, claim in enumerate(claims)]
    excess = _claimed(claims, kept, least=False) - room
    for number in kept:
        given = min(max(excess, 0), claims[number].width - claims[number].least)
        widths[number] -= given
        excess -= given
    return widths


def _claimed(claims: Sequence[Claim], kept: Sequence[int], *, least: bool) -> int:
    widths = [claims[number].least if least else claims[number].width for number in kept]
    return sum(widths) + GAP * (len(widths) - 1)


def packed(widths: Sequence[int], room: int, most: int) -> list[list[int]]:
    """Put words of these ``widths`` on at most so many lines, in their order.

    Returns the numbers of the words on each line. What does not fit any more is left out; a word that
    is wider than a line has one for itself, and is cut off there.
    """
    lines: list[list[int]] = []
    used = room
    for number, width in enumerate(widths):
        if lines and used + GAP + width <= room:
            lines[-1].append(number)
            used += GAP + width
        elif len(lines) < most:
            lines.append([number])
            used = width
        else:
            break
    return lines


def paragraph(text: str, room: int, most: int) -> list[str]:
    """A text on at most so many lines; an ellipsis stands for what is left out."""
    wrapped = textwrap.wrap(
        text, max(room, 2), max_lines=most, placeholder=" …", break_on_hyphens=False
    )
    return wrapped or [""]


def rows_shown(count: int, room: int) -> int:
    """How many of ``count`` rows to show in ``room`` lines, if one must say how many there are more."""
    return count if count <= room else max(room - 1, 0)


def bar_cells(amounts: Sequence[float], whole: float, width: int) -> list[int]:
    """How many cells of a bar that is ``width`` long each of the ``amounts`` of a ``whole`` takes.

    Whatever is there can be seen, and the bar looks full only when it is.
    """
    cells: list[int] = []
    total = 0.0
    for amount in amounts:
        total += amount
        share = min(total / whole, 1.0) if whole > 0 else float(total > 0)
        until = int(share * width)
        least = sum(cells) + (amount > 0)
        cells.append(max(min(max(until, least), width) - sum(cells), 0))
    return cells


Measure = Callable[[str], int]
"""How many columns of the terminal a text takes."""


def cut(text: str, width: int, measure: Measure, ellipsis: str) -> str:
    """As much of a text as ``width`` columns hold, with an ellipsis where something is missing."""
    if measure(text) <= width:
        return text
    kept = text
    while kept and measure(kept) + measure(ellipsis) > width:
        kept = kept[:-1]
    return kept + ellipsis if measure(ellipsis) <= width else ""

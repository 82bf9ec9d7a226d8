"""The check-up as lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from vizproxy.doctor.model import Finding, Level, Report

MARKS: Final = {Level.GREEN: "✔", Level.YELLOW: "!", Level.RED: "✘"}
PLAIN_MARKS: Final = {Level.GREEN: "+", Level.YELLOW: "!", Level.RED: "x"}
"""The mark of each level, and the same for output that can carry ASCII alone."""

ARROW: Final = "→"
PLAIN_ARROW: Final = ">"
"""What comes before a remedy."""

NARROWEST: Final = 40
WIDEST: Final = 100
"""Lines that are longer than that are hard to read, however wide the terminal is."""

_COLOURS: Final = {Level.GREEN: "32", Level.YELLOW: "33", Level.RED: "31"}
"""The colour (SGR parameter) of each level."""

_DIM: Final = "2"
_BOLD: Final = "1"
_LEAST_ROOM: Final = 24
"""Columns of text below which the titles get lines of their own."""


def describe(
    report: Report, *, width: int, colour: bool, encoding: str | None = "utf-8"
) -> list[str]:
    """The report as lines of at most ``width`` columns, but for words that are longer than that.

    Marks are such that the ``encoding`` can carry them.
    """
    width = max(NARROWEST, min(width, WIDEST))
    style = _Style(colour, carries(encoding))
    column = 4 + max((len(finding.title) for finding in report.findings), default=0) + 2
    if width - column < _LEAST_ROOM:
        column = 4
    lines = _wrapped(f"Check-up of {report.machine}", width)
    lines = [*(style(_BOLD, line) for line in lines), ""]
    for finding in report.findings:
        lines += _finding(finding, column, width, style)
    return [*lines, "", *_summary(report, width, style)]


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words: a path or a command that was broken could not be copied."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def carries(encoding: str | None) -> bool:
    """Whether the marks can be written in an encoding; in one that nobody knows they cannot."""
    try:
        "".join((*MARKS.values(), ARROW)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class _Style:
    """Colours and marks text, or does not."""

    def __init__(self, colour: bool, marks: bool) -> None:
        self._colour = colour
        self._marks = MARKS if marks else PLAIN_MARKS
        self._arrow = ARROW if marks else PLAIN_ARROW

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and text else text

    def mark(self, level: Level) -> str:
        """The mark of a level."""
        return self(_COLOURS[level], self._marks[level])

    def arrow(self, level: Level) -> str:
        """What comes before the remedy of a finding of that level."""
        return self(_COLOURS[level], self._arrow)


def _finding(finding: Finding, column: int, width: int, style: _Style) -> Iterator[str]:
    """A mark, the title, and beside it what is; below it why that matters and what to do."""
    room = width - column
    indent = " " * column
    bad = finding.level is not Level.GREEN
    title = style(_BOLD, finding.title) if bad else finding.title
    head = f"  {style.mark(finding.level)} {title}"
    what = _wrapped(finding.what, room)
    if column > 4:
        padding = " " * (column - 4 - len(finding.title))
        yield f"{head}{padding}{what[0] if what else ''}".rstrip()
        what = what[1:]
    else:
        yield head
    yield from (indent + line for line in what)
    for line in _wrapped(finding.why, room):
        yield indent + style(_DIM, line)
    arrow = style.arrow(finding.level)
    for number, line in enumerate(_wrapped(finding.remedy, room - 2)):
        yield f"{indent}{' ' if number else arrow} {line}"


def _summary(report: Report, width: int, style: _Style) -> Iterator[str]:
    """How many are fine, and the names of those that are not."""
    by_level = {level: [f for f in report.findings if f.level is level] for level in Level}
    fine = len(by_level[Level.GREEN])
    said = [f"{fine} {'check is' if fine == 1 else 'checks are'} fine"]
    if lesser := by_level[Level.YELLOW]:
        said.append(f"{len(lesser)} could be better ({_titles(lesser)})")
    if bad := by_level[Level.RED]:
        said.append(f"{len(bad)} {'is' if len(bad) == 1 else 'are'} wrong ({_titles(bad)})")
    text = "Everything is fine." if report.level is Level.GREEN else f"{', '.join(said)}."
    first, *others = _wrapped(text, width - 4)
    yield f"  {style.mark(report.level)} {first}"
    yield from (f"    {line}" for line in others)


def _titles(findings: list[Finding]) -> str:
    return ", ".join(dict.fromkeys(finding.title for finding in findings))

"""``vizproxy top`` in a terminal: the page as lines of styled text, by rich."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from vizproxy.cli.text import carries, mark_of
from vizproxy.cli.toplayout import (
    GAP,
    Claim,
    bar_cells,
    column_widths,
    cut,
    packed,
    paragraph,
    rows_shown,
)
from vizproxy.cli.toppage import Bar, Cell, Line, Page, Table, Tone, Word

NARROWEST: Final = 20
"""In a terminal that is narrower still, lines are cut off at its edge."""

_LABEL: Final = 8
"""Columns for the label of a line, without the gap."""

_BAR_IN_TABLE: Final = 12
_WIDEST_BAR: Final = 24
_MOST_LINES: Final = 2
"""On how many lines the facts of one label, or a warning, may stand."""

_MOST_SUMMARY: Final = 4
"""And the summary, which may end with the reason why there is nothing else to show."""

_HIGH: Final = 30
"""From which height on there is room for warnings of more than a line."""

_MOST_WARNINGS: Final = 3
_LEAST_ROWS: Final = 2
"""How many rows of a table are worth its heading."""

_STYLES: Final = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.WARNING: "yellow",
    Tone.BAD: "bold red",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
}
_CODES: Final = {"32": "green", "33": "yellow", "31": "bold red"}
_HEADING: Final = "bold reverse"


@dataclass(frozen=True, slots=True)
class _Signs:
    """What bars are drawn with, and what stands for something left out."""

    used: str
    granted: str
    free: str
    ellipsis: str


_BLOCKS: Final = _Signs("█", "▒", "·", "…")
_PLAIN: Final = _Signs("#", "+", ".", "~")


class PageView:
    """A page that rich can print. In a screen it takes as many lines as there are.

    ``encoding`` is what the output can carry; texts that it cannot are written as escapes.
    """

    def __init__(self, page: Page, encoding: str | None = "utf-8") -> None:
        self._page = page
        self._encoding = encoding if encoding and carries("", encoding) else "ascii"
        self._signs = _BLOCKS if carries("".join(astuple(_BLOCKS)), encoding) else _PLAIN

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines(options.max_width, options.height):
            line.no_wrap, line.overflow = True, "crop"  # where there is no room even for NARROWEST
            yield line

    def lines(self, width: int, height: int | None = None) -> list[Text]:
        """The page in a terminal so wide, and so high, if it has a height."""
        width = max(width, NARROWEST)
        is_low = height is not None and height < _HIGH
        lines = [*self._head(width), *self._warnings(width, 1 if is_low else _MOST_LINES)]
        for line in self._page.lines:
            lines += self._line(line, width)
        rest = len(self._page.tables)
        for table in self._page.tables:
            rest -= 1
            room = None
            if height is not None:  # beside a blank line, the heading, and those of other tables
                room = height - len(lines) - 2 - rest * (2 + _LEAST_ROWS)
            lines += [Text(), *self._table(table, width, room)]
        return lines

    # ------------------------------------------------------------------------------------- its parts

    def _head(self, width: int) -> list[Text]:
        code, mark = mark_of(self._page.state, self._encoding)
        summary = [self._told(x) for x in paragraph(self._page.summary, width - 2, _MOST_SUMMARY)]
        lines = [Text.assemble((mark, _CODES.get(code, "")), " ", (summary[0], "bold"))]
        lines += [Text(f"  {text}", "bold") for text in summary[1:]]
        for words in self._packed(self._page.words, width - 2, 1):
            if lines[-1].cell_len + GAP + words.cell_len <= width:
                lines[-1].append(" " * GAP).append_text(words)
            else:
                lines.append(Text("  ").append_text(words))
        return lines

    def _warnings(self, width: int, most_lines: int) -> Iterator[Text]:
        style, warnings = _STYLES[Tone.WARNING], self._page.warnings
        shown = rows_shown(len(warnings), _MOST_WARNINGS)
        for warning in warnings[:shown]:
            for number, text in enumerate(paragraph(warning, width - 2, most_lines)):
                yield Text(f"{' ' if number else '!'} {self._told(text)}", style)
        if more := len(warnings) - shown:
            yield Text(f"! and {more} warnings more", style)

    def _line(self, line: Line, width: int) -> Iterator[Text]:
        room = width - _LABEL - GAP
        pieces = [self._word(word, room) for word in line.words]
        if line.bar is not None:
            pieces.insert(0, self._bar(line.bar, min(_WIDEST_BAR, room // 3)))
        label = line.label
        for text in self._on_lines(pieces, room, _MOST_LINES):
            yield Text(set_cell_size(label, _LABEL + GAP)).append_text(text)
            label = ""

    def _packed(self, words: tuple[Word, ...], room: int, most: int) -> Iterator[Text]:
        return self._on_lines([self._word(word, room) for word in words], room, most)

    def _on_lines(self, pieces: list[Text], room: int, most: int) -> Iterator[Text]:
        for line in packed([piece.cell_len for piece in pieces], room, most):
            yield Text(" " * GAP).join(pieces[number] for number in line)

    def _table(self, table: Table, width: int, room: int | None) -> Iterator[Text]:
        """A table whose rows take as many lines as there is room for, beside its heading."""
        if not table.rows:
            yield Text(cut(table.empty, width, cell_len, self._signs.ellipsis), _STYLES[Tone.FAINT])
            return
        claims = []
        for number, column in enumerate(table.columns):
            cells = max(self._cell_width(row[number]) for row in table.rows)
            widest = max(cells, cell_len(column.heading))
            claims.append(Claim(widest, min(column.least or widest, widest), column.rank))
        widths = column_widths(claims, width)
        headings = [Word(column.heading) for column in table.columns]
        heading = self._row(table, headings, widths)
        heading.pad_right(max(width - heading.cell_len, 0))
        heading.stylize(_HEADING)
        yield heading
        shown = len(table.rows)
        if room is not None:
            shown = rows_shown(shown, max(room, _LEAST_ROWS))
        yield from (self._row(table, row, widths) for row in table.rows[:shown])
        if more := len(table.rows) - shown:
            yield Text(f"and {more} more", _STYLES[Tone.FAINT])

    def _row(self, table: Table, row: tuple[Cell, ...] | list[Word], widths: list[int]) -> Text:
        cells = []
        for column, cell, width in zip(table.columns, row, widths, strict=True):
            if not width:
                continue
            text = self._bar(cell, width) if isinstance(cell, Bar) else self._word(cell, width)
            blank = " " * (width - text.cell_len)
            cells.append(Text(blank).append_text(text) if column.right else text.append(blank))
        line = Text(" " * GAP).join(cells)
        line.rstrip()
        return line

    def _cell_width(self, cell: Cell) -> int:
        return _BAR_IN_TABLE if isinstance(cell, Bar) else cell_len(self._told(cell.text))

    # ------------------------------------------------------------------------------------ its pieces

    def _word(self, word: Word, room: int) -> Text:
        text = cut(self._told(word.text), room, cell_len, self._signs.ellipsis)
        return Text(text, _STYLES[word.tone])

    def _bar(self, bar: Bar, width: int) -> Text:
        used, granted = bar_cells((bar.used, max(bar.granted - bar.used, 0)), bar.whole, width)
        text = Text(self._signs.used * used, _STYLES[bar.tone])
        text.append(self._signs.granted * granted, _STYLES[bar.tone])
        return text.append(self._signs.free * (width - used - granted), _STYLES[Tone.FAINT])

    def _told(self, text: str) -> str:
        """A text as the output can carry it; so its width is known here already."""
        if carries(text, self._encoding):
            return text
        own = text.replace("…", self._signs.ellipsis).replace(" °C", " C")
        return own.encode(self._encoding, "backslashreplace").decode(self._encoding)


def plain_lines(page: Page, width: int, encoding: str | None) -> list[str]:
    """The page as lines without styles, as high as it is."""
    return [text.plain.rstrip() for text in PageView(page, encoding).lines(width)]

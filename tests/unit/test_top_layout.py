"""How ``vizproxy top`` is fitted into terminals of any size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

CLAIMS = (Claim(20, 8), Claim(10, 10, 2), Claim(6, 6, 1), Claim(8, 8, 1))


@pytest.mark.parametrize(
    ("room", "widths"),
    [
        (100, [20, 10, 6, 8]),
        (50, [20, 10, 6, 8]),
        (45, [15, 10, 6, 8]),
        (38, [8, 10, 6, 8]),
        (37, [19, 0, 6, 8]),
        (26, [8, 0, 6, 8]),
        (25, [20, 0, 0, 0]),
        (3, [8, 0, 0, 0]),
    ],
)
def test_columns(room: int, widths: list[int]) -> None:
    assert column_widths(CLAIMS, room) == widths


@settings(max_examples=40)
@given(
    st.lists(
        st.builds(
            lambda width, less, rank: Claim(width, max(width - less, 1), rank),
            st.integers(1, 40),
            st.integers(0, 40),
            st.integers(0, 5),
        ),
        min_size=1,
        max_size=10,
    ),
    st.integers(1, 200),
)
def test_columns_fit_or_only_those_are_left_that_always_stay(
    claims: list[Claim], room: int
) -> None:
    widths = column_widths(claims, room)
    kept = [width for width in widths if width]
    too_wide = sum(kept) + GAP * (len(kept) - 1) > room
    for claim, width in zip(claims, widths, strict=True):
        assert width == 0 or claim.least <= width <= claim.width
        assert not (width and too_wide and claim.rank)
        assert width or claim.rank


def test_words_are_packed_in_their_order() -> None:
    assert packed([5, 5, 5], 19, 2) == [[0, 1, 2]]
    assert packed([5, 5, 5], 18, 2) == [[0, 1], [2]]
    assert packed([5, 5, 5], 18, 1) == [[0, 1]]
    assert packed([50, 5], 18, 2) == [[0], [1]]
    assert packed([], 18, 2) == []


def test_paragraphs() -> None:
    text = "one two three four five"
    assert paragraph(text, 80, 2) == [text]
    assert paragraph(text, 10, 3) == ["one two", "three four", "five"]
    assert paragraph(text, 10, 2) == ["one two", "three …"]
    assert paragraph("", 10, 2) == [""]
    assert paragraph("x" * 30, 10, 2) == ["x" * 10, "…"]
    assert paragraph(text, 0, 2)


def test_rows() -> None:
    assert [rows_shown(3, room) for room in (4, 3, 2, 1, 0, -1)] == [3, 3, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("amounts", "whole", "cells"),
    [
        ((0, 0), 100, [0, 0]),
        ((50, 25), 100, [5, 2]),
        ((1, 1), 1000, [1, 1]),
        ((999, 0), 1000, [9, 0]),
        ((1000, 0), 1000, [10, 0]),
        ((5000, 10), 1000, [10, 0]),
        ((0, 1000), 1000, [0, 10]),
        ((0, 0), 0, [0, 0]),
        ((1, 0), 0, [10, 0]),
    ],
)
def test_bars(amounts: tuple[int, ...], whole: int, cells: list[int]) -> None:
    assert bar_cells(amounts, whole, 10) == cells


def test_a_cut_text_says_so() -> None:
    assert cut("voreen", 6, len, "…") == "voreen"
    assert cut("voreen", 5, len, "…") == "vore…"
    assert cut("voreen", 1, len, "…") == "…"
    assert cut("voreen", 0, len, "…") == ""
    assert cut("日本語", 5, lambda text: sum(1 if c == "…" else 2 for c in text), "…") == "日本…"

"""The check-up as a terminal shows it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import machines
from tests.unit.doctoring import report
from vizproxy.doctor.model import Finding, Level, Report
from vizproxy.doctor.text import NARROWEST, WIDEST, describe

SGR = re.compile(r"\x1b\[\d+m")


def shown(*findings: Finding, width: int = 80, colour: bool = False) -> list[str]:
    return describe(Report("a box", "egl", "", "", findings), width=width, colour=colour)


GREEN = Finding("a", "Disk", Level.GREEN, "there is room")
YELLOW = Finding("b", "Limits", Level.YELLOW, "low", "it may fail", "raise them")
RED = Finding("c", "Programs", Level.RED, "none", "it cannot start", "install some")


def test_all_is_well() -> None:
    assert shown(GREEN) == [
        "Check-up of a box",
        "",
        "  ✔ Disk  there is room",
        "",
        "  ✔ Everything is fine.",
    ]


def test_what_is_not_well_says_why_and_what_to_do() -> None:
    assert shown(GREEN, YELLOW, RED)[2:] == [
        "  ✔ Disk      there is room",
        "  ! Limits    low",
        "              it may fail",
        "              → raise them",
        "  ✘ Programs  none",
        "              it cannot start",
        "              → install some",
        "",
        "  ✘ 1 check is fine, 1 could be better (Limits), 1 is wrong (Programs).",
    ]


def test_several_findings_of_a_check_are_named_once_in_the_summary() -> None:
    assert shown(GREEN, GREEN, RED, RED)[-1] == "  ✘ 2 checks are fine, 2 are wrong (Programs)."


def test_colours_follow_the_levels() -> None:
    lines = shown(GREEN, YELLOW, RED, colour=True)
    plain = shown(GREEN, YELLOW, RED)
    assert [SGR.sub("", line) for line in lines] == plain
    assert "\x1b[32m✔\x1b[0m Disk" in lines[2]
    assert "\x1b[33m!\x1b[0m \x1b[1mLimits" in lines[3]
    assert "\x1b[31m✘\x1b[0m" in lines[-1]
    assert not any("\x1b" in line for line in plain)


def test_nothing_at_all() -> None:
    assert shown()[-1] == "  ✔ Everything is fine."


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", None, "no such encoding"])
def test_an_encoding_without_the_marks_gets_others(encoding: str | None) -> None:
    told = Report("a box", "egl", "", "", (GREEN, YELLOW, RED))
    lines = describe(told, width=80, colour=False, encoding=encoding)
    assert "\n".join(lines).isascii()
    assert lines == [
        line.replace("✔", "+").replace("✘", "x").replace("→", ">")
        for line in shown(GREEN, YELLOW, RED)
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-16", "gb18030"])
def test_an_encoding_with_the_marks_keeps_them(encoding: str) -> None:
    told = Report("a box", "egl", "", "", (RED,))
    assert describe(told, width=80, colour=False, encoding=encoding) == shown(RED)


@pytest.mark.parametrize("name", machines.NAMES)
@pytest.mark.parametrize("width", [1, NARROWEST, 60, 80, 1000])
def test_lines_fit_the_terminal(name: str, width: int) -> None:
    room = max(NARROWEST, min(width, WIDEST))
    for line in describe(report(name), width=width, colour=False):
        assert len(line) <= room or max(map(len, line.split())) > room - 20, line
        assert line == line.rstrip()


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
sentences = st.lists(words, min_size=1, max_size=12).map(" ".join)


@given(sentences, sentences, st.integers(40, 100))
def test_no_word_is_lost_or_broken(what: str, remedy: str, width: int) -> None:
    lines = shown(Finding("x", "Title", Level.RED, what, "", remedy), width=width)
    text = " ".join(" ".join(lines[2:-2]).split())
    assert " ".join(what.split()) in text
    assert " ".join(remedy.split()) in text

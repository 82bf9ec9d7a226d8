"""Which versions of vizproxy work together."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy import __version__
from vizproxy.compatibility import OLDEST, OURS, UNTOLD, Side, check, is_older, misfit
from vizproxy.errors import VersionError


def error(desktop: Side, program: Side) -> VersionError | None:
    return misfit(desktop=desktop, program=program, action="use the desktop")


def test_we_tell_which_version_this_is() -> None:
    assert OURS.told() == {"version": __version__, "oldest": OLDEST}
    assert Side.of(OURS.told()) == OURS
    assert error(OURS, OURS) is None
    assert not is_older(__version__, OLDEST)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"version": "2.0"},
        {"oldest": "2.0"},
        {"version": 2, "oldest": "1.0"},
        {"version": "2.0", "oldest": None},
        {"version": "2.0\n", "oldest": "1.0"},
        {"version": "2.0 or so", "oldest": "1.0"},
        {"version": "2.0;touch x", "oldest": "1.0"},
        {"version": "", "oldest": ""},
        {"version": "٢.0", "oldest": "1.0"},
        {"version": "1" * 200, "oldest": "1.0"},
    ],
)
def test_what_tells_nothing_that_makes_sense_is_from_before_that(told: dict[str, object]) -> None:
    assert Side.of(told) == Side(UNTOLD, UNTOLD)


@pytest.mark.parametrize("version", ["0.2.0", "1", "1.2.3rc1", "0.3.0.dev4+gabc.d20260101"])
def test_versions_as_packages_have_them(version: str) -> None:
    assert Side.of({"version": version, "oldest": "0.1.0"}).version == version


@pytest.mark.parametrize(
    ("older", "newer"),
    [("0.1.0", "0.1.1"), ("0.9", "0.10"), ("0.9.9", "1.0"), ("1.2.3rc1", "1.2.4"), ("1", "1.0.1")],
)
def test_the_order_of_versions(older: str, newer: str) -> None:
    assert is_older(older, newer)
    assert not is_older(newer, older)


@pytest.mark.parametrize(("one", "other"), [("1", "1.0.0"), ("0.3", "0.3.0.dev4"), ("0", "0.0")])
def test_versions_of_the_same_release(one: str, other: str) -> None:
    assert not is_older(one, other)
    assert not is_older(other, one)


NEW = Side("0.5.0", oldest="0.4.0")


@pytest.mark.parametrize("other", [NEW, Side("0.4.0", "0.1.0"), Side("0.9.0", "0.5.0")])
def test_versions_within_the_range_of_both(other: Side) -> None:
    assert error(NEW, other) is None
    assert error(other, NEW) is None
    check(desktop=NEW, program=other, action="use the desktop")


def test_a_program_side_that_is_too_old_is_to_be_updated() -> None:
    old = Side("0.3.9", "0.1.0")
    found = error(NEW, old)
    assert str(found) == (
        "cannot use the desktop: vizproxy is 0.3.9 here, and the desktop's, which is 0.5.0, works with "
        "0.4.0 and newer; try `pip install 'vizproxy>=0.4.0'` here"
    )
    with pytest.raises(VersionError):
        check(desktop=NEW, program=old, action="use the desktop")


def test_a_desktop_that_is_too_old_is_to_be_updated() -> None:
    found = error(Side("0.3.9", "0.1.0"), NEW)
    assert str(found) == (
        "cannot use the desktop: the desktop's vizproxy is 0.3.9, and the one here, which is 0.5.0, "
        "works with 0.4.0 and newer; try a sidecar of version 0.4.0 or newer, or an older vizproxy here"
    )


versions = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}", fullmatch=True)
sides = st.builds(Side, versions, versions)


@given(sides, sides)
def test_both_sides_come_to_the_same_verdict(desktop: Side, program: Side) -> None:
    """Each judges with what the other has told."""
    there = error(Side.of(desktop.told()), program)
    here = error(desktop, Side.of(program.told()))
    assert str(there) == str(here)
    if there is not None:
        assert re.search(r"try (`pip install|a sidecar of)", str(there))

"""The number of a display: kept over restarts, unless another server has it."""

from __future__ import annotations

import pytest

from vizproxy.display import numbers
from vizproxy.display.numbers import DisplayAddress


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The numbers for which there is an X server, that its socket in the file system tells of."""
    found: set[int] = set()
    monkeypatch.setattr(numbers, "display_answers", found.__contains__)
    monkeypatch.setattr(numbers, "_listens", lambda _: False)
    return found


def test_before_its_first_start_a_server_holds_nothing() -> None:
    address = DisplayAddress()
    assert (address.name, address.numbers, address.abandon()) == (None, (), "")


def test_a_number_that_a_server_chose_is_left_to_it_when_it_cannot_be_killed() -> None:
    address = DisplayAddress()
    address.number = 7
    said = address.abandon()
    assert said.startswith(", and its display :7 stays taken: a next one has another number")
    assert (address.name, address.numbers) == (None, (7,))


def test_the_numbers_of_all_servers_are_known() -> None:
    address = DisplayAddress()
    for number in (7, 8):
        address.number = number
        address.abandon()
    address.number = 9
    assert address.numbers == (7, 8, 9)


def test_a_configured_number_stays_and_the_reason_says_so() -> None:
    address = DisplayAddress(5)
    assert address.abandon() == ", and its display :5 stays taken"
    assert (address.name, address.numbers) == (":5", (5,))


def test_a_number_is_kept_over_restarts() -> None:
    address = DisplayAddress()
    for _ in range(2):
        address.starts()
        address.started(7)
    for _ in range(3):  # failures
        address.starts()
    assert address.number == 7


def test_a_number_that_somebody_else_has_taken_meanwhile_is_given_up(taken: set[int]) -> None:
    address = DisplayAddress()
    address.starts()
    address.started(7)
    taken.add(7)
    address.starts()
    assert address.number == 7, "perhaps the former server is not quite gone"
    assert address.starts() is None
    assert not address.numbers
    address.started(8)
    assert address.name == ":8"


def test_a_configured_number_is_never_given_up(taken: set[int]) -> None:
    taken.add(5)
    address = DisplayAddress(5)
    for _ in range(3):
        address.starts()
    assert address.name == ":5"


def test_the_number_of_a_killed_daemon_s_server_is_taken_again(taken: set[int]) -> None:
    address = DisplayAddress(preferred=3)
    assert (address.name, address.numbers) == (None, ()), "it is not there yet"
    assert address.starts() == 3
    address.started(3)
    assert address.starts() == 3


def test_the_former_number_is_left_to_whoever_has_taken_it(taken: set[int]) -> None:
    taken.add(3)
    assert DisplayAddress(preferred=3).starts() is None


def test_the_former_number_is_tried_once(taken: set[int]) -> None:
    """It may be that the server cannot have it: its socket may be another user's."""
    address = DisplayAddress(preferred=3)
    assert address.starts() == 3
    assert address.starts() is None


def test_a_configured_number_outweighs_the_former_one() -> None:
    assert DisplayAddress(5, preferred=3).starts() == 5

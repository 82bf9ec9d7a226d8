"""The number of a display: kept over restarts, unless another server has it."""

from __future__ import annotations

import pytest

from vizproxy.display import components
from vizproxy.display.components import DisplayAddress


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The numbers for which there is an X server."""
    numbers: set[int] = set()
    monkeypatch.setattr(components, "display_answers", numbers.__contains__)
    return numbers


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
    address.starts()
    assert not address.numbers
    address.started(8)
    assert address.name == ":8"


def test_a_configured_number_is_never_given_up(taken: set[int]) -> None:
    taken.add(5)
    address = DisplayAddress(5)
    for _ in range(3):
        address.starts()
    assert address.name == ":5"

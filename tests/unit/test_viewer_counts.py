"""Adding up what viewers do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_input import GREETING, KEY_DOWN, UPDATE_REQUEST
from vizproxy.gateway.access import Role
from vizproxy.gateway.counting import MOST_PINGS, Counts, Stopwatch, ViewerMeter
from vizproxy.gateway.tally import ViewerTally


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Watching:
    """A viewer that came 3 s ago."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.uses = 0
        self.counts = Counts()
        self.meter = ViewerMeter(self.counts, arrived=97.0, used=self.used, clock=self.clock)

    def used(self) -> None:
        self.uses += 1

    def tally(self) -> ViewerTally:
        return self.counts.tally({Role.CONTROL: 1})


# --------------------------------------------------------------------------------------- updates


def test_an_update_is_taken_when_the_next_one_is_asked_for() -> None:
    seen = Watching()
    seen.meter.received(GREETING)
    seen.meter.received(UPDATE_REQUEST)
    assert seen.tally().updates == 0
    seen.meter.received(UPDATE_REQUEST)
    assert seen.tally().updates == 1
    seen.meter.received(3 * UPDATE_REQUEST)
    assert seen.tally().updates == 4


def test_updates_of_several_viewers_are_added_up() -> None:
    counts = Counts()
    for requests in (0, 1, 2, 5):
        meter = ViewerMeter(counts, arrived=0.0, used=lambda: None)
        meter.received(GREETING + requests * UPDATE_REQUEST)
    assert counts.tally({}).updates == 1 + 4
    assert counts.tally({}).first_picture.count == 2


def test_the_first_picture_is_there_when_the_second_is_asked_for() -> None:
    seen = Watching()
    seen.meter.received(GREETING + UPDATE_REQUEST)
    assert seen.tally().first_picture.count == 0
    seen.clock.now += 0.5
    seen.meter.received(UPDATE_REQUEST)
    seen.clock.now += 60
    seen.meter.received(UPDATE_REQUEST)
    first = seen.tally().first_picture
    assert (first.count, first.total) == (1, 3.5)
    assert dict(zip(first.bounds, first.counts, strict=False))[5.0] == 1


def test_input_is_told_of_and_bytes_are_counted() -> None:
    seen = Watching()
    seen.meter.received(GREETING)
    seen.meter.received(KEY_DOWN)
    seen.meter.received(UPDATE_REQUEST)
    seen.meter.sent(1000)
    seen.meter.sent(24)
    tally = seen.tally()
    assert seen.uses == 1
    assert tally.received_messages == 3
    assert tally.received_bytes == len(GREETING + KEY_DOWN + UPDATE_REQUEST)
    assert (tally.sent_messages, tally.sent_bytes) == (2, 1024)


# ----------------------------------------------------------------------------------- round trips


def test_a_round_trip() -> None:
    seen = Watching()
    payload = seen.meter.ping()
    seen.clock.now += 0.03
    seen.meter.pong(payload)
    tally = seen.tally()
    assert tally.last_round_trip == pytest.approx(0.03)
    assert dict(zip(tally.round_trip.bounds, tally.round_trip.counts, strict=False))[0.05] == 1


def test_a_pong_counts_once_and_only_for_a_ping_of_ours() -> None:
    seen = Watching()
    payload = seen.meter.ping()
    for answer in (b"", payload, payload, payload + b"x"):
        seen.meter.pong(answer)
    assert seen.tally().round_trip.count == 1


def test_a_viewer_may_answer_the_last_ping_alone() -> None:
    seen = Watching()
    seen.meter.ping()
    seen.clock.now += 5
    payload = seen.meter.ping()
    seen.clock.now += 0.25
    seen.meter.pong(payload)
    assert seen.tally().last_round_trip == 0.25


def test_a_pong_that_comes_after_the_next_ping_is_a_long_round_trip() -> None:
    seen = Watching()
    payload = seen.meter.ping()
    seen.clock.now += 5
    seen.meter.ping()
    seen.clock.now += 1
    seen.meter.pong(payload)
    assert seen.tally().last_round_trip == 6
    assert seen.tally().round_trip.counts[-1] == 1


def test_pings_of_a_viewer_that_never_answers_are_forgotten() -> None:
    seen = Watching()
    first, second, *_ = [seen.meter.ping() for _ in range(MOST_PINGS + 1)]
    seen.meter.pong(first)
    assert seen.tally().round_trip.count == 0
    seen.meter.pong(second)
    assert seen.tally().round_trip.count == 1


# ----------------------------------------------------------------------------------------- waits


class Nanoseconds:
    def __init__(self) -> None:
        self.now = 10**18

    def __call__(self) -> int:
        return self.now


def test_waits_are_added_up_also_those_that_go_on() -> None:
    clock = Nanoseconds()
    watch = Stopwatch(clock)
    assert watch.seconds == 0
    with watch:
        clock.now += 500_000_000
        assert watch.seconds == 0.5
        with watch:
            clock.now += 1_000_000_000
            assert watch.seconds == 2.5
        clock.now += 1
        assert watch.seconds == 2.500_000_001
    clock.now += 10**12
    assert watch.seconds == 2.500_000_001


def test_a_wait_that_is_broken_off_is_counted() -> None:
    clock = Nanoseconds()
    watch = Stopwatch(clock)

    def wait() -> None:
        with watch:
            clock.now += 1_000_000_000
            raise TimeoutError

    with pytest.raises(TimeoutError):
        wait()
    clock.now += 1_000_000_000
    assert watch.seconds == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["enter", "exit", "pass"]), st.integers(0, 10**10)), max_size=20
    )
)
def test_the_sum_never_shrinks(steps: list[tuple[str, int]]) -> None:
    clock = Nanoseconds()
    watch = Stopwatch(clock)
    waiting, before = 0, 0.0
    for step, passed in steps:
        if step == "enter":
            watch.__enter__()
            waiting += 1
        elif step == "exit" and waiting:
            watch.__exit__()
            waiting -= 1
        clock.now += passed
        now = watch.seconds
        assert now >= before
        before = now

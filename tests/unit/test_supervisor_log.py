"""The supervisor: what it writes into the log of its children, and of what they say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from signal import SIGKILL

import pytest

from tests.unit.fakes import World
from tests.unit.supervising import ONE, POLICY, STACK, running
from vizproxy.supervise.output import BURST_LINES, LINES_PER_SECOND, PAUSE_SECONDS

Line = tuple[str, str]
"""Level and text."""


class Kept(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def told() -> Iterator[list[logging.LogRecord]]:
    """The supervisor's records so far."""
    logger, kept = logging.getLogger("vizproxy.supervise"), Kept()
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    yield kept.records
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(kept)


def tags(record: logging.LogRecord) -> dict[str, object]:
    names = ("component", "pid", "state")
    return {name: getattr(record, name) for name in names if hasattr(record, name)}


def lines(records: list[logging.LogRecord]) -> list[Line]:
    return [(record.levelname, record.getMessage()) for record in records]


# -------------------------------------------------------------------------------------- transitions


async def test_each_transition_tells_whose_process_it_is_about(
    told: list[logging.LogRecord],
) -> None:
    world = World(ONE, POLICY)
    await running(world)
    first = world.child("a").pid
    await world.end("a", -SIGKILL)
    await world.advance(POLICY.backoff_initial)
    second = world.child("a").pid
    assert lines(told) == [
        ("INFO", "stopped -> starting"),
        ("INFO", "starting -> ready"),
        ("WARNING", "ready -> backoff: was killed by SIGKILL"),
        ("INFO", "backoff -> stopped"),
        ("INFO", "stopped -> starting"),
        ("INFO", "starting -> ready"),
    ]
    assert {record.component for record in told} == {"a"}  # type: ignore[attr-defined]
    assert [tags(record).get("pid") for record in told] == [None, first, first, None, None, second]
    told.clear()
    await world.stop()
    assert [(tags(record)["pid"], tags(record)["state"]) for record in told] == [
        (second, "stopping"),
        (second, "stopped"),
    ]


async def test_one_that_cannot_be_executed_has_no_pid(told: list[logging.LogRecord]) -> None:
    world = World(ONE, POLICY)
    await running(world)
    world.missing.add("a")
    await world.end("a")
    await world.advance(POLICY.backoff_initial)
    assert lines(told)[-1] == (
        "WARNING",
        "starting -> backoff: cannot be executed: No such file or directory",
    )
    assert tags(told[-1]) == {"component": "a", "state": "backoff"}
    await world.stop()


@pytest.mark.parametrize(("most", "counted"), [(1, "1 failure"), (2, "2 failures")])
async def test_giving_up_is_told_with_the_last_output_line_by_line(
    told: list[logging.LogRecord], most: int, counted: str
) -> None:
    world = World(ONE, replace(POLICY, max_failures=most))
    await running(world)
    for _ in range(most - 1):
        await world.end("a")
        await world.advance(POLICY.backoff_max)
    for n in range(30):
        world.child("a").say(f"line {n}")
    told.clear()
    await world.end("a")
    assert lines(told) == [
        ("ERROR", f"ready -> fatal: gave up after {counted}: exited with status 1"),
        *[("WARNING", f"last output: line {n}") for n in range(10, 30)],
    ]
    pid = world.child("a").pid
    assert tags(told[0]) == {"component": "a", "pid": pid, "state": "fatal"}
    assert all(tags(record) == {"component": "a", "pid": pid} for record in told[1:])


# --------------------------------------------------------------------------------- what they say


async def test_output_is_tagged_and_no_more_than_small_talk(
    told: list[logging.LogRecord],
) -> None:
    world = World(ONE, POLICY)
    await running(world)
    told.clear()
    world.child("a").say("hello\x1b[2J")
    assert lines(told) == [("DEBUG", "hello\N{REPLACEMENT CHARACTER}[2J")]
    assert tags(told[0]) == {"component": "a", "pid": world.child("a").pid}
    await world.stop()


async def test_a_child_that_says_too_much_is_cut_short(told: list[logging.LogRecord]) -> None:
    world = World(STACK, POLICY)
    await running(world)
    told.clear()
    talker = world.child("wm")
    for n in range(BURST_LINES + 37):
        talker.say(f"line {n}")
    assert lines(told) == [("DEBUG", f"line {n}") for n in range(BURST_LINES)]

    told.clear()
    world.child("x").say("I have hardly said a thing")
    assert lines(told) == [("DEBUG", "I have hardly said a thing")]

    told.clear()
    await world.advance(PAUSE_SECONDS)
    talker.say("and so on")
    assert lines(told) == [("DEBUG", "37 lines of output left out"), ("DEBUG", "and so on")]
    assert {tags(record)["pid"] for record in told} == {talker.pid}
    await world.stop()


async def test_a_child_that_never_stops_gets_its_share(told: list[logging.LogRecord]) -> None:
    world = World(ONE, POLICY)
    await running(world)
    told.clear()
    step, seconds, said = 0.01, 10, 0
    for _ in range(round(seconds / step)):
        world.child("a").say("again")
        said += 1
        await world.advance(step)
    logged = [text for _, text in lines(told) if text == "again"]
    left_out = sum(int(text.split()[0]) for _, text in lines(told) if "left out" in text)
    assert BURST_LINES < len(told) <= BURST_LINES + LINES_PER_SECOND * seconds
    assert said - len(logged) - left_out <= PAUSE_SECONDS / step  # what is left out just now
    assert len(told) > 0.9 * LINES_PER_SECOND * seconds
    world.child("a").end(0)
    left_out = sum(int(text.split()[0]) for _, text in lines(told) if "left out" in text)
    assert len(logged) + left_out == said
    await world.stop()
    assert world.clock.pending() == 0


async def test_the_end_of_a_child_tells_what_was_left_out(told: list[logging.LogRecord]) -> None:
    world = World(ONE, POLICY)
    await running(world)
    told.clear()
    for _ in range(BURST_LINES + 1):
        world.child("a").say("again")
    world.child("a").end(0)
    assert lines(told)[BURST_LINES:] == [
        ("DEBUG", "1 line of output left out"),
        ("WARNING", "ready -> backoff: exited with status 0"),
    ]
    await world.advance(POLICY.backoff_initial)
    told.clear()
    world.child("a").say("a new run may talk anew")
    assert lines(told) == [("DEBUG", "a new run may talk anew")]
    await world.stop()


async def test_nothing_is_counted_where_nothing_is_logged(
    told: list[logging.LogRecord],
) -> None:
    logging.getLogger("vizproxy.supervise").setLevel(logging.INFO)
    world = World(ONE, POLICY)
    await running(world)
    told.clear()
    timers = world.clock.pending()
    for _ in range(2 * BURST_LINES):
        world.child("a").say("again")
    assert (told, world.clock.pending()) == ([], timers)
    assert world.status("a").output == ("again",) * 20
    await world.stop()

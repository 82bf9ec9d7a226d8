"""The supervisor: what it remembers of its children over all of their runs."""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGKILL

import pytest

from tests.unit.fakes import World, idle
from tests.unit.supervising import CHAIN, NOTICED, ONE, POLICY, STACK, lives, running
from vizproxy.supervise.history import Cause, ComponentHistory, cause_of
from vizproxy.supervise.machine import TABLE, Event, State


def history(world: World, name: str = "a") -> ComponentHistory:
    return next(h for h in world.supervisor.history() if h.name == name)


def causes(world: World, name: str = "a") -> dict[Cause, int]:
    """The restarts by cause, which are those of the status."""
    restarts = dict(history(world, name).restarts)
    assert sum(restarts.values()) == world.status(name).restarts
    return restarts


# --------------------------------------------------------------------------------- what led to it


@lives(ONE)
async def test_the_first_start_is_no_restart(world: World) -> None:
    assert causes(world) == {}
    await running(world)
    assert causes(world) == {}


@pytest.mark.parametrize(
    ("status", "cause"),
    [(0, Cause.EXITED), (1, Cause.EXITED), (137, Cause.EXITED), (-SIGKILL, Cause.KILLED)],
)
async def test_a_child_that_ends_by_itself(status: int, cause: Cause) -> None:
    world = World(ONE, POLICY)
    await running(world)
    await world.end("a", status)
    assert causes(world) == {}  # it is counted when it is started
    await world.advance(POLICY.backoff_max)
    assert causes(world) == {cause: 1}
    await world.stop()


@lives(ONE)
async def test_a_child_that_is_not_ready_in_time(world: World) -> None:
    world.unready.add("a")
    world.deaf.add("a")  # so SIGKILL ends it, for which it is not to blame a second time
    await world.start()
    await world.advance(POLICY.start_timeout + POLICY.stop_timeout + POLICY.backoff_initial)
    assert causes(world) == {Cause.NOT_READY: 1}


@lives(ONE)
async def test_a_child_that_stays_ill(world: World) -> None:
    await running(world)
    world.ill.add("a")
    await world.advance(NOTICED + POLICY.degraded_timeout + POLICY.backoff_initial)
    assert causes(world) == {Cause.UNHEALTHY: 1}


@lives(ONE)
async def test_a_program_that_cannot_be_executed(world: World) -> None:
    world.missing.add("a")
    await world.start()
    await world.advance(1000)
    assert world.state("a") is State.FATAL
    assert causes(world) == {Cause.NOT_EXECUTABLE: POLICY.max_failures - 1}
    world.missing.clear()
    assert world.supervisor.retry("a")
    await idle()
    assert causes(world) == {Cause.NOT_EXECUTABLE: POLICY.max_failures - 1, Cause.RETRY: 1}


@lives(STACK)
async def test_the_loss_of_a_dependency_explains_what_it_led_to(world: World) -> None:
    await running(world)
    world.child("wm").end(1)  # it is seen to go first
    world.child("x").end(-SIGKILL)
    await idle()
    await world.advance(POLICY.backoff_initial)
    assert causes(world, "x") == {Cause.KILLED: 1}
    assert causes(world, "wm") == causes(world, "vnc") == {Cause.DEPENDENCY: 1}
    assert causes(world, "ws") == {}


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (lambda s: s.restart("a", "lost the GPU"), Cause.RESTART),
        (lambda s: s.retry("a"), Cause.RETRY),
    ],
)
async def test_a_child_that_is_ended_to_be_started_again(
    act: Callable[..., bool], cause: Cause
) -> None:
    world = World(ONE, POLICY)
    await running(world)
    world.ill.add("a")
    await world.advance(NOTICED)
    assert act(world.supervisor)
    world.ill.clear()
    await world.advance(POLICY.backoff_max)
    assert causes(world) == {cause: 1}
    await world.stop()


@lives(ONE)
async def test_a_retry_in_backoff_is_why_it_starts_now(world: World) -> None:
    await running(world)
    await world.end("a")
    assert world.supervisor.retry("a")
    await idle()
    assert causes(world) == {Cause.RETRY: 1}


@lives(ONE)
async def test_a_start_after_a_stop_is_nobodys_fault(world: World) -> None:
    await running(world)
    await world.end("a")
    await world.stop()
    await running(world)
    assert history(world).restarts == {}


def test_each_way_to_another_run_has_a_cause() -> None:
    asked = {State.STOPPING, State.KILLING}  # the reason for which it was asked is known by then
    ends = {Event.EXITED, Event.SPAWN_FAILED, Event.DEPENDENCY_LOST, Event.RESTART, Event.RETRY}
    for state, event in TABLE:
        timed_out = event is Event.TIMEOUT and state in {State.STARTING, State.DEGRADED}
        expected = (event in ends and state not in asked) or timed_out
        assert (cause_of(state, event, 0) is not None) == expected, (state, event)


# --------------------------------------------------------------------------------------- its times


@lives(CHAIN)
async def test_the_time_in_each_state_adds_up_to_all_time(world: World) -> None:
    world.unready.add("a")
    await world.start()
    await world.advance(3)
    world.unready.clear()
    await world.advance(POLICY.probe_interval)
    await world.advance(7)
    await world.end("a")
    await world.advance(POLICY.backoff_initial + 5)
    ready_after = 3 + POLICY.probe_interval
    assert history(world).seconds == {
        State.STOPPED: 0,
        State.STARTING: ready_after,
        State.READY: 7 + 5,
        State.BACKOFF: POLICY.backoff_initial,
    }
    assert history(world, "b").seconds[State.STOPPED] == ready_after + POLICY.backoff_initial
    for name in CHAIN:
        total = sum(history(world, name).seconds.values())
        assert total == pytest.approx(ready_after + 7 + POLICY.backoff_initial + 5)


@lives(ONE)
async def test_how_long_the_start_took(world: World) -> None:
    world.unready.add("a")
    await world.start()
    await world.advance(2)
    assert history(world).startup_seconds is None
    world.unready.clear()
    await world.advance(POLICY.probe_interval)
    assert history(world).startup_seconds == 2 + POLICY.probe_interval
    world.ill.add("a")
    await world.advance(NOTICED)
    world.ill.clear()
    await world.advance(5)  # ready once more, but not by a start
    assert history(world).startup_seconds == 2 + POLICY.probe_interval
    world.unready.add("a")
    await world.end("a")
    await world.advance(
        POLICY.backoff_initial + 1
    )  # a start that is under way has not taken it yet
    assert history(world).startup_seconds == 2 + POLICY.probe_interval


@lives(ONE)
async def test_what_was_told_stays_as_it_was(world: World) -> None:
    await running(world)
    before = history(world)
    await world.end("a")
    await world.advance(100)
    assert before == ComponentHistory(
        "a", {}, {State.STOPPED: 0, State.STARTING: 0, State.READY: 0}, 0
    )


@lives(STACK)
async def test_a_child_that_was_forgotten_has_no_history(world: World) -> None:
    world.missing.add("wm")
    await world.start()
    await world.advance(1000)
    assert world.supervisor.retire("wm")
    assert [h.name for h in world.supervisor.history()] == ["x", "vnc", "ws"]
    await world.stop()

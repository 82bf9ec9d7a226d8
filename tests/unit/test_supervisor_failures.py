"""The supervisor: failing and coming back, losing a dependency, and what is stale by then."""

from __future__ import annotations

import asyncio
from signal import SIGKILL

import pytest

from tests.unit.fakes import World, idle
from tests.unit.supervising import CHAIN, NOTICED, ONE, POLICY, STACK, lives, running
from vizproxy.supervise.machine import State
from vizproxy.supervise.process import Child

# ----------------------------------------------------------------------- failing, and coming back


@lives(ONE)
async def test_backoff_grows_until_the_child_is_given_up(world: World) -> None:
    await running(world)
    delays: list[float] = []
    for n in range(1, POLICY.max_failures):
        await world.end("a", status=n)
        status = world.status("a")
        assert (status.state, status.failures) == (State.BACKOFF, n)
        assert status.reason == f"exited with status {n}"
        assert status.retry_in_seconds is not None
        delays.append(status.retry_in_seconds)
        await world.advance(delays[-1] - 0.001)
        assert world.state("a") is State.BACKOFF
        await world.advance(0.001)
        assert world.state("a") is State.READY
        assert world.status("a").restarts == n
    assert delays == [1, 2, 4]

    world.child("a").say("out of memory")
    await world.end("a", status=-6)
    status = world.status("a")
    assert (status.state, status.failures) == (State.FATAL, 4)
    assert (status.reason, status.output) == ("was killed by SIGABRT", ("out of memory",))
    assert status.retry_in_seconds is None
    await world.advance(1000)
    assert world.spawns("a") == 4


async def test_jitter_shortens_the_backoff() -> None:
    world = World(ONE, POLICY, jitter=lambda: 0.5)
    await running(world)
    await world.end("a")
    assert world.status("a").retry_in_seconds == 0.75 * POLICY.backoff_initial
    await world.stop()


@lives(ONE)
async def test_failures_are_forgotten_only_after_sustained_readiness(world: World) -> None:
    await running(world)
    await world.end("a")
    await world.advance(POLICY.backoff_initial)
    await world.advance(POLICY.stable_after - 0.1)
    assert world.status("a").failures == 1
    await world.advance(0.1)
    assert world.status("a").failures == 0
    await world.end("a")
    assert world.status("a").retry_in_seconds == POLICY.backoff_initial


@lives(CHAIN)
async def test_retry_gives_another_chance(world: World) -> None:
    world.missing.add("b")
    await world.start()
    assert not world.supervisor.retry("a")  # it needs none
    assert not world.supervisor.retry("c")  # it waits for another
    assert world.supervisor.retry("b")  # at once, instead of after the backoff
    await idle()
    assert (world.spawns("b"), world.status("b").failures) == (2, 1)

    await world.advance(1000)
    assert world.state("b") is State.FATAL
    world.missing.clear()
    assert world.supervisor.retry("b")
    await idle()
    assert world.states() == [State.READY] * 3
    assert (world.status("b").failures, world.status("b").reason) == (0, "")
    with pytest.raises(KeyError):
        world.supervisor.retry("nonsense")


# ------------------------------------------------------- being restarted, and being forgotten


@lives(CHAIN)
async def test_a_restart_ends_a_child_and_what_needs_it_and_brings_them_back(world: World) -> None:
    await running(world)
    world.log.clear()
    assert world.supervisor.restart("b", "lost the GPU")
    await idle()
    assert world.log == ["b SIGTERM", "c SIGTERM"]
    status = world.status("b")
    assert (status.state, status.failures, status.reason) == (State.BACKOFF, 1, "lost the GPU")
    assert not world.supervisor.restart("b", "lost it again")  # it is down already
    await world.advance(POLICY.backoff_initial)
    assert world.states() == [State.READY] * 3
    assert (world.status("b").restarts, world.status("c").failures) == (1, 0)
    with pytest.raises(KeyError):
        world.supervisor.restart("nonsense", "")


@lives(ONE)
async def test_a_child_that_is_restarted_too_often_is_given_up(world: World) -> None:
    await running(world)
    for _ in range(POLICY.max_failures):
        assert world.supervisor.restart("a", "lost the GPU")
        await world.advance(POLICY.backoff_max)
    assert (world.state("a"), world.status("a").reason) == (State.FATAL, "lost the GPU")


@lives(STACK)
async def test_a_child_that_was_given_up_can_be_forgotten(world: World) -> None:
    world.missing.add("wm")
    await world.start()
    assert not world.supervisor.retire("wm")  # it is not given up yet
    await world.advance(1000)
    assert world.state("wm") is State.FATAL
    changes = world.changes
    assert world.supervisor.retire("wm")
    assert world.changes == changes + 1
    assert [s.name for s in world.supervisor.snapshot()] == ["x", "vnc", "ws"]
    for name in ("wm", "nonsense"):
        with pytest.raises(KeyError):
            world.supervisor.retire(name)
    with pytest.raises(ValueError, match="another child depends on x"):
        world.supervisor.retire("x")
    await world.stop()


@lives(CHAIN)
async def test_whether_a_child_was_ever_ready_is_remembered(world: World) -> None:
    world.unready.add("b")
    await world.start()
    assert [s.was_ready for s in world.supervisor.snapshot()] == [True, False, False]
    world.unready.clear()
    await world.advance(1)
    assert all(s.was_ready for s in world.supervisor.snapshot())
    world.missing.add("b")
    await world.end("b")
    await world.advance(1000)
    assert world.state("b") is State.FATAL
    assert world.status("b").was_ready


# ---------------------------------------------------------------------------- losing a dependency


@lives(STACK)
async def test_the_loss_of_a_dependency_restarts_what_needs_it(world: World) -> None:
    await running(world)
    world.log.clear()
    await world.end("x")
    assert world.log == ["wm SIGTERM", "vnc SIGTERM"]
    assert world.status("wm").reason == "waits for the x program"
    assert world.state("ws") is State.READY
    await world.advance(POLICY.backoff_initial)
    assert world.log[2:] == ["spawn x", "spawn wm", "spawn vnc"]
    assert {name: world.status(name).failures for name in STACK} == {
        "x": 1,
        "wm": 0,
        "vnc": 0,
        "ws": 0,
    }


@lives(STACK)
async def test_dependents_that_go_first_are_not_blamed(world: World) -> None:
    """When an X server dies its clients may be seen to exit before it."""
    await running(world)
    world.child("wm").end(1)
    world.child("vnc").end(1)
    assert world.status("wm").failures == 1  # nothing else is known yet
    world.child("x").end(-SIGKILL)
    await idle()
    assert (world.state("wm"), world.status("wm").failures) == (State.STOPPED, 0)
    await world.advance(POLICY.backoff_initial)
    assert set(world.states()) == {State.READY}
    assert world.status("vnc").failures == 0


@lives(STACK)
async def test_a_dependent_that_was_given_up_gets_a_chance_with_a_new_dependency(
    world: World,
) -> None:
    world.missing.add("wm")
    await world.start()
    await world.advance(1000)
    assert world.state("wm") is State.FATAL
    world.missing.clear()
    await world.end("x")
    await world.advance(POLICY.backoff_initial)
    assert world.state("wm") is State.READY


@lives(CHAIN)
async def test_a_loss_goes_down_the_whole_chain(world: World) -> None:
    world.deaf.add("b")
    await running(world)
    world.log.clear()
    await world.end("a")
    assert world.log == ["b SIGTERM", "c SIGTERM"]
    await world.advance(POLICY.backoff_initial)
    assert world.states() == [State.READY, State.STOPPING, State.STOPPED]
    assert world.spawns("b") == 0  # not before the former one is gone
    await world.advance(POLICY.stop_timeout)
    assert world.states() == [State.READY] * 3


@lives(CHAIN)
async def test_a_loss_while_a_dependent_is_being_spawned(world: World) -> None:
    world.hold("b")
    await world.start()
    await world.end("a")
    assert world.state("b") is State.STOPPING
    await world.release("b")
    assert world.log == ["spawn a", "spawn b", "b SIGTERM"]
    await world.advance(POLICY.backoff_initial)
    assert world.states() == [State.READY] * 3
    assert len(world.living("b")) == 1


@lives(CHAIN)
async def test_a_degraded_dependency_keeps_its_dependents(world: World) -> None:
    world.ill.add("a")
    await running(world)
    await world.advance(NOTICED)
    assert world.states() == [State.DEGRADED, State.READY, State.READY]


# ---------------------------------------------------------------------------------- what is stale


@lives(ONE)
async def test_a_timer_of_a_former_run_is_ignored(world: World) -> None:
    await running(world)
    await world.advance(POLICY.stable_after - 1)
    await world.end("a")
    await world.advance(POLICY.backoff_initial)
    assert world.state("a") is State.READY
    await world.advance(POLICY.stable_after - 1)  # the former run's time would be over
    assert world.status("a").failures == 1


@lives(ONE)
async def test_a_timer_that_fires_though_it_was_cancelled_is_ignored(world: World) -> None:
    world.unready.add("a")
    await world.start()
    late = max(world.clock._timers, key=lambda timer: timer.when)
    assert late.when == world.clock.now + POLICY.start_timeout
    await world.end("a")
    world.unready.clear()
    await world.advance(POLICY.backoff_initial)
    assert (world.state("a"), world.status("a").failures) == (State.READY, 1)
    late.callback()
    await idle()
    assert (world.state("a"), world.status("a").failures) == (State.READY, 1)


@lives(ONE)
async def test_timers_do_not_pile_up(world: World) -> None:
    await running(world)
    for _ in range(10):
        world.ill ^= {"a"}
        await world.advance(POLICY.health_interval)
    assert world.clock.pending() == 2  # that of its state, and the next health check
    await world.stop()
    assert world.clock.pending() == 0


async def test_a_probe_of_a_former_run_is_ignored() -> None:
    """A health probe that was asked before a crash and answers after the restart."""
    asked: list[asyncio.Future[None]] = []

    async def slow(child: Child) -> None:
        asked.append(asyncio.get_running_loop().create_future())
        await asyncio.shield(asked[-1])

    world = World(ONE, POLICY, probes={"healthy a": slow})
    await running(world)
    await world.advance(POLICY.health_interval)
    await world.end("a")
    await world.advance(POLICY.backoff_initial)
    asked[0].set_exception(ConnectionResetError("the former run is gone"))
    await idle()
    assert world.state("a") is State.READY
    await world.stop()
    assert world.bugs == []

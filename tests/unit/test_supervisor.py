"""The supervisor, on a clock and with children that the tests drive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from signal import SIGKILL, SIGTERM

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import eventually
from tests.unit.fakes import FakeChild, World, idle
from vizproxy.supervise import machine as m
from vizproxy.supervise.clock import LoopClock
from vizproxy.supervise.graph import Component, check_graph
from vizproxy.supervise.machine import State
from vizproxy.supervise.policy import Policy
from vizproxy.supervise.process import Child, ProcessSpec
from vizproxy.supervise.status import describe_exit
from vizproxy.supervise.supervisor import _AGAIN_SECONDS, Supervisor

POLICY = Policy(
    start_timeout=10,
    stop_timeout=2,
    kill_timeout=3,
    backoff_initial=1,
    backoff_max=4,
    max_failures=4,
    stable_after=30,
    health_interval=5,
    health_timeout=60,
    degraded_timeout=20,
    probe_interval=0.5,
)

NOTICED = POLICY.health_interval + _AGAIN_SECONDS
"""When illness from the start of a run is noticed: a miss is looked at again before it counts."""

ONE: dict[str, tuple[str, ...]] = {"a": ()}
CHAIN: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("b",)}
STACK: dict[str, tuple[str, ...]] = {"x": (), "wm": ("x",), "vnc": ("x",), "ws": ()}
DIAMOND: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


def lives(
    graph: dict[str, tuple[str, ...]], policy: Policy = POLICY
) -> Callable[[Callable[[World], Awaitable[None]]], Callable[[], Awaitable[None]]]:
    """A test of a world with this graph; no bug of the supervisor's may turn up in it."""

    def decorate(test: Callable[[World], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            world = World(graph, policy)
            await test(world)
            assert world.bugs == []

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


async def running(world: World) -> World:
    await world.start()
    assert set(world.states()) == {State.READY}
    return world


# ------------------------------------------------------------------------------------- starting


@lives(CHAIN)
async def test_starts_follow_the_graph_on_observed_readiness(world: World) -> None:
    world.unready |= {"a", "b"}
    await world.start()
    assert world.log == ["spawn a"]
    assert world.status("b").reason == "waits for the a program"

    await world.advance(3)
    assert world.log == ["spawn a"]  # it is there for a while, but that does not make it ready

    world.unready.remove("a")
    await world.advance(POLICY.probe_interval)
    assert world.log == ["spawn a", "spawn b"]
    assert world.states() == [State.READY, State.STARTING, State.STOPPED]

    world.unready.remove("b")
    await world.advance(POLICY.probe_interval)
    assert world.states() == [State.READY] * 3


@lives(STACK)
async def test_branches_start_side_by_side(world: World) -> None:
    world.unready |= {"x"}
    await world.start()
    assert world.log == ["spawn x", "spawn ws"]
    assert world.state("ws") is State.READY

    world.unready.clear()
    world.unready |= {"wm"}
    await world.advance(POLICY.probe_interval)
    assert world.log[2:] == ["spawn wm", "spawn vnc"]
    assert world.state("vnc") is State.READY  # it need not wait for wm


@lives(DIAMOND)
async def test_a_child_waits_for_all_of_its_dependencies(world: World) -> None:
    world.unready |= {"c"}
    await world.start()
    assert world.states() == [State.READY, State.READY, State.STARTING, State.STOPPED]
    assert world.status("d").reason == "waits for the c program"
    world.unready.clear()
    await world.advance(POLICY.probe_interval)
    assert world.state("d") is State.READY


@lives(ONE)
async def test_a_child_that_does_not_get_ready_is_charged_and_started_again(world: World) -> None:
    world.unready.add("a")
    await world.start()
    await world.advance(POLICY.start_timeout - 0.1)
    assert world.log == ["spawn a"]
    await world.advance(0.1)
    assert world.log == ["spawn a", "a SIGTERM"]
    status = world.status("a")
    assert (status.state, status.failures) == (State.BACKOFF, 1)
    assert status.reason == "was not ready within 10 s: too early"
    assert status.retry_in_seconds == POLICY.backoff_initial


@lives(ONE)
async def test_a_spawn_that_fails_is_charged(world: World) -> None:
    world.missing.add("a")
    await world.start()
    status = world.status("a")
    assert (status.state, status.failures) == (State.BACKOFF, 1)
    assert status.reason == "cannot be executed: No such file or directory"
    assert status.pid is None
    world.missing.clear()
    await world.advance(POLICY.backoff_initial)
    assert world.state("a") is State.READY


@lives(ONE)
async def test_a_child_that_ends_before_its_spawn_returns(world: World) -> None:
    """Its PID may be somebody else's by then: no signal may be sent to it."""
    world.hold("a")
    spawn = world.supervisor._spawn_child

    async def quick(
        spec: ProcessSpec, *, ended: Callable[[Child, int], None], line: Callable[[str], None]
    ) -> Child:
        child = FakeChild(spec, world, ended=ended, line=line)
        child.end(3)
        await world.held["a"].wait()  # so late that the next run has begun
        return child

    world.supervisor._spawn_child = quick
    await world.start()
    assert world.status("a").reason == "exited with status 3"
    world.supervisor._spawn_child = spawn
    held = world.held.pop("a")
    await world.advance(POLICY.backoff_initial)
    assert world.state("a") is State.READY
    held.set()
    await idle()
    assert world.log == ["spawn a"]
    assert world.state("a") is State.READY


# ------------------------------------------------------------------------------------- stopping


@lives(DIAMOND)
async def test_stops_go_the_other_way_round(world: World) -> None:
    await running(world)
    world.log.clear()
    await world.stop()
    assert world.log == ["d SIGTERM", "b SIGTERM", "c SIGTERM", "a SIGTERM"]
    assert world.states() == [State.STOPPED] * 4


@lives(CHAIN)
async def test_a_dependency_is_not_asked_to_end_while_a_dependent_ends(world: World) -> None:
    world.deaf.add("c")
    await running(world)
    world.log.clear()
    stopping = await world.begin_stop()
    await world.advance(POLICY.stop_timeout - 0.1)
    assert world.log == ["c SIGTERM"]
    assert world.states() == [State.READY, State.READY, State.STOPPING]
    await world.advance(0.1)
    assert world.log == ["c SIGTERM", "c SIGKILL", "b SIGTERM", "a SIGTERM"]
    await stopping
    assert world.states() == [State.STOPPED] * 3


@lives(ONE)
async def test_what_survives_a_kill_is_abandoned(world: World) -> None:
    world.deaf.add("a")
    world.immortal.add("a")
    await running(world)
    world.child("a").say("stuck in the driver")
    stopping = await world.begin_stop()
    await world.advance(POLICY.stop_timeout)
    assert world.state("a") is State.KILLING
    await world.advance(POLICY.kill_timeout - 0.1)
    assert not stopping.done()
    await world.advance(0.1)
    await stopping
    status = world.status("a")
    assert status.state is State.FATAL
    assert status.reason == "did not die within 3 s of SIGKILL"
    assert status.output == ("stuck in the driver",)
    assert status.restarts == 0  # it was never started again


@lives(ONE)
async def test_a_late_exit_of_an_abandoned_child_is_ignored(world: World) -> None:
    world.deaf.add("a")
    world.immortal.add("a")
    world.unready.add("a")
    await world.start()
    await world.advance(POLICY.start_timeout + POLICY.stop_timeout + POLICY.kill_timeout)
    assert world.state("a") is State.FATAL
    abandoned = world.child("a")

    world.unready.clear()
    assert world.supervisor.retry("a")
    await idle()
    assert world.state("a") is State.READY
    pid = world.status("a").pid
    abandoned.end(-SIGKILL)
    await idle()
    assert world.state("a") is State.READY
    assert world.status("a").pid == pid != abandoned.pid


@lives(ONE)
async def test_a_stop_before_the_start(world: World) -> None:
    await world.stop()
    assert world.log == []
    # and it does not count for a later start
    await running(world)
    world.deaf.add("a")
    stopping = await world.begin_stop()
    assert not stopping.done()
    await world.advance(POLICY.stop_timeout)
    await stopping
    assert world.states() == [State.STOPPED]


@lives(CHAIN)
async def test_a_second_stop_waits_for_the_same_end(world: World) -> None:
    world.deaf.add("a")
    await running(world)
    first, second = await world.begin_stop(), await world.begin_stop()
    assert not first.done()
    assert not second.done()
    await world.advance(POLICY.stop_timeout)
    await first
    await second
    await world.stop()  # when all is down
    assert world.log.count("a SIGTERM") == 1


@lives(CHAIN)
async def test_a_stop_during_backoff(world: World) -> None:
    await running(world)
    await world.end("b")
    assert world.state("b") is State.BACKOFF
    await world.stop()
    assert world.states() == [State.STOPPED] * 3
    await world.advance(1000)
    assert world.spawns("b") == 1


@lives(CHAIN)
async def test_a_stop_after_one_was_given_up(world: World) -> None:
    await running(world)
    for _ in range(POLICY.max_failures):
        await world.end("c")
        await world.advance(POLICY.backoff_max)
    assert world.state("c") is State.FATAL
    await world.stop()
    assert world.states() == [State.STOPPED, State.STOPPED, State.FATAL]


@lives(ONE)
async def test_a_stop_while_a_spawn_is_under_way(world: World) -> None:
    world.hold("a")
    await world.start()
    stopping = await world.begin_stop()
    assert world.state("a") is State.STOPPING
    assert not stopping.done()
    await world.release("a")
    assert world.log == ["spawn a", "a SIGTERM"]
    await stopping
    assert world.states() == [State.STOPPED]
    assert world.living("a") == []


@lives(ONE)
async def test_a_kill_that_came_due_while_a_spawn_was_under_way(world: World) -> None:
    world.hold("a")
    world.deaf.add("a")
    await world.start()
    stopping = await world.begin_stop()
    await world.advance(POLICY.stop_timeout)
    assert world.state("a") is State.KILLING
    await world.release("a")
    assert world.log == ["spawn a", "a SIGKILL"]
    await stopping
    assert world.status("a").failures == 0


@lives(ONE)
async def test_a_stop_while_a_spawn_that_will_fail_is_under_way(world: World) -> None:
    world.hold("a")
    world.missing.add("a")
    await world.start()
    stopping = await world.begin_stop()
    await world.release("a")
    await stopping
    assert (world.states(), world.status("a").failures) == ([State.STOPPED], 0)


@pytest.mark.parametrize("missing", [False, True])
async def test_a_spawn_that_comes_back_after_it_was_abandoned(missing: bool) -> None:
    world = World(ONE, POLICY)
    world.hold("a")
    if missing:
        world.missing.add("a")
    await world.start()
    stopping = await world.begin_stop()
    await world.advance(POLICY.stop_timeout + POLICY.kill_timeout)
    assert world.state("a") is State.FATAL
    await world.release("a")
    assert world.log == ["spawn a"] if missing else ["spawn a", "a SIGKILL"]
    assert world.living("a") == []
    assert world.state("a") is State.FATAL
    await stopping
    assert world.bugs == []


@lives(STACK)
async def test_kill_all_kills_every_group_at_once(world: World) -> None:
    world.deaf |= set(STACK)
    await running(world)
    world.log.clear()
    world.supervisor.kill_all()
    assert sorted(world.log) == sorted(f"{name} SIGKILL" for name in STACK)
    await idle()
    assert not any(world.living(name) for name in STACK)
    assert set(world.states()) == {State.STOPPED}  # nothing starts again


@lives(ONE)
async def test_kill_all_reaches_a_child_that_is_being_spawned(world: World) -> None:
    world.hold("a")
    world.deaf.add("a")
    await world.start()
    world.supervisor.kill_all()
    await world.release("a")
    assert world.log == ["spawn a", "a SIGKILL"]
    assert world.living("a") == []


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


async def test_giving_up_is_logged_with_the_last_output(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("vizproxy"), "propagate", True)
    world = World(ONE, replace(POLICY, max_failures=1))
    await running(world)
    for n in range(30):
        world.child("a").say(f"line {n}")
    await world.end("a")
    record = next(r for r in caplog.records if r.levelno == logging.ERROR)
    first, *lines = record.getMessage().splitlines()
    assert first == "gave up after 1 failures: exited with status 1; its last output:"
    assert [text.strip() for text in lines] == [f"line {n}" for n in range(10, 30)]


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


# ---------------------------------------------------------------------- losing a dependency


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


# --------------------------------------------------------------------------------------- health


@lives(ONE)
async def test_a_child_degrades_and_recovers(world: World) -> None:
    await running(world)
    world.ill.add("a")
    await world.advance(NOTICED)
    status = world.status("a")
    assert (status.state, status.reason) == (State.DEGRADED, "is ill")
    world.ill.clear()
    await world.advance(_AGAIN_SECONDS)  # who is ill is looked at more often
    status = world.status("a")
    assert (status.state, status.reason, status.failures) == (State.READY, "", 0)
    assert world.log == ["spawn a"]


@lives(ONE)
async def test_a_single_miss_does_not_count(world: World) -> None:
    await running(world)
    world.ill.add("a")
    await world.advance(POLICY.health_interval)
    world.ill.clear()
    changes = world.changes
    await world.advance(10 * POLICY.health_interval)
    assert world.state("a") is State.READY
    assert world.changes == changes


@lives(CHAIN)
async def test_a_child_that_is_ill_since_its_dependency_is_is_left_alone(world: World) -> None:
    await running(world)
    world.ill |= {"a", "b"}
    await world.advance(NOTICED + POLICY.degraded_timeout - 0.1)
    assert world.states() == [State.DEGRADED, State.DEGRADED, State.READY]
    world.log.clear()
    await world.advance(0.1)
    assert world.log == ["a SIGTERM", "b SIGTERM", "c SIGTERM"]
    assert (world.status("a").failures, world.status("b").failures) == (1, 0)


async def test_a_child_may_be_exempt_from_restarts_for_illness() -> None:
    world = World(ONE, POLICY, never_restarted_for_illness={"a"})
    await running(world)
    world.ill.add("a")
    await world.advance(10 * POLICY.degraded_timeout)
    assert (world.log, world.state("a")) == (["spawn a"], State.DEGRADED)
    assert world.supervisor.retry("a")  # but a person may want one
    await world.advance(POLICY.stop_timeout)
    assert world.log == ["spawn a", "a SIGTERM", "spawn a"]
    await world.stop()
    assert world.bugs == []


@lives(ONE)
async def test_a_child_that_stays_ill_is_restarted(world: World) -> None:
    await running(world)
    world.ill.add("a")
    await world.advance(NOTICED + POLICY.degraded_timeout - 0.1)
    assert world.log == ["spawn a"]
    await world.advance(0.1)
    assert world.log == ["spawn a", "a SIGTERM"]
    status = world.status("a")
    assert (status.state, status.failures) == (State.BACKOFF, 1)
    assert status.reason == "did not recover within 20 s: is ill"
    world.ill.clear()
    await world.advance(POLICY.backoff_initial)
    assert world.state("a") is State.READY


@lives(ONE)
async def test_a_crash_while_degraded(world: World) -> None:
    await running(world)
    world.ill.add("a")
    await world.advance(NOTICED)
    assert world.state("a") is State.DEGRADED
    await world.end("a", status=-11)
    assert world.status("a").reason == "was killed by SIGSEGV"
    world.ill.clear()
    await world.advance(POLICY.backoff_initial + POLICY.health_interval)
    assert world.state("a") is State.READY


async def hang(child: Child) -> None:
    await asyncio.get_running_loop().create_future()


async def test_a_ready_probe_that_hangs_is_bounded() -> None:
    policy = replace(POLICY, health_timeout=0.01)
    world = World(ONE, policy, probes={"ready a": hang})
    await world.start()
    record = world.supervisor._records["a"]

    async def timed_out() -> bool:
        return record.probe_error == "no answer within 0.01 s"

    await eventually(timed_out)
    assert world.state("a") is State.STARTING
    await world.advance(policy.start_timeout)
    reason = "was not ready within 10 s: no answer within 0.01 s"
    assert world.status("a").reason == reason
    await world.stop()


async def test_a_health_probe_that_hangs_is_bounded() -> None:
    world = World(ONE, replace(POLICY, health_timeout=0.01), probes={"healthy a": hang})
    await running(world)
    await world.advance(POLICY.health_interval)

    async def degraded() -> bool:
        await world.advance(_AGAIN_SECONDS)
        return world.state("a") is State.DEGRADED

    await eventually(degraded)
    assert world.status("a").reason == "no answer within 0.01 s"
    await world.stop()
    assert world.bugs == []


async def test_a_probe_that_cannot_reach_the_child_is_no_bug() -> None:
    async def refused(child: Child) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    world = World(ONE, POLICY, probes={"healthy a": refused})
    await running(world)
    await world.advance(NOTICED)
    assert world.state("a") is State.DEGRADED
    assert "Connection refused" in world.status("a").reason
    await world.stop()
    assert world.bugs == []


@pytest.mark.parametrize("which", ["ready", "healthy"])
async def test_a_bug_in_a_probe_is_reported_as_one(which: str) -> None:
    async def buggy(child: Child) -> None:
        raise ZeroDivisionError

    world = World(ONE, POLICY, probes={f"{which} a": buggy})
    await world.start()
    await world.advance(POLICY.health_interval)
    assert [type(bug) for bug in world.bugs] == [ZeroDivisionError]
    await world.stop()  # which still works
    assert world.states() == [State.STOPPED]


async def test_a_bug_in_a_spec_is_reported_as_one() -> None:
    bugs: list[BaseException] = []

    def spec() -> ProcessSpec:
        raise ZeroDivisionError

    component = Component("a", "a program", spec, ready=hang)
    supervisor = Supervisor([component], POLICY, changed=lambda: None, bug=bugs.append)
    supervisor.start()
    await idle()
    assert [type(bug) for bug in bugs] == [ZeroDivisionError]


# ------------------------------------------------------------------------------- what is stale


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


# ----------------------------------------------------------------------------------- reporting


@lives(CHAIN)
async def test_changed_is_called_for_what_others_would_see_and_for_nothing_else(
    world: World,
) -> None:
    seen: list[list[State]] = []
    world.on_change = lambda: seen.append(world.states())
    await running(world)
    assert seen[-1] == [State.READY] * 3
    assert [State.READY, State.STARTING, State.STOPPED] in seen

    calls = world.changes
    await world.advance(3 * POLICY.health_interval)  # all is well, and nobody need be told
    assert world.changes == calls

    await world.end("c")
    assert seen[-1][2] is State.BACKOFF
    await world.stop()
    assert seen[-1] == [State.STOPPED] * 3


@lives(CHAIN)
async def test_the_snapshot_tells_times_and_pids(world: World) -> None:
    await running(world)
    await world.advance(12)
    status = world.status("b")
    assert status.since_seconds == 12
    assert (status.pid, status.restarts) == (world.child("b").pid, 0)
    assert status.title == "b program"
    world.child("b").say("hello")
    assert world.status("b").output == ("hello",)
    assert [s.name for s in world.supervisor.snapshot()] == ["a", "b", "c"]


@lives(ONE)
async def test_the_output_of_a_former_run_does_not_outlive_the_next_start(world: World) -> None:
    await running(world)
    world.child("a").say("crashing")
    await world.end("a")
    assert world.status("a").output == ("crashing",)
    await world.advance(POLICY.backoff_initial)
    assert world.status("a").output == ()


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "exited with status 0"),
        (127, "exited with status 127"),
        (-9, "was killed by SIGKILL"),
        (-64, "was killed by SIGRTMAX"),
        (-63, "was killed by signal 63"),
    ],
)
def test_describe_exit(status: int, text: str) -> None:
    assert describe_exit(status) == text


def test_sigterm_is_described() -> None:
    assert describe_exit(-SIGTERM) == "was killed by SIGTERM"


async def test_the_loop_clock_is_the_loops() -> None:
    clock, fired = LoopClock(), asyncio.Event()
    began = clock.time()
    clock.call_later(0.001, fired.set)
    cancelled = clock.call_later(0, lambda: pytest.fail("it was cancelled"))
    cancelled.cancel()
    await fired.wait()
    await clock.sleep(0)
    assert clock.time() >= began + 0.001


# ------------------------------------------------------------------------------------- the graph


def component(name: str, *after: str) -> Component:
    return Component(name, name, lambda: ProcessSpec(name, (name,), {}, ""), hang, after=after)


@pytest.mark.parametrize(
    ("components", "error"),
    [
        ([component("a"), component("a")], "not unique"),
        ([component("a", "b")], "a depends on b, which does not exist"),
        ([component("a", "b"), component("b", "a")], "in a circle"),
        ([component("a", "a")], "in a circle"),
    ],
)
def test_a_graph_that_cannot_work_is_refused(components: list[Component], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        check_graph(components)


def test_a_graph_may_be_given_in_any_order() -> None:
    check_graph([component("c", "b"), component("b", "a"), component("a")])


# ------------------------------------------------------------------------------- any schedule

NAMES = tuple(DIAMOND) + tuple(f"{name}2" for name in CHAIN)
FOREST = DIAMOND | {f"{name}2": tuple(f"{a}2" for a in after) for name, after in CHAIN.items()}

Action = tuple[str, str, float]

toggles = st.sampled_from(["unready", "ill", "deaf", "immortal", "missing", "hold"])
names = st.sampled_from(NAMES)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.just(""), st.sampled_from([0.1, 1, 2, 5, 10, 40])),
        st.tuples(st.just("exit"), names, st.sampled_from([0, 1, -9])),
        st.tuples(st.just("retry"), names, st.just(0)),
        st.tuples(toggles, names, st.just(0)),
    ),
    max_size=40,
)


class Schedule:
    """Plays a schedule and checks what must hold at any moment."""

    def __init__(self) -> None:
        self.world = World(FOREST, POLICY, jitter=lambda: 0.3)
        self.world.on_change = self.check
        self.once_immortal: set[str] = set()

    def check(self) -> None:
        """Called whenever the supervisor has settled."""
        world = self.world
        state = {s.name: s.state for s in world.supervisor.snapshot()}
        for name, after in FOREST.items():
            if state[name] in m.RUNNING:
                assert all(state[a] in m.UP for a in after), f"{name} runs without {after}: {state}"
            if state[name] in m.DOWN | {State.BACKOFF}:
                assert all(child.killed for child in world.living(name)), f"{name} was left alone"
            assert len([c for c in world.living(name) if not c.killed]) <= 1

    async def play(self, action: Action) -> None:
        world = self.world
        kind, name, number = action
        match kind:
            case "advance":
                await world.advance(number)
            case "exit":
                if living := world.living(name):
                    living[-1].end(int(number))
            case "retry":
                world.supervisor.retry(name)
            case "hold":
                if name in world.held:
                    await world.release(name)
                else:
                    world.hold(name)
            case _:
                chosen: set[str] = getattr(world, kind)
                chosen.symmetric_difference_update({name})
                self.once_immortal |= world.immortal
        await idle()
        assert world.bugs == []

    async def end(self) -> None:
        world = self.world
        stopping = await world.begin_stop()
        for name in list(world.held):
            await world.release(name)
        longest = (POLICY.stop_timeout + POLICY.kill_timeout) * len(FOREST)
        await world.advance(longest)
        assert stopping.done()
        await stopping
        assert set(world.states()) <= m.DOWN
        for name in FOREST:
            assert name in self.once_immortal or not world.living(name)
        spawned = [line for line in world.log if line.startswith("spawn")]
        await world.advance(1000)
        assert [line for line in world.log if line.startswith("spawn")] == spawned
        assert world.bugs == []


@settings(deadline=None, max_examples=150)
@given(schedule=actions, early=st.booleans())
def test_any_schedule(schedule: list[Action], early: bool) -> None:
    async def run() -> None:
        play = Schedule()
        if not early:
            await play.world.start()
        for action in schedule[: len(schedule) // 2]:
            await play.play(action)
        if early:
            await play.world.start()
        for action in schedule[len(schedule) // 2 :]:
            await play.play(action)
        await play.end()

    asyncio.run(run())

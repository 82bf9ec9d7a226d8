"""The supervisor: health, and what is reported."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from signal import SIGTERM

import pytest

from tests.support import eventually
from tests.unit.fakes import World, idle
from tests.unit.supervising import CHAIN, NOTICED, ONE, POLICY, lives, running
from vizproxy.errors import exit_reason
from vizproxy.supervise.clock import LoopClock
from vizproxy.supervise.graph import Component, check_graph
from vizproxy.supervise.machine import State
from vizproxy.supervise.process import Child, ProcessSpec
from vizproxy.supervise.supervisor import _AGAIN_SECONDS, Supervisor

# ----------------------------------------------------------------------------------------- health


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


# -------------------------------------------------------------------------------------- reporting


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
def test_exit_reason(status: int, text: str) -> None:
    assert exit_reason(status) == text


def test_sigterm_is_described() -> None:
    assert exit_reason(-SIGTERM) == "was killed by SIGTERM"


async def test_the_loop_clock_is_the_loops() -> None:
    clock, fired = LoopClock(), asyncio.Event()
    began = clock.time()
    clock.call_later(0.001, fired.set)
    cancelled = clock.call_later(0, lambda: pytest.fail("it was cancelled"))
    cancelled.cancel()
    await fired.wait()
    await clock.sleep(0)
    assert clock.time() >= began + 0.001


# -------------------------------------------------------------------------------------- the graph


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

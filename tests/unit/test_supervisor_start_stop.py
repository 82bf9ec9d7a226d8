"""The supervisor: starting along the graph, and ending the other way round."""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGKILL

import pytest

from tests.unit.fakes import FakeChild, World, idle
from tests.unit.supervising import CHAIN, DIAMOND, ONE, POLICY, STACK, lives, running
from vizproxy.supervise.machine import State
from vizproxy.supervise.process import Child, ProcessSpec

# --------------------------------------------------------------------------------------- starting


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
        spec: ProcessSpec,
        *,
        ended: Callable[[Child, int], None],
        line: Callable[[Child, str], None],
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


# --------------------------------------------------------------------------------------- stopping


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
async def test_what_an_abandoned_run_leaves_behind_is_part_of_the_reason(world: World) -> None:
    world.abandoned["a"] = lambda: ", and its display stays taken"
    world.deaf.add("a")
    world.immortal.add("a")
    world.unready.add("a")
    await world.start()
    await world.advance(POLICY.start_timeout + POLICY.stop_timeout + POLICY.kill_timeout)
    assert world.status("a").reason == (
        "did not die within 3 s of SIGKILL, and its display stays taken"
    )


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

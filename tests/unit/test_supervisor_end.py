"""The supervisor: a child that somebody else has killed, and the end of all within a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from signal import SIGKILL, SIGSEGV

import pytest

from tests.unit.fakes import World, idle
from tests.unit.supervising import CHAIN, ONE, POLICY, STACK, lives, running
from vizproxy import listen
from vizproxy.cgroups import Shortage
from vizproxy.gateway import viewer
from vizproxy.supervise.history import Cause
from vizproxy.supervise.machine import State
from vizproxy.supervise.policy import Policy

SHORTAGE = Shortage(2 * 1024**3, reached=True)
LACKED_MEMORY = f"was killed by SIGKILL{SHORTAGE}"
KILLED = "was killed by SIGKILL"

QUICK = replace(
    POLICY, end_timeout=Policy().end_timeout, end_kill_timeout=Policy().end_kill_timeout
)
AT_MOST = QUICK.end_timeout + QUICK.end_kill_timeout

# --------------------------------------------------------------------------- killed by somebody else


@lives(ONE)
async def test_a_kill_for_lack_of_memory_is_named(world: World) -> None:
    await running(world)
    world.shortages.append(SHORTAGE)
    await world.end("a", -SIGKILL)
    assert (world.state("a"), world.status("a").reason) == (State.BACKOFF, LACKED_MEMORY)
    await world.advance(POLICY.backoff_initial)
    assert world.state("a") is State.READY
    await world.end("a", -SIGKILL)  # without evidence, nothing is claimed
    assert world.status("a").reason == KILLED
    await world.advance(POLICY.backoff_max)
    (history,) = world.supervisor.history()
    assert dict(history.restarts) == {Cause.OUT_OF_MEMORY: 1, Cause.KILLED: 1}


@lives(ONE)
async def test_a_child_that_is_given_up_for_lack_of_memory_says_so(world: World) -> None:
    await world.start()
    for _ in range(POLICY.max_failures):
        world.shortages.append(SHORTAGE)
        await world.end("a", -SIGKILL)
        await world.advance(POLICY.backoff_max)
    assert (world.state("a"), world.status("a").reason) == (State.FATAL, LACKED_MEMORY)


@pytest.mark.parametrize("status", [0, 1, 137, -SIGSEGV])
async def test_other_ends_are_nothing_that_memory_explains(status: int) -> None:
    world = World(ONE, POLICY)
    await running(world)
    world.shortages.append(SHORTAGE)
    await world.end("a", status)
    assert world.shortages == [SHORTAGE]  # nobody has asked
    await world.stop()


@lives(ONE)
async def test_our_own_kill_needs_no_explanation(world: World) -> None:
    world.unready.add("a")
    world.deaf.add("a")
    world.shortages.append(SHORTAGE)
    await world.start()
    await world.advance(POLICY.start_timeout + POLICY.stop_timeout)
    assert world.state("a") is State.BACKOFF
    assert world.status("a").reason == "was not ready within 10 s: too early"
    assert world.shortages == [SHORTAGE]


@lives(STACK)
async def test_a_stop_while_an_end_is_being_explained(world: World) -> None:
    await running(world)
    world.explanation = asyncio.Event()
    await world.end("x", -SIGKILL)
    stopping = await world.begin_stop()
    assert not stopping.done()
    world.explanation.set()
    await idle()
    await stopping
    assert set(world.states()) == {State.STOPPED}


@lives(ONE)
async def test_an_explanation_that_comes_after_the_child_was_abandoned(world: World) -> None:
    await running(world)
    world.explanation = asyncio.Event()
    await world.end("a", -SIGKILL)
    assert world.status("a").pid is None
    assert world.supervisor.restart("a", "lost the GPU")
    await world.advance(POLICY.stop_timeout + POLICY.kill_timeout)
    assert world.state("a") is State.FATAL
    world.explanation.set()
    await idle()
    assert world.state("a") is State.FATAL


# ------------------------------------------------------------------------------ an end within a time


@pytest.mark.parametrize("graph", [ONE, CHAIN, STACK], ids=["one", "chain", "stack"])
async def test_children_that_ignore_term_are_killed_early_enough(
    graph: dict[str, tuple[str, ...]],
) -> None:
    world = World(graph, QUICK)
    world.deaf |= set(graph)
    await running(world)
    stopping = await world.begin_stop()
    await world.advance(QUICK.end_timeout)
    assert stopping.done()
    assert set(world.states()) == {State.STOPPED}
    assert [entry for entry in world.log if entry.endswith("SIGKILL")]
    assert world.bugs == []


@pytest.mark.parametrize("graph", [ONE, CHAIN, STACK], ids=["one", "chain", "stack"])
async def test_not_even_immortal_children_hold_up_the_end(
    graph: dict[str, tuple[str, ...]],
) -> None:
    world = World(graph, QUICK)
    world.deaf |= set(graph)
    world.immortal |= set(graph)
    await running(world)
    stopping = await world.begin_stop()
    await world.advance(AT_MOST + 0.001)  # what is left of sums of fractions
    assert stopping.done()
    assert set(world.states()) == {State.FATAL}
    assert world.bugs == []


async def test_one_that_hangs_leaves_time_to_the_one_that_it_needs() -> None:
    world = World(STACK, QUICK)
    world.deaf.add("vnc")
    await running(world)
    world.log.clear()
    stopping = await world.begin_stop()
    await world.advance(QUICK.end_timeout / 2)
    assert stopping.done()
    assert world.log[-2:] == ["vnc SIGKILL", "x SIGTERM"]  # and not killed itself


async def test_those_that_are_ended_already_get_no_more_time() -> None:
    world = World(ONE, QUICK)
    world.deaf.add("a")
    await running(world)
    assert world.supervisor.restart("a", "lost the GPU")
    await world.advance(0.1)
    stopping = await world.begin_stop()
    await world.advance(QUICK.end_timeout)
    assert stopping.done()
    assert world.states() == [State.STOPPED]


async def test_at_other_times_a_child_has_all_its_time() -> None:
    world = World(ONE, QUICK)
    world.deaf.add("a")
    await running(world)
    assert world.supervisor.restart("a", "lost the GPU")
    await world.advance(QUICK.stop_timeout - 0.1)
    assert world.state("a") is State.STOPPING
    await world.advance(0.1)
    assert world.state("a") is State.BACKOFF
    await world.stop()


async def test_a_start_after_an_end_has_its_time_back() -> None:
    world = World(ONE, QUICK)
    await running(world)
    await world.stop()
    await running(world)
    world.deaf.add("a")
    assert world.supervisor.restart("a", "lost the GPU")
    await world.advance(QUICK.end_timeout + 0.1)
    assert world.state("a") is State.STOPPING
    stopping = await world.begin_stop()
    await world.advance(QUICK.end_timeout)
    assert stopping.done()


def test_all_of_it_fits_into_the_second_that_containers_have() -> None:
    viewers, requests = viewer.SHUTDOWN_SECONDS, 2 * listen.SHUTDOWN_SECONDS  # of two listeners
    children = Policy().end_timeout + Policy().end_kill_timeout
    assert viewers + children + requests < 1

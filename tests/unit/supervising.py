"""A supervisor with fake children and a fake clock, for the tests of each of its duties."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.unit.fakes import World
from vizproxy.supervise.machine import State
from vizproxy.supervise.policy import Policy
from vizproxy.supervise.supervisor import _AGAIN_SECONDS

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
    end_timeout=60,
    end_kill_timeout=60,
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

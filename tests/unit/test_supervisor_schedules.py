"""The supervisor: any order of events."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.fakes import FakeClock, World, idle
from tests.unit.supervising import CHAIN, DIAMOND, POLICY
from vizproxy.supervise import machine as m
from vizproxy.supervise.machine import State

NAMES = tuple(DIAMOND) + tuple(f"{name}2" for name in CHAIN)
FOREST = DIAMOND | {f"{name}2": tuple(f"{a}2" for a in after) for name, after in CHAIN.items()}

BEGINNING = FakeClock().now

Action = tuple[str, str, float]

toggles = st.sampled_from(["unready", "ill", "deaf", "immortal", "missing", "hold"])
names = st.sampled_from(NAMES)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.just(""), st.sampled_from([0.1, 1, 2, 5, 10, 40])),
        st.tuples(st.just("exit"), names, st.sampled_from([0, 1, -9])),
        st.tuples(st.just("retry"), names, st.just(0)),
        st.tuples(st.just("restart"), names, st.just(0)),
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
        for status, history in zip(
            world.supervisor.snapshot(), world.supervisor.history(), strict=True
        ):
            assert sum(history.restarts.values()) == status.restarts
            assert abs(sum(history.seconds.values()) - (world.clock.now - BEGINNING)) < 1e-6

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
            case "restart":
                world.supervisor.restart(name, "lost what it works on")
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


@settings(max_examples=150)
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

"""Stand-ins for the world around the supervisor: time, processes and what probes see of them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import signal
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vizproxy.cgroups import Shortage
from vizproxy.supervise.graph import Component
from vizproxy.supervise.machine import State
from vizproxy.supervise.policy import Policy
from vizproxy.supervise.probes import Probe, ProbeError
from vizproxy.supervise.process import Child, ProcessSpec
from vizproxy.supervise.status import ComponentStatus
from vizproxy.supervise.supervisor import Supervisor


async def idle() -> None:
    """Let the event loop run until nothing is left that could run now."""
    loop: Any = asyncio.get_running_loop()
    await asyncio.sleep(0)
    while loop._ready:  # noqa: ASYNC110 - exact, where any number of turns would be a guess
        await asyncio.sleep(0)


@dataclass(order=True)
class FakeTimer:
    """A timer of :class:`FakeClock`; ordered by its time, then by when it was set."""

    when: float
    number: int
    callback: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[FakeTimer] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        assert delay >= 0
        timer = FakeTimer(self.now + delay, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    async def sleep(self, delay: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay, lambda: woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    def pending(self) -> int:
        """How many timers are set."""
        return sum(not timer.cancelled for timer in self._timers)

    async def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer, with everything that follows from each."""
        await idle()
        end = self.now + seconds
        while self._timers and self._timers[0].when <= end:
            timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                self.now = timer.when
                timer.callback()
                await idle()
        self.now = end


class FakeChild(Child):
    """A child without a process: it ends when a test or a signal says so."""

    def __init__(
        self,
        spec: ProcessSpec,
        world: World,
        *,
        ended: Callable[[Child, int], None],
        line: Callable[[Child, str], None],
    ) -> None:
        super().__init__(ended=ended, line=line)
        self.name = spec.name
        self.pid = next(world.pids)
        self.killed = False
        self._world = world

    def signal_group(self, number: signal.Signals) -> None:
        assert not self.finished, f"{self.name} is gone; its PID may be another's"
        world = self._world
        self.killed |= number is signal.SIGKILL
        world.log.append(f"{self.name} {number.name}")
        obeys = self.name not in (world.immortal if number is signal.SIGKILL else world.deaf)
        if obeys:
            asyncio.get_running_loop().call_soon(self.end, -number)

    def say(self, line: str) -> None:
        self.pipe_data_received(1, line.encode() + b"\n")

    def end(self, status: int) -> None:
        self._returncode = status
        self._finish()


class World:
    """A supervisor, its clock, and children that behave as a test wants.

    ``unready`` and ``ill`` name the children whose probes fail, ``deaf`` those that do not heed
    TERM, ``immortal`` those that not even KILL ends, ``held`` those whose spawn does not come back
    yet, ``missing`` those that cannot be executed. ``abandoned`` is what children that are given up
    alive leave behind. ``shortages`` explain why children are killed by others, one each, and
    ``explanation`` is waited for until they do, if there is one.
    ``log`` tells what happened, in order.
    """

    def __init__(
        self,
        graph: dict[str, tuple[str, ...]],
        policy: Policy,
        *,
        jitter: Callable[[], float] = lambda: 0.0,
        probes: dict[str, Probe] | None = None,
        never_restarted_for_illness: Collection[str] = (),
    ) -> None:
        self.log: list[str] = []
        self.bugs: list[BaseException] = []
        self.children: dict[str, list[FakeChild]] = defaultdict(list)
        self.pids: Iterator[int] = itertools.count(100)
        self.unready: set[str] = set()
        self.ill: set[str] = set()
        self.deaf: set[str] = set()
        self.immortal: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}
        self.missing: set[str] = set()
        self.abandoned: dict[str, Callable[[], str]] = {}
        self.shortages: list[Shortage] = []
        self.explanation: asyncio.Event | None = None
        self.changes = 0
        self.on_change: Callable[[], None] = lambda: None
        self.clock = FakeClock()
        self.graph = graph
        special = probes or {}
        self.supervisor = Supervisor(
            [
                Component(
                    name,
                    f"{name} program",
                    self._spec(name),
                    ready=special.get(
                        f"ready {name}", self._probe(name, self.unready, "too early")
                    ),
                    healthy=special.get(f"healthy {name}", self._probe(name, self.ill, "is ill")),
                    after=after,
                    restart_when_ill=name not in never_restarted_for_illness,
                    abandoned=partial(self._abandoned, name),
                )
                for name, after in graph.items()
            ],
            policy,
            changed=self._changed,
            bug=self.bugs.append,
            shortage=self._shortage,
            clock=self.clock,
            spawn_child=self._spawn,
            jitter=jitter,
        )

    # what a test asks

    def status(self, name: str) -> ComponentStatus:
        return next(s for s in self.supervisor.snapshot() if s.name == name)

    def state(self, name: str) -> State:
        return self.status(name).state

    def states(self) -> list[State]:
        return [s.state for s in self.supervisor.snapshot()]

    def child(self, name: str) -> FakeChild:
        """The latest child of that name."""
        return self.children[name][-1]

    def living(self, name: str) -> list[FakeChild]:
        return [c for c in self.children[name] if not c.finished]

    def spawns(self, name: str) -> int:
        return self.log.count(f"spawn {name}")

    # what a test does

    async def start(self) -> None:
        self.supervisor.start()
        await idle()

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def end(self, name: str, status: int = 1) -> None:
        """Let a child end, and what follows from it happen."""
        self.child(name).end(status)
        await idle()

    async def begin_stop(self) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self.supervisor.stop())
        await idle()
        return task

    async def stop(self) -> None:
        """Stop in no time: every child must heed TERM."""
        task = await self.begin_stop()
        assert task.done()
        await task

    def hold(self, name: str) -> None:
        self.held[name] = asyncio.Event()

    async def release(self, name: str) -> None:
        self.held.pop(name).set()
        await idle()

    # what the supervisor uses

    async def _shortage(self) -> Shortage | None:
        if self.explanation is not None:
            await self.explanation.wait()
        return self.shortages.pop(0) if self.shortages else None

    def _abandoned(self, name: str) -> str:
        return self.abandoned.get(name, str)()

    def _spec(self, name: str) -> Callable[[], ProcessSpec]:
        return lambda: ProcessSpec(name, (name,), {}, "setpriv")

    def _probe(self, name: str, failing: set[str], error: str) -> Probe:
        async def probe(child: Child) -> None:
            assert child is self.child(name)
            if name in failing:
                raise ProbeError(error)

        return probe

    def _changed(self) -> None:
        self.changes += 1
        self.on_change()

    async def _spawn(
        self,
        spec: ProcessSpec,
        *,
        ended: Callable[[Child, int], None],
        line: Callable[[Child, str], None],
    ) -> Child:
        name = spec.name
        self.log.append(f"spawn {name}")
        if name in self.held:
            await self.held[name].wait()
        if name in self.missing:
            raise FileNotFoundError(2, "No such file or directory", name)
        child = FakeChild(spec, self, ended=ended, line=line)
        self.children[name].append(child)
        return child

"""Taking the measurements: from the parts of the desktop, and from what is read in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from vizproxy import __version__
from vizproxy.broker.snapshot import Snapshot
from vizproxy.changes import Changes
from vizproxy.display.gpumeters import GpuSnapshot
from vizproxy.facts.calls import DriverCalls
from vizproxy.gateway.tally import ViewerTally
from vizproxy.metrics.measurements import Measurements, Processes, SourceStatus
from vizproxy.metrics.processes import ProcessReader
from vizproxy.metrics.sampling import Sampling
from vizproxy.supervise.history import ComponentHistory
from vizproxy.supervise.machine import UP
from vizproxy.supervise.status import ComponentStatus
from vizproxy.x11.damage import Damage
from vizproxy.x11.meters import ScreenMeters


@dataclass(frozen=True, slots=True)
class Subjects:
    """What is measured. All are asked for at each measurement and answer at once, but ``screen``.

    ``state`` is the desktop's condition in one word; ``x_pids`` are the PIDs that the X server itself
    has of its clients; ``idle`` is for how many seconds nobody has used the desktop.
    """

    plan: Callable[[], str]
    state: Callable[[], str]
    log_lines_lost: Callable[[], int]
    screen: Callable[[], Awaitable[ScreenMeters]]
    resizes: Callable[[], int]
    damage: Callable[[], Damage]
    apps: Callable[[], Snapshot]
    x_pids: Callable[[], AbstractSet[int | None]]
    gpu: Callable[[], GpuSnapshot | None]
    viewers: Callable[[], ViewerTally]
    idle: Callable[[], float]
    components: Callable[[], tuple[ComponentStatus, ...]]
    histories: Callable[[], tuple[ComponentHistory, ...]]


class Meter:
    """Measures the desktop.

    ``calls`` are those that read processes, and may hang; ``changes`` counts those of the desktop, of
    which a child that was started is one.
    """

    def __init__(
        self,
        subjects: Subjects,
        *,
        processes: ProcessReader,
        calls: DriverCalls,
        changes: Changes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._of = subjects
        self._reader = processes
        self._calls = calls
        self._changes = changes
        self._clock = clock
        self._screen = Sampling("display", subjects.screen, clock=clock)
        self._processes = Sampling("process", self._read_processes, clock=clock)

    async def run(self) -> None:
        """Read in the background, for ever, what cannot be had at once."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._screen.run(), name="measure the screen")
            tasks.create_task(self._processes.run(), name="measure processes")
            tasks.create_task(self._follow(), name="measure what is new")

    async def _follow(self) -> None:
        """Have what is new measured soon: a desktop that has just started is no riddle."""
        known: object = None
        while True:
            now = {(c.name, c.pid, c.state in UP) for c in self._of.components()}
            if now != known:
                known = now
                self._screen.soon()
                self._processes.soon()
            await self._changes.wait()

    def measure(self) -> Measurements:
        """Everything that is known now. Takes well under a millisecond, and waits for nothing."""
        of, gpu = self._of, self._of.gpu()
        sources = [self._screen.status, self._processes.status]
        if gpu is not None:
            answered = gpu.meters is not None
            sources.append(SourceStatus("gpu", answered, gpu.read_seconds, gpu.age))
        return Measurements(
            time=self._clock(),
            version=__version__,
            plan=of.plan(),
            state=of.state(),
            log_lines_lost=of.log_lines_lost(),
            screen=self._screen.value,
            resizes=of.resizes(),
            damage=of.damage(),
            apps=of.apps(),
            processes=self._processes.value,
            gpu=gpu,
            viewers=of.viewers(),
            input_idle_seconds=of.idle(),
            components=of.components(),
            histories=of.histories(),
            sources=tuple(sources),
        )

    async def _read_processes(self) -> Processes:
        components = {c.name: c.pid for c in self._of.components() if c.pid is not None}
        # A PID that only a window tells may be of another namespace, where it is somebody else's.
        certain = self._of.x_pids()
        unleased = {
            app.id: tuple(pid for pid in app.pids if pid in certain)
            for app in self._of.apps().apps
            if not app.leased
        }
        return await self._calls.call(lambda: self._reader.read(components, unleased))

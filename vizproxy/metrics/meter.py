"""Taking the measurements: from the parts of the desktop, and from what is read in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from vizproxy import __version__
from vizproxy.broker.snapshot import Snapshot
from vizproxy.changes import Changes
from vizproxy.display.gpumeters import GpuSnapshot
from vizproxy.facts.calls import DriverCalls
from vizproxy.gateway.tally import ViewerTally
from vizproxy.metrics.measurements import Measurements, Processes, SourceStatus
from vizproxy.metrics.processes import ProcessReader
from vizproxy.metrics.sampling import PATIENCE_SECONDS, STALE_SECONDS, Sampling
from vizproxy.supervise.history import ComponentHistory
from vizproxy.supervise.machine import UP
from vizproxy.supervise.status import ComponentStatus
from vizproxy.x11.damage import Damage
from vizproxy.x11.meters import ScreenMeters

log = logging.getLogger(__name__)

T = TypeVar("T")

DRAWING_SECONDS: Final = 60.0
"""After how long it is seen whether what is drawn is still counted, if nobody has told of its end."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What is measured. All are asked for at each measurement and answer at once, but ``screen``.

    ``count_drawing`` sees to it that what is drawn is counted, and ``counting`` tells whether it is.
    ``scene_age`` is how many seconds ago it was known what the X clients hold.
    ``state`` is the desktop's condition in one word; ``x_pids`` are the PIDs that the X server itself
    has of its clients; ``idle`` is for how many seconds nobody has used the desktop.
    """

    plan: Callable[[], str]
    state: Callable[[], str]
    log_lines_lost: Callable[[], int]
    screen: Callable[[], Awaitable[ScreenMeters]]
    count_drawing: Callable[[], Awaitable[None]]
    counting: Callable[[], bool]
    resizes: Callable[[], int]
    damage: Callable[[], Damage | None]
    apps: Callable[[], Snapshot]
    scene_age: Callable[[], float]
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
        self._told: set[str] = set()
        self._screen = Sampling("display", subjects.screen, clock=clock)
        self._drawing = Sampling(
            "drawing",
            subjects.count_drawing,
            period=DRAWING_SECONDS,
            patience=2 * PATIENCE_SECONDS,
            clock=clock,
        )
        self._processes = Sampling("process", self._read_processes, clock=clock)

    async def run(self) -> None:
        """Read in the background, for ever, what cannot be had at once."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._screen.run(), name="measure the screen")
            tasks.create_task(self._drawing.run(), name="count what is drawn")
            tasks.create_task(self._processes.run(), name="measure processes")
            tasks.create_task(self._follow(), name="measure what is new")

    async def _follow(self) -> None:
        """Have what is new measured soon: a desktop that has just started is no riddle."""
        known: object = None
        while True:
            now = {(c.name, c.pid, c.state in UP) for c in self._of.components()}
            if not self._of.counting():  # the X server may end that connection alone
                self._drawing.soon()
            if now != known:
                known = now
                self._screen.soon()
                self._drawing.soon()
                self._processes.soon()
            await self._changes.wait()

    def measure(self) -> Measurements:
        """Everything that is known now. Takes well under a millisecond, and waits for nothing.

        A part that cannot be asked is missing, and its collector has no success; the others are there.
        """
        of, failed = self._of, set[str]()

        def ask(part: str, question: Callable[[], T], otherwise: T) -> T:
            try:
                return question()
            except Exception as error:  # noqa: BLE001 - a collector: a bug in one part is that part's
                failed.add(part)
                self._tell_once(part, error)
                return otherwise

        gpu = ask("gpu", of.gpu, None)
        scene_age = ask("apps", of.scene_age, STALE_SECONDS)
        counting = ask("display", of.counting, False)
        return Measurements(
            time=self._clock(),
            version=__version__,
            plan=ask("desktop", of.plan, ""),
            state=ask("desktop", of.state, ""),
            log_lines_lost=ask("desktop", of.log_lines_lost, 0),
            screen=self._screen.value,
            resizes=ask("display", of.resizes, 0),
            damage=ask("display", of.damage, None),
            apps=ask("apps", of.apps, None),
            pixmaps_known=scene_age < STALE_SECONDS,
            processes=self._processes.value,
            gpu=gpu,
            viewers=ask("viewers", of.viewers, None),
            input_idle_seconds=ask("viewers", of.idle, 0.0),
            components=ask("supervision", of.components, ()),
            histories=ask("supervision", of.histories, ()),
            sources=tuple(
                replace(source, success=source.success and source.name not in failed)
                for source in self._sources(gpu, scene_age, counting, failed)
            ),
        )

    def _sources(
        self, gpu: GpuSnapshot | None, scene_age: float, counting: bool, failed: AbstractSet[str]
    ) -> Iterator[SourceStatus]:
        """How each source does that is not read at the scrape, and each part that has failed."""
        screen = self._screen.status
        yield replace(screen, success=screen.success and counting)
        yield self._processes.status
        yield SourceStatus("apps", scene_age < STALE_SECONDS, 0.0, scene_age)
        if gpu is not None and gpu.condition is not None:
            yield SourceStatus("gpu", gpu.meters is not None, gpu.read_seconds, gpu.age)
        elif "gpu" in failed:
            yield SourceStatus("gpu", False, 0.0, None)
        for part in failed & {"desktop", "viewers", "supervision"}:
            yield SourceStatus(part, False, 0.0, None)

    def _tell_once(self, part: str, error: Exception) -> None:
        if part not in self._told:
            self._told.add(part)
            log.error("the %s cannot be measured", part, exc_info=error)

    async def _read_processes(self) -> Processes:
        components = {c.name: c.pid for c in self._of.components() if c.pid is not None}
        # A PID that only a window tells may be of another namespace, where it is somebody else's.
        certain = self._of.x_pids()
        # Of an app that has no other, what it uses is not known.
        unleased = {
            app.id: pids
            for app in self._of.apps().apps
            if not app.leased and (pids := tuple(pid for pid in app.pids if pid in certain))
        }
        return await self._calls.call(lambda: self._reader.read(components, unleased))

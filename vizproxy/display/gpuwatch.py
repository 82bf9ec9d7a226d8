"""Watching the GPU that the desktop draws on: how much of it is used, and whether it is still there.

A driver in trouble answers late, never, or with an error, and each of these may pass. So every reading
has a thread and a time limit (:class:`~vizproxy.facts.calls.DriverCalls`), what it means is decided by
:mod:`vizproxy.display.gpuhealth`, and nothing that it raises reaches the daemon.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from vizproxy.display.gpu import NVML, VANISHED, GpuFramebuffer, Library, vanished
from vizproxy.display.gpuhealth import Condition, GpuHealth, GpuStatus
from vizproxy.display.gpumeters import GpuSnapshot
from vizproxy.display.gpureader import GpuReader, Reading
from vizproxy.display.plan import ChosenGpu
from vizproxy.display.xidevents import XidListener
from vizproxy.facts import nvml
from vizproxy.facts.calls import DriverCalls
from vizproxy.facts.xid import xid_fatal, xid_meaning
from vizproxy.supervise.clock import Clock, LoopClock

log = logging.getLogger(__name__)

READ_SECONDS: Final = 5.0
"""How often the GPU is read."""

QUIET_SECONDS: Final = 60.0
"""For how long an Xid that was told is not told again: a program may cause hundreds a second."""


NOT_READ: Final = Reading()
"""What is known of a GPU that has not been read."""


class Tell(Protocol):
    """Tells people what has happened: how important (a level of logging), its kind, a sentence."""

    def __call__(self, level: int, kind: str, text: str) -> None: ...


class Following(Protocol):
    """What follows from the fate of the GPU."""

    def gpu_lost(self, reason: str) -> None:
        """The GPU is gone; ``reason`` is a clause."""

    def gpu_back(self) -> None:
        """A GPU that was gone is back."""

    def toll(self) -> str:
        """What users lose with the GPU, as a clause; empty if nothing."""


class GpuWatch:
    """Reads the GPU now and then, and listens for what its driver reports.

    ``gpu`` is asked for before each reading: when there is none any more, the watch ends. ``measured``
    is called when the framebuffer or the utilisation is another one, ``changed`` when the status is.
    ``seen`` tells that the GPU has answered before: then it is missed from the first reading on.
    """

    def __init__(
        self,
        gpu: Callable[[], ChosenGpu | None],
        calls: DriverCalls,
        *,
        tell: Tell,
        following: Following,
        measured: Callable[[], None],
        changed: Callable[[], None],
        seen: bool = False,
        library: Library = NVML,
        clock: Clock | None = None,
    ) -> None:
        self._gpu = gpu
        self._calls = calls
        self._tell = tell
        self._following = following
        self._measured = measured
        self._changed = changed
        self._library = library
        self._clock = clock if clock is not None else LoopClock()
        self._health = GpuHealth() if seen else None
        self._since: float | None = None
        self._reader: GpuReader | None = None
        self._told_xids: dict[int, float] = {}
        self._reading = NOT_READ
        self._read_at: float | None = None
        self._read_seconds = 0.0
        self._stale = True
        self._losses = 0
        self._lost: GpuSnapshot | None = None
        self._xids: Counter[int] = Counter()

    @property
    def framebuffer(self) -> GpuFramebuffer | None:
        """The GPU's framebuffer as it was last read; None where none is watched."""
        return self._reading.framebuffer if self._gpu() is not None else None

    @property
    def percent(self) -> int:
        """How busy the GPU was when it was last read, in percent; 0 where none is watched."""
        return self._reading.percent if self._gpu() is not None else 0

    @property
    def status(self) -> GpuStatus | None:
        """How the GPU is; None where none is watched, or none has ever answered."""
        gpu, health = self._gpu(), self._health
        if gpu is None or health is None:
            return None
        now = self._clock.time()
        since = max(now - self._since, 0.0) if self._since is not None else 0.0
        name = gpu.name or gpu.node or gpu.address
        return GpuStatus(name, gpu.uuid, health.condition, health.reason, since)

    @property
    def snapshot(self) -> GpuSnapshot | None:
        """All that is known of the GPU; None where none is watched, or none has ever answered.

        Of one that was lost and is given up, what it was and what has happened to it is still told.
        """
        gpu, status = self._gpu(), self.status
        if gpu is None or status is None:
            return self._lost and replace(self._lost, losses=self._losses, xids=dict(self._xids))
        reading, identity = self._reading, self._reading.identity
        return GpuSnapshot(
            name=identity.name or status.name,
            uuid=identity.uuid or gpu.uuid,
            driver=identity.driver,
            virtualization=identity.virtualization,
            profile=identity.profile,
            condition=status.condition,
            losses=self._losses,
            framebuffer=None if self._stale else reading.framebuffer,
            meters=None if self._stale else reading.meters,
            read_seconds=self._read_seconds,
            age=None if self._read_at is None else self._clock.time() - self._read_at,
            xids=dict(self._xids),
        )

    async def read(self) -> None:
        """Read the GPU once, and draw the conclusions."""
        gpu = self._gpu()
        if gpu is None:
            return
        if self._reader is None:
            self._reader = GpuReader(gpu, self._library)
        try:
            reading = await self._timed(self._reader)
        except TimeoutError:
            self._missed(nvml.SILENT)
        except Exception as error:  # noqa: BLE001 - a collector: whatever it is, it is a reason
            gone = vanished(error)
            reason = VANISHED if gone else nvml.reason(error)
            self._missed(reason, lost=gone or nvml.lost(error))
        else:
            self._answered(reading)

    async def _timed(self, reader: GpuReader) -> Reading:
        began = self._clock.time()
        try:
            return await self._calls.call(reader.read)
        finally:
            self._read_seconds = self._clock.time() - began

    async def watch(self) -> None:
        """Go on for as long as there is a GPU to be watched."""
        loop = asyncio.get_running_loop()
        gpu = self._gpu()
        if gpu is None:
            return
        self._since = self._clock.time()
        listener = XidListener(gpu, partial(_pass_on, loop, self._heard), self._library)
        try:
            while self._gpu() is not None:
                await self.read()
                if self._health is not None and self._health.condition is Condition.FINE:
                    listener.start()
                else:
                    listener.stop()  # a driver that is let go of is found anew
                await self._clock.sleep(READ_SECONDS)
        finally:
            listener.stop()
        await self._let_go()
        self._forget()

    async def _let_go(self) -> None:
        """Let go of a driver that is needed no more.

        Not at the end of the daemon: the process lets go by itself, and waits for no driver.
        """
        if self._reader is not None:
            with suppress(TimeoutError):
                await self._calls.call(self._reader.close)

    # what was seen

    def _answered(self, reading: Reading) -> None:
        before, self._reading = self._reading, reading
        self._read_at, self._stale = self._clock.time(), False
        if (reading.framebuffer, reading.percent) != (before.framebuffer, before.percent):
            self._measured()
        if self._health is None:
            self._health, self._since = GpuHealth(), self._clock.time()
            self._changed()
        self._turn(self._health.answered())

    def _missed(self, reason: str, *, lost: bool = False) -> None:
        """There was no reading. Of a GPU that has never answered nobody knows what it should do."""
        log.debug("the GPU cannot be read: %s", reason)
        self._stale = True
        if self._health is not None:
            self._turn(self._health.gone(reason) if lost else self._health.unanswered(reason))

    def _heard(self, number: int) -> None:
        """The driver has reported an Xid."""
        self._xids[number] += 1
        if self._gpu() is None or self._health is None:
            return
        report = f"Xid {number} ({xid_meaning(number)})"
        if xid_fatal(number):
            self._turn(self._health.gone(f"it reported {report}"))
            return
        now = self._clock.time()
        if now < self._told_xids.get(number, now):
            log.debug("the GPU reported %s again", report)
            return
        self._told_xids[number] = now + QUIET_SECONDS
        self._tell(logging.WARNING, "gpu_xid", f"the GPU reported {report}")

    def _turn(self, health: GpuHealth) -> None:
        """The GPU's health is another one, perhaps: tell what that means."""
        before = self._health
        self._health = health
        if before is None or before.condition is health.condition:
            return
        self._since = self._clock.time()
        status = self.status
        if status is not None:
            self._announce(status, before.condition)
        if health.condition is Condition.LOST:
            self._losses += 1
            self._lost = self._given_up()
            self._following.gpu_lost(health.reason)
        elif before.condition is Condition.LOST:
            self._lost = None
            self._following.gpu_back()
        self._changed()

    def _given_up(self) -> GpuSnapshot | None:
        if (snapshot := self.snapshot) is None:
            return None
        return replace(snapshot, condition=None, framebuffer=None, meters=None, age=None)

    def _announce(self, status: GpuStatus, before: Condition) -> None:
        match status.condition:
            case Condition.LOST:
                toll = self._following.toll()
                more = f"; {toll}" if toll else ""
                self._tell(logging.ERROR, "gpu_lost", f"{status.warning}{more}")
            case Condition.SILENT:
                self._tell(logging.WARNING, "gpu_silent", status.warning)
            case Condition.FINE:
                deed = "is back" if before is Condition.LOST else "answers again"
                self._tell(logging.INFO, "gpu_back", f"the GPU {status.name} {deed}")

    def _forget(self) -> None:
        self._health, self._reading = None, NOT_READ
        self._read_at, self._stale = None, True
        self._measured()
        self._changed()


def _pass_on(loop: asyncio.AbstractEventLoop, heard: Callable[[int], None], number: int) -> None:
    """Hand an Xid from its thread to the event loop, if that still runs."""
    try:
        loop.call_soon_threadsafe(heard, number)
    except RuntimeError:
        log.debug("the desktop has ended before Xid %d could be told", number)

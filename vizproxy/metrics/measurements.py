"""One moment of everything that is measured, as values that never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vizproxy.broker.snapshot import Snapshot
from vizproxy.display.gpumeters import GpuSnapshot
from vizproxy.gateway.tally import ViewerTally
from vizproxy.supervise.history import ComponentHistory
from vizproxy.supervise.status import ComponentStatus
from vizproxy.x11.damage import Damage
from vizproxy.x11.meters import ScreenMeters


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What processes use: CPU time since their start in seconds, and resident memory in bytes."""

    cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class DaemonUse:
    """What the daemon's own process uses. ``started`` is in seconds of the epoch."""

    use: ProcessUse
    open_files: int
    max_files: int | None
    threads: int
    started: float


@dataclass(frozen=True, slots=True)
class Processes:
    """What the processes that the daemon can see use.

    ``components`` by name; ``unleased`` by the id of an app without a lease (those with one are told of
    by their own side). CPU time never shrinks: what ended processes have used stays in it, and in
    ``unleased_cpu_seconds`` what apps without a lease have used while they were such, ended ones too.
    """

    daemon: DaemonUse
    components: Mapping[str, ProcessUse] = field(default_factory=dict)
    unleased: Mapping[str, ProcessUse] = field(default_factory=dict)
    unleased_cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source that is read in the background does.

    ``success`` tells whether its latest reading came to an end in time and without an error;
    ``duration`` how long that took, ``age`` how old the last good one is, in seconds (None: there is
    none).
    """

    name: str
    success: bool
    duration: float
    age: float | None


@dataclass(frozen=True, slots=True)
class Measurements:
    """One moment of the desktop.

    ``time`` is on a clock that never jumps, in seconds. ``state`` is the desktop's condition. What is
    None could not be read, or is not there; ``pixmaps_known`` is false where what apps hold in the X
    server was read too long ago. ``input_idle_seconds`` is for how long nobody has used the
    desktop; before the first use, since the daemon's start.
    """

    time: float
    version: str
    plan: str
    state: str
    log_lines_lost: int
    screen: ScreenMeters | None
    resizes: int
    damage: Damage | None
    apps: Snapshot | None
    pixmaps_known: bool
    processes: Processes | None
    gpu: GpuSnapshot | None
    viewers: ViewerTally | None
    input_idle_seconds: float
    components: tuple[ComponentStatus, ...]
    histories: tuple[ComponentHistory, ...]
    sources: tuple[SourceStatus, ...]

"""What the broker tells about one moment: apps, windows, the budget, and what has happened."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vizproxy.amounts import amount_text
from vizproxy.broker.leases import Limits, Use
from vizproxy.broker.slots import UNLEASED
from vizproxy.config import Activity, Plan
from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.x11.scene import Window


class AppState(StrEnum):
    """Where an app is in its life; ``STARTING`` until it has reached the desktop."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class App:
    """One app on the desktop, with a lease or adopted.

    ``granted`` is the grant of its lease, or what an app without one is allowed; ``started`` is in
    seconds of the epoch; ``windows`` are ids, in the order in which they were mapped; ``over`` tells
    that it uses more than it may; ``activity`` what of it counts as such, if it has chosen.

    ``slot`` is what metrics call it. ``cpu_seconds`` is the CPU time that its processes have used, also
    those that have ended; ``resident_bytes`` is the memory of those that live. Its own side tells both
    every few seconds; they are None where it does not.
    """

    id: str
    name: str
    leased: bool
    state: AppState
    plan: Plan | None
    program: str
    started: float
    pids: tuple[int, ...]
    windows: tuple[int, ...]
    granted: int
    use: Use
    over: bool
    activity: Activity | None = None
    slot: str = UNLEASED
    cpu_seconds: float | None = None
    resident_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class OwnedWindow:
    """A window and the id of its app."""

    window: Window
    app: str


class Level(StrEnum):
    """How important a notice is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that has happened.

    ``number`` counts them; ``time`` is in seconds of the epoch; ``output`` is what an app said last,
    line by line, which may be anything and is for its user alone.
    """

    number: int
    time: float
    level: Level
    kind: str
    app: str | None
    text: str
    output: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """What has been counted since the daemon started: for metrics.

    ``cpu_seconds`` is by slot, and of all leases that there were. Apps without a lease are not in it.
    """

    admitted: int
    refused: Mapping[str, int]
    over_uses: int
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment. ``apps`` are in the order of their start; ``notices`` are the latest."""

    apps: tuple[App, ...]
    windows: tuple[OwnedWindow, ...]
    limits: Limits
    granted: int
    used: int
    unattributed: int
    gpu: GpuFramebuffer | None
    notices: tuple[Notice, ...]
    tally: Tally

    def app(self, app_id: str) -> App | None:
        """The app of an id, if there is one."""
        return next((app for app in self.apps if app.id == app_id), None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each app that uses too much now."""
        return tuple(over_use_text(app.id, app.use, app.granted) for app in self.apps if app.over)


def over_use_text(app_id: str, use: Use, granted: int) -> str:
    """Say that an app uses more than it may."""
    used = amount_text(use.bytes, math.ceil)
    return f"{app_id} uses {used} of framebuffer and may use {amount_text(granted)}"

"""The status of the desktop, for the page, the API and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from vizproxy.api.views import framebuffer_json
from vizproxy.broker.snapshot import Snapshot
from vizproxy.compatibility import OLDEST
from vizproxy.display.gpuhealth import Condition as GpuCondition
from vizproxy.display.gpuhealth import GpuStatus
from vizproxy.supervise.machine import UP, State
from vizproxy.supervise.status import ComponentStatus
from vizproxy.x11.randr import ScreenSize


class Condition(StrEnum):
    """The desktop as a whole."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Health:
    """The condition, a sentence about it, and whether viewers can have a picture."""

    condition: Condition
    summary: str
    picture: bool


def assess(
    components: Sequence[ComponentStatus],
    *,
    stopping: bool,
    gpu: GpuStatus | None = None,
    falling_back: bool = False,
) -> Health:
    """Judge the desktop by its components, and by the GPU on which it draws, if it does.

    A GPU that merely does not answer may still draw: that is worth a warning, and no more.
    ``falling_back`` tells that another rendering plan is about to mend what was given up.
    """
    lacking = [c for c in components if c.shows_picture and c.state is not State.READY]
    picture = not lacking and not stopping
    if stopping:
        return Health(Condition.STOPPING, "the desktop is being ended", picture)
    fatal = [c for c in lacking if c.state is State.FATAL]
    if fatal and not falling_back:
        summary = "; ".join(f"the {c.title} was given up: it {c.reason}" for c in fatal)
        return Health(Condition.FAILED, summary, picture)
    ill = [c for c in components if c.state is State.DEGRADED]
    if picture:
        ill += [c for c in components if c.state not in UP]
    troubles = [_trouble(c) for c in ill]
    if gpu is not None and gpu.condition is GpuCondition.LOST and (picture or ill):
        troubles.insert(0, gpu.warning)
    if troubles:
        summary = "; ".join(troubles)
        return Health(Condition.DEGRADED, summary, picture)
    if lacking:
        waiting = ", ".join(c.title for c in lacking)
        return Health(Condition.STARTING, f"waiting for: {waiting}", picture)
    return Health(Condition.READY, "the desktop is ready", picture)


_TROUBLE: Final[Mapping[State, str]] = {
    State.STOPPED: "is not running",
    State.STARTING: "is starting",
    State.DEGRADED: "is degraded",
    State.STOPPING: "is being ended",
    State.KILLING: "is being killed",
    State.BACKOFF: "failed and will be started again",
    State.FATAL: "was given up",
}


def _trouble(component: ComponentStatus) -> str:
    reason = f": {component.reason}" if component.reason else ""
    return f"the {component.title} {_TROUBLE[component.state]}{reason}"


@dataclass(frozen=True, slots=True)
class Status:
    """One moment of the desktop. ``revision`` grows with every change that a viewer would notice."""

    version: str
    revision: int
    health: Health
    plan: str
    plan_reason: str
    plan_warning: str
    display: str | None
    size: ScreenSize | None
    viewers: int
    apps: Snapshot
    components: tuple[ComponentStatus, ...]
    environment: Mapping[str, str]
    runtime_dir: str
    last_activity: float | None
    listening: tuple[str, ...]
    log_lines_lost: int
    gpu: GpuStatus | None = None
    gpu_server_warning: str = ""

    def as_json(self) -> dict[str, Any]:
        """The status as the API gives it."""
        size = None
        if self.size is not None and self.display is not None:
            size = {"name": self.display, **asdict(self.size)}
        return {
            "version": self.version,
            "oldest": OLDEST,
            "revision": self.revision,
            "state": self.health.condition.value,
            "summary": self.health.summary,
            "picture": self.health.picture,
            "plan": {
                "name": self.plan,
                "reason": self.plan_reason,
                "warning": self.plan_warning,
            },
            "gpu": None if self.gpu is None else _gpu(self.gpu),
            "display": size,
            "viewers": self.viewers,
            "apps": {
                "count": len(self.apps.apps),
                "over_use": [app.id for app in self.apps.apps if app.over],
                "admitted": self.apps.tally.admitted,
                "refused": dict(self.apps.tally.refused),
                "over_uses": self.apps.tally.over_uses,
            },
            "framebuffer": framebuffer_json(self.apps),
            "warnings": [text for text in self._warnings() if text],
            "components": [component_json(c) for c in self.components],
            "environment": dict(self.environment),
            "runtime_dir": self.runtime_dir,
            "last_activity": self.last_activity,
            "listening": list(self.listening),
            "log_lines_lost": self.log_lines_lost,
        }

    def _warnings(self) -> tuple[str, ...]:
        gpu = "" if self.gpu is None else self.gpu.warning
        return (self.plan_warning, gpu, self.gpu_server_warning, *self.apps.warnings)


def _gpu(gpu: GpuStatus) -> dict[str, Any]:
    return {
        **asdict(gpu),
        "condition": gpu.condition.value,
        "since_seconds": round(gpu.since_seconds, 3),
    }


def component_json(component: ComponentStatus) -> dict[str, Any]:
    """A component as the API gives it; times are in seconds."""
    shown = asdict(component)
    del shown["was_ready"]
    shown["state"] = component.state.value
    shown["output"] = list(component.output)
    shown["since_seconds"] = round(component.since_seconds, 3)
    if component.retry_in_seconds is not None:
        shown["retry_in_seconds"] = round(component.retry_in_seconds, 3)
    return shown

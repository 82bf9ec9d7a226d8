"""What the supervisor keeps of one child, and what it says of it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vizproxy.cgroups import Shortage
from vizproxy.errors import exit_reason
from vizproxy.supervise.clock import TimerHandle
from vizproxy.supervise.graph import Component
from vizproxy.supervise.history import Chronicle, ComponentHistory
from vizproxy.supervise.machine import DOWN, UP, Event, Machine, State
from vizproxy.supervise.policy import Policy
from vizproxy.supervise.process import Child
from vizproxy.supervise.status import ComponentStatus

log = logging.getLogger(__name__)

_WITHOUT_PROCESS: Final = frozenset({State.STOPPED, State.BACKOFF, State.FATAL})


@dataclass(slots=True)
class Record:
    """One child's mutable side: its machine, its process, its timer and its probe.

    ``entered`` is when it came into its state; ``pid`` and ``exit_status`` are those of its latest
    process, which may have ended, and ``shortage`` is why the kernel has killed it.
    """

    component: Component
    entered: float
    machine: Machine = field(default_factory=Machine)
    chronicle: Chronicle = field(init=False)
    starts: int = 0
    child: Child | None = None
    pid: int | None = None
    exit_status: int = 0
    shortage: Shortage | None = None
    spawning: asyncio.Task[None] | None = None
    explaining: asyncio.Task[None] | None = None
    unsent: signal.Signals | None = None
    timer: TimerHandle | None = None
    timer_seconds: float = 0.0
    timer_ends: float = 0.0
    probing: asyncio.Task[None] | None = None
    reason: str = ""
    probe_error: str = ""
    output: tuple[str, ...] = ()
    was_ready: bool = False

    def __post_init__(self) -> None:
        self.chronicle = Chronicle(self.name)

    @property
    def name(self) -> str:
        return self.component.name

    @property
    def is_ending(self) -> bool:
        """Whether its process was told to end."""
        return self.machine.state in {State.STOPPING, State.KILLING}

    def enter(self, before: State, event: Event, now: float) -> None:
        """It has come into another state."""
        state = self.machine.state
        self.chronicle.passed(
            before,
            event,
            state,
            seconds=self.seconds_since_entered(now),
            exit_status=self.exit_status,
            lacked_memory=self.shortage is not None,
        )
        self.entered = now
        if state is State.READY:
            self.was_ready = True

    def seconds_since_entered(self, now: float) -> float:
        return max(now - self.entered, 0.0)

    def history(self, now: float) -> ComponentHistory:
        """What has happened to it."""
        return self.chronicle.until_now(self.machine.state, self.seconds_since_entered(now))

    def status(self, now: float, reason: str) -> ComponentStatus:
        """How it is."""
        backing_off = self.machine.state is State.BACKOFF
        return ComponentStatus(
            name=self.name,
            title=self.component.title,
            state=self.machine.state,
            pid=self.child.pid if self.child is not None else None,
            since_seconds=self.seconds_since_entered(now),
            restarts=max(self.starts - 1, 0),
            failures=self.machine.failures,
            reason=reason,
            retry_in_seconds=max(self.timer_ends - now, 0.0) if backing_off else None,
            output=self.child.tail if self.child is not None else self.output,
            shows_picture=self.component.shows_picture,
            was_ready=self.was_ready,
        )


def timeout_reason(record: Record, policy: Policy) -> str:
    """Why the time of a child's state is over, as it goes on from the child's name."""
    detail = f": {record.probe_error}" if record.probe_error else ""
    match record.machine.state:
        case State.STARTING:
            return f"was not ready within {policy.start_timeout:g} s{detail}"
        case State.DEGRADED:
            return f"did not recover within {policy.degraded_timeout:g} s{detail}"
        case State.KILLING:
            return f"did not die within {round(record.timer_seconds, 2):g} s of SIGKILL"
        case _:
            return ""


def lacking(record: Record, records: Mapping[str, Record]) -> Record | None:
    """A child's first dependency that is not up, if any."""
    dependencies = (records[name] for name in record.component.after)
    return next((other for other in dependencies if other.machine.state not in UP), None)


def dependents_down(record: Record, records: Mapping[str, Record]) -> bool:
    """Whether all children that depend on one are down."""
    dependents = (other for other in records.values() if record.name in other.component.after)
    return all(other.machine.state in DOWN for other in dependents)


def to_end_after(record: Record, records: Mapping[str, Record]) -> int:
    """How many children end one after the other when this one has: those on which it depends."""
    below = (records[name] for name in record.component.after)
    running = [other for other in below if other.machine.state not in DOWN]
    return max((1 + to_end_after(other, records) for other in running), default=0)


def exit_text(record: Record) -> str:
    """How a child's process has ended, as it goes on from the child's name."""
    shortage = "" if record.shortage is None else str(record.shortage)
    return exit_reason(record.exit_status) + shortage


def log_transition(record: Record, before: State) -> None:
    """Log that a child has come into another state; and what it said last, if it is given up."""
    state = record.machine.state
    tags: dict[str, object] = {"component": record.name}
    if record.pid is not None and before not in _WITHOUT_PROCESS:
        tags["pid"] = record.pid
    extra = {**tags, "state": str(state)}
    reason = f": {record.reason}" if record.reason else ""
    if state is State.FATAL:
        failures = record.machine.failures
        given_up = f"gave up after {failures} failure{'' if failures == 1 else 's'}"
        log.error("%s -> %s: %s%s", before, state, given_up, reason, extra=extra)
        for text in record.output:
            log.warning("last output: %s", text, extra=tags)
    elif state in {State.BACKOFF, State.DEGRADED, State.KILLING}:
        log.warning("%s -> %s%s", before, state, reason, extra=extra)
    else:
        log.info("%s -> %s%s", before, state, reason, extra=extra)

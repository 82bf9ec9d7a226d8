"""What the supervisor keeps of one child, and what it says of it."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass, field

from vizproxy.supervise.clock import TimerHandle
from vizproxy.supervise.graph import Component
from vizproxy.supervise.machine import Machine, State
from vizproxy.supervise.policy import Policy
from vizproxy.supervise.process import Child

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Record:
    """One child's mutable side: its machine, its process, its timer and its probe."""

    component: Component
    machine: Machine = field(default_factory=Machine)
    starts: int = 0
    child: Child | None = None
    spawning: asyncio.Task[None] | None = None
    unsent: signal.Signals | None = None
    timer: TimerHandle | None = None
    timer_ends: float = 0.0
    probing: asyncio.Task[None] | None = None
    entered: float = 0.0
    reason: str = ""
    probe_error: str = ""
    output: tuple[str, ...] = ()
    was_ready: bool = False

    @property
    def name(self) -> str:
        return self.component.name


def timeout_reason(record: Record, policy: Policy) -> str:
    """Why the time of a child's state is over, as it goes on from the child's name."""
    detail = f": {record.probe_error}" if record.probe_error else ""
    match record.machine.state:
        case State.STARTING:
            return f"was not ready within {policy.start_timeout:g} s{detail}"
        case State.DEGRADED:
            return f"did not recover within {policy.degraded_timeout:g} s{detail}"
        case State.KILLING:
            return f"did not die within {policy.kill_timeout:g} s of SIGKILL"
        case _:
            return ""


def log_transition(record: Record, before: State) -> None:
    """Log that a child has come into another state."""
    state = record.machine.state
    extra = {"component": record.name, "state": str(state)}
    if record.child is not None:
        extra["pid"] = str(record.child.pid)
    reason = f": {record.reason}" if record.reason else ""
    if state is State.FATAL:
        tail = "".join(f"\n    {text}" for text in record.output)
        last = f"; its last output:{tail}" if tail else ""
        failures = record.machine.failures
        log.error("gave up after %d failures%s%s", failures, reason, last, extra=extra)
    elif state in {State.BACKOFF, State.DEGRADED, State.KILLING}:
        log.warning("%s -> %s%s", before, state, reason, extra=extra)
    else:
        log.info("%s -> %s%s", before, state, reason, extra=extra)

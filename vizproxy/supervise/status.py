"""What the supervisor tells about its children."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from vizproxy.supervise.machine import State


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """What is known of one child at one moment. Times are in seconds."""

    name: str
    title: str
    state: State
    pid: int | None
    since_seconds: float
    restarts: int
    failures: int
    reason: str
    retry_in_seconds: float | None
    output: tuple[str, ...]
    shows_picture: bool


def describe_exit(status: int) -> str:
    """Say how a process ended, from its exit status (negative: killed by that signal)."""
    if status < 0:
        try:
            return f"was killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"was killed by signal {-status}"
    return f"exited with status {status}"

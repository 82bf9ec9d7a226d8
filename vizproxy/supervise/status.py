"""What the supervisor tells about its children."""

from __future__ import annotations

from dataclasses import dataclass

from vizproxy.supervise.machine import State


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """What is known of one child at one moment. Times are in seconds.

    ``was_ready`` tells whether any of its runs so far has become ready.
    """

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
    was_ready: bool = False

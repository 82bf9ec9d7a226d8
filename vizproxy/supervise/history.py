"""What the supervisor remembers of its children over all of their runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from vizproxy.supervise.machine import Event, State


class Cause(StrEnum):
    """Why a child was started once more."""

    EXITED = "exited"
    KILLED = "killed"
    OUT_OF_MEMORY = "out_of_memory"
    NOT_READY = "not_ready"
    UNHEALTHY = "unhealthy"
    NOT_EXECUTABLE = "not_executable"
    DEPENDENCY = "dependency"
    RESTART = "restart"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class ComponentHistory:
    """One child, until now.

    ``restarts`` counts starts after the first one, by what led to them. ``seconds`` is the time spent
    in each state. ``startup_seconds`` is how long the latest start that got the child ready took; None
    before.
    """

    name: str
    restarts: Mapping[Cause, int]
    seconds: Mapping[State, float]
    startup_seconds: float | None


_CAUSES: Final[Mapping[tuple[State, Event], Cause]] = MappingProxyType(
    {
        (State.STARTING, Event.SPAWN_FAILED): Cause.NOT_EXECUTABLE,
        (State.STARTING, Event.TIMEOUT): Cause.NOT_READY,
        (State.DEGRADED, Event.TIMEOUT): Cause.UNHEALTHY,
    }
)
_CAUSES_ANYWHERE: Final[Mapping[Event, Cause]] = MappingProxyType(
    {
        Event.DEPENDENCY_LOST: Cause.DEPENDENCY,
        Event.RESTART: Cause.RESTART,
        Event.RETRY: Cause.RETRY,
    }
)
_ENDING: Final = frozenset({State.STOPPING, State.KILLING})


def cause_of(
    before: State, event: Event, exit_status: int, *, lacked_memory: bool = False
) -> Cause | None:
    """Why a child will be started once more, if an event in a state tells.

    ``exit_status`` is that of the process where it has exited (negative: the signal's number), and
    ``lacked_memory`` tells whether the kernel has killed it for lack of memory. A child that was asked
    to end exits for the reason for which it was asked. Where several events tell, the last one counts:
    the loss of a dependency explains the failure that it led to, and a retry is why the next try comes
    now.
    """
    if event is Event.EXITED and before not in _ENDING:
        if lacked_memory:
            return Cause.OUT_OF_MEMORY
        return Cause.KILLED if exit_status < 0 else Cause.EXITED
    return _CAUSES.get((before, event), _CAUSES_ANYWHERE.get(event))


class Chronicle:
    """Writes down what happens to one child."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._restarts: Counter[Cause] = Counter()
        self._seconds: dict[State, float] = {}
        self._startup: float | None = None
        self._due: Cause | None = None

    def passed(
        self,
        before: State,
        event: Event,
        after: State,
        *,
        seconds: float,
        exit_status: int,
        lacked_memory: bool = False,
    ) -> None:
        """An event has ended the ``seconds`` in a state; see :func:`cause_of` for how it exited."""
        self._seconds = _with(self._seconds, before, seconds)
        if before is State.STARTING and after is State.READY:
            self._startup = seconds
        if event is Event.START:
            if self._due is not None:
                self._restarts[self._due] += 1
            self._due = None
        elif event is Event.STOP:
            self._due = None  # a start after a stop that was wanted is none of the child's doing
        else:
            cause = cause_of(before, event, exit_status, lacked_memory=lacked_memory)
            self._due = cause or self._due

    def until_now(self, state: State, seconds: float) -> ComponentHistory:
        """All of it, with the ``seconds`` for which the child has been in its present state."""
        spent = _with(self._seconds, state, seconds)
        return ComponentHistory(self._name, dict(self._restarts), spent, self._startup)


def _with(spent: Mapping[State, float], state: State, seconds: float) -> dict[State, float]:
    return {**spent, state: spent.get(state, 0.0) + seconds}

"""The life of one supervised child, as a pure table.

Theory of operation
-------------------
A child is always in exactly one :class:`State`. Whatever happens to it is an :class:`Event`. The
:data:`TABLE` maps each pair that can occur to a :class:`Rule`: the next state, the effects that the
supervisor must carry out, and a verdict on the child. A pair that is not in the table is a bug in
the supervisor and raises :class:`ImpossibleEventError`; it is never ignored.

Each state has at most one timer (:data:`TIMED_STATES` says what its end means), armed when the
state is entered and cancelled when it is left, so one event, ``TIMEOUT``, serves them all.

When a run ends, the next state depends on who is to blame. A run that nobody asked to end is
*charged* to the child: it waits in ``BACKOFF``, or rests in ``FATAL`` once ``max_failures`` runs in
a row were charged. A run that ended because it was asked to, or because a dependency went away,
is not. A ``RESTART`` is charged, too: what it draws on was lost, and that may be so again and again.
Charges are *forgiven* after a sustained time in ``READY``, or when something else explains them.

``generation`` numbers the runs. Timers, exits and probe results carry the generation in which they
arose; the supervisor drops those of an earlier one before they get here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """Where a child is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    STOPPING = "stopping"
    KILLING = "killing"
    BACKOFF = "backoff"
    FATAL = "fatal"


class Event(StrEnum):
    """What can happen to a child."""

    START = "start"
    STOP = "stop"
    DEPENDENCY_LOST = "dependency lost"
    SPAWN_FAILED = "spawn failed"
    PROBE_PASSED = "probe passed"
    PROBE_FAILED = "probe failed"
    EXITED = "exited"
    TIMEOUT = "timeout"
    RETRY = "retry"
    RESTART = "restart"


class Effect(Enum):
    """What the supervisor must do after a transition."""

    SPAWN = auto()
    TERMINATE = auto()
    KILL = auto()
    ABANDON = auto()


class Verdict(Enum):
    """What a transition says about the child's record of failures."""

    NONE = auto()
    CHARGE = auto()
    FORGIVE = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. ``target`` None means: decided by who is to blame for the run's end."""

    target: State | None
    effects: tuple[Effect, ...] = ()
    verdict: Verdict = Verdict.NONE


@dataclass(frozen=True, slots=True)
class Machine:
    """The state of one child.

    ``failures`` counts the runs charged in a row; ``charged`` says whether the current run is one of
    them; ``generation`` is the number of the current run, 0 before the first.
    """

    state: State = State.STOPPED
    failures: int = 0
    charged: bool = False
    generation: int = 0


class ImpossibleEventError(RuntimeError):
    """An event reached a state in which it cannot occur: a bug in the supervisor."""


AFTER_RUN: Final = None
"""The target of a rule that ends a run; see :func:`_after_run`."""

_ASK_TO_END: Final = (Effect.TERMINATE,)

TABLE: Final[Mapping[tuple[State, Event], Rule]] = MappingProxyType(
    {
        (State.STOPPED, Event.START): Rule(State.STARTING, (Effect.SPAWN,)),
        # starting: spawned, its readiness probe has not passed yet
        (State.STARTING, Event.SPAWN_FAILED): Rule(AFTER_RUN, verdict=Verdict.CHARGE),
        (State.STARTING, Event.EXITED): Rule(AFTER_RUN, verdict=Verdict.CHARGE),
        (State.STARTING, Event.PROBE_PASSED): Rule(State.READY),
        (State.STARTING, Event.TIMEOUT): Rule(State.STOPPING, _ASK_TO_END, Verdict.CHARGE),
        (State.STARTING, Event.STOP): Rule(State.STOPPING, _ASK_TO_END),
        (State.STARTING, Event.RESTART): Rule(State.STOPPING, _ASK_TO_END, Verdict.CHARGE),
        (State.STARTING, Event.DEPENDENCY_LOST): Rule(State.STOPPING, _ASK_TO_END, Verdict.FORGIVE),
        # ready: does its work
        (State.READY, Event.PROBE_PASSED): Rule(State.READY),
        (State.READY, Event.PROBE_FAILED): Rule(State.DEGRADED),
        (State.READY, Event.TIMEOUT): Rule(State.READY, verdict=Verdict.FORGIVE),
        (State.READY, Event.EXITED): Rule(AFTER_RUN, verdict=Verdict.CHARGE),
        (State.READY, Event.RESTART): Rule(State.STOPPING, _ASK_TO_END, Verdict.CHARGE),
        (State.READY, Event.STOP): Rule(State.STOPPING, _ASK_TO_END),
        (State.READY, Event.DEPENDENCY_LOST): Rule(State.STOPPING, _ASK_TO_END, Verdict.FORGIVE),
        # degraded: runs, but its health probe fails
        (State.DEGRADED, Event.PROBE_PASSED): Rule(State.READY),
        (State.DEGRADED, Event.PROBE_FAILED): Rule(State.DEGRADED),
        (State.DEGRADED, Event.TIMEOUT): Rule(State.STOPPING, _ASK_TO_END, Verdict.CHARGE),
        (State.DEGRADED, Event.EXITED): Rule(AFTER_RUN, verdict=Verdict.CHARGE),
        (State.DEGRADED, Event.RETRY): Rule(State.STOPPING, _ASK_TO_END, Verdict.FORGIVE),
        (State.DEGRADED, Event.RESTART): Rule(State.STOPPING, _ASK_TO_END, Verdict.CHARGE),
        (State.DEGRADED, Event.STOP): Rule(State.STOPPING, _ASK_TO_END),
        (State.DEGRADED, Event.DEPENDENCY_LOST): Rule(State.STOPPING, _ASK_TO_END, Verdict.FORGIVE),
        # stopping: its process group was sent TERM
        (State.STOPPING, Event.EXITED): Rule(AFTER_RUN),
        (State.STOPPING, Event.SPAWN_FAILED): Rule(AFTER_RUN),
        (State.STOPPING, Event.TIMEOUT): Rule(State.KILLING, (Effect.KILL,)),
        # killing: its process group was sent KILL
        (State.KILLING, Event.EXITED): Rule(AFTER_RUN),
        (State.KILLING, Event.SPAWN_FAILED): Rule(AFTER_RUN),
        (State.KILLING, Event.TIMEOUT): Rule(State.FATAL, (Effect.ABANDON,), Verdict.CHARGE),
        # backoff: waits before the next try
        (State.BACKOFF, Event.TIMEOUT): Rule(State.STOPPED),
        (State.BACKOFF, Event.RETRY): Rule(State.STOPPED, verdict=Verdict.FORGIVE),
        (State.BACKOFF, Event.STOP): Rule(State.STOPPED),
        (State.BACKOFF, Event.DEPENDENCY_LOST): Rule(State.STOPPED, verdict=Verdict.FORGIVE),
        # fatal: given up until a person, or a new dependency, gives it another chance
        (State.FATAL, Event.RETRY): Rule(State.STOPPED, verdict=Verdict.FORGIVE),
        (State.FATAL, Event.DEPENDENCY_LOST): Rule(State.STOPPED, verdict=Verdict.FORGIVE),
    }
)

TIMED_STATES: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.STARTING: "not ready within start_timeout",
        State.READY: "ready for stable_after",
        State.DEGRADED: "unhealthy for degraded_timeout",
        State.STOPPING: "not gone within stop_timeout",
        State.KILLING: "not gone within kill_timeout",
        State.BACKOFF: "the backoff is over",
    }
)
"""The states with a timer, and what its ``TIMEOUT`` means."""

UP: Final = frozenset({State.READY, State.DEGRADED})
"""The states in which dependents may run."""

DOWN: Final = frozenset({State.STOPPED, State.FATAL})
"""The states without a process and without a plan to start one by itself."""

RUNNING: Final = frozenset({State.STARTING, State.READY, State.DEGRADED})
"""The states in which a process is there and is meant to be."""


def advance(
    machine: Machine, event: Event, *, max_failures: int
) -> tuple[Machine, tuple[Effect, ...]]:
    """Return the machine after ``event`` and the effects to carry out, in order.

    Raises:
        ImpossibleEventError: ``event`` is not in the table for the machine's state.
    """
    rule = TABLE.get((machine.state, event))
    if rule is None:
        raise ImpossibleEventError(f"event {event!s} cannot occur in state {machine.state!s}")
    judged = _judge(machine, rule.verdict)
    if rule.target is AFTER_RUN:
        return replace(judged, state=_after_run(judged, max_failures)), rule.effects
    judged = replace(judged, state=rule.target)
    if Effect.SPAWN in rule.effects:
        judged = replace(judged, charged=False, generation=judged.generation + 1)
    elif Effect.ABANDON in rule.effects:
        judged = replace(judged, generation=judged.generation + 1)
    return judged, rule.effects


def _judge(machine: Machine, verdict: Verdict) -> Machine:
    match verdict:
        case Verdict.CHARGE if not machine.charged:
            return replace(machine, failures=machine.failures + 1, charged=True)
        case Verdict.FORGIVE:
            return replace(machine, failures=0, charged=False)
        case _:
            return machine


def _after_run(machine: Machine, max_failures: int) -> State:
    if not machine.charged:
        return State.STOPPED
    return State.FATAL if machine.failures >= max_failures else State.BACKOFF


def possible_targets(rule: Rule) -> tuple[State, ...]:
    """Every state that ``rule`` can lead to, for the diagram and the tests."""
    if rule.target is not AFTER_RUN:
        return (rule.target,)
    charged = (State.BACKOFF, State.FATAL)
    return charged if rule.verdict is Verdict.CHARGE else (State.STOPPED, *charged)


def backoff_delay(failures: int, *, initial: float, maximum: float, jitter: float) -> float:
    """Seconds to wait before the next try after ``failures`` charged runs.

    Doubles from ``initial`` up to ``maximum``; ``jitter`` in [0, 1) takes off up to half of it, so
    that many daemons on one node do not come back in step.
    """
    exponent = min(max(failures - 1, 0), 32)
    return min(initial * 2.0**exponent, maximum) * (1 - jitter / 2)

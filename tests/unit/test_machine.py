"""The state machine of a child: every pair of a state and an event, and what holds over any life."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vizproxy.supervise import machine as m
from vizproxy.supervise.machine import Effect, Event, ImpossibleEventError, Machine, State

LIMIT = 3
"""``max_failures`` in these tests."""

FRESH = Machine(generation=1)
CHARGED = Machine(failures=1, charged=True, generation=1)
LAST_CHANCE = Machine(failures=LIMIT - 1, generation=4)

WITH_PROCESS = frozenset(
    {State.STARTING, State.READY, State.DEGRADED, State.STOPPING, State.KILLING}
)


def after(event: Event, state: State, machine: Machine = FRESH) -> Machine:
    """The machine after one event in ``state``."""
    return m.advance(replace(machine, state=state), event, max_failures=LIMIT)[0]


# -------------------------------------------------------------- which events can occur at all

POSSIBLE: dict[Event, set[State]] = {
    # nobody starts a child that has, or may still have, a process
    Event.START: {State.STOPPED},
    # whatever is not down already can be told to end, unless it was told before
    Event.STOP: {State.STARTING, State.READY, State.DEGRADED, State.BACKOFF},
    # the same, and a child that was given up gets a chance with the new dependency
    Event.DEPENDENCY_LOST: {
        State.STARTING,
        State.READY,
        State.DEGRADED,
        State.BACKOFF,
        State.FATAL,
    },
    # a spawn may still be under way while the child is told to end; a ready child was spawned
    Event.SPAWN_FAILED: {State.STARTING, State.STOPPING, State.KILLING},
    # only a process can exit
    Event.EXITED: set(WITH_PROCESS),
    # it becomes ready once; then its health is probed for as long as it is up
    Event.PROBE_PASSED: {State.STARTING, State.READY, State.DEGRADED},
    Event.PROBE_FAILED: {State.READY, State.DEGRADED},
    # a state without a timer cannot time out
    Event.TIMEOUT: set(m.TIMED_STATES),
    # a person helps a child that is ill, waits, or was given up
    Event.RETRY: {State.DEGRADED, State.BACKOFF, State.FATAL},
    # what a child works on was lost while it ran; one that starts may hang on it
    Event.RESTART: {State.STARTING, State.READY, State.DEGRADED},
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_a_pair_is_possible_or_raises(state: State, event: Event) -> None:
    if state in POSSIBLE[event]:
        assert isinstance(after(event, state).state, State)
    else:
        with pytest.raises(ImpossibleEventError, match=f"{event} cannot occur in state {state}"):
            after(event, state)


# ------------------------------------------------------------------------- what each pair does


@dataclass(frozen=True)
class Outcome:
    """What must follow from one event: the state, the effects, the record of failures."""

    state: State
    effects: tuple[Effect, ...] = ()
    failures: int | None = None
    charged: bool | None = None
    new_generation: bool = False


def check(event: Event, state: State, machine: Machine, expected: Outcome) -> None:
    before = replace(machine, state=state)
    got, done = m.advance(before, event, max_failures=LIMIT)
    assert (got.state, done) == (expected.state, expected.effects)
    assert got.failures == (before.failures if expected.failures is None else expected.failures)
    assert got.charged == (before.charged if expected.charged is None else expected.charged)
    assert got.generation == before.generation + expected.new_generation


def test_a_start_spawns_a_run_of_its_own() -> None:
    for machine in (Machine(), CHARGED, LAST_CHANCE):
        spawned = Outcome(State.STARTING, (Effect.SPAWN,), charged=False, new_generation=True)
        check(Event.START, State.STOPPED, machine, spawned)


@pytest.mark.parametrize("state", sorted(POSSIBLE[Event.STOP] - {State.BACKOFF}))
def test_a_stop_asks_a_process_to_end_and_blames_nobody(state: State) -> None:
    for machine in (FRESH, LAST_CHANCE):
        check(Event.STOP, state, machine, Outcome(State.STOPPING, (Effect.TERMINATE,)))


@pytest.mark.parametrize("state", [State.STARTING, State.READY, State.DEGRADED])
def test_the_loss_of_a_dependency_asks_to_end_and_explains_former_failures(state: State) -> None:
    expected = Outcome(State.STOPPING, (Effect.TERMINATE,), failures=0, charged=False)
    for machine in (FRESH, LAST_CHANCE):
        check(Event.DEPENDENCY_LOST, state, machine, expected)


@pytest.mark.parametrize("event", [Event.DEPENDENCY_LOST, Event.RETRY])
@pytest.mark.parametrize("state", [State.BACKOFF, State.FATAL])
def test_a_new_chance_forgets_the_failures(state: State, event: Event) -> None:
    forgiven = Outcome(State.STOPPED, failures=0, charged=False)
    check(event, state, replace(CHARGED, failures=LIMIT), forgiven)


@pytest.mark.parametrize("event", [Event.TIMEOUT, Event.STOP])
def test_the_end_of_the_backoff_keeps_the_failures(event: Event) -> None:
    check(event, State.BACKOFF, CHARGED, Outcome(State.STOPPED))


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.STARTING, Event.SPAWN_FAILED),
        (State.STARTING, Event.EXITED),
        (State.READY, Event.EXITED),
        (State.DEGRADED, Event.EXITED),
    ],
)
def test_an_end_that_nobody_asked_for_is_charged(state: State, event: Event) -> None:
    check(event, state, FRESH, Outcome(State.BACKOFF, failures=1, charged=True))
    check(event, state, LAST_CHANCE, Outcome(State.FATAL, failures=LIMIT, charged=True))


@pytest.mark.parametrize("state", [State.STARTING, State.READY, State.DEGRADED])
def test_a_restart_asks_to_end_and_is_charged(state: State) -> None:
    charged = Outcome(State.STOPPING, (Effect.TERMINATE,), failures=1, charged=True)
    check(Event.RESTART, state, FRESH, charged)


@pytest.mark.parametrize("state", [State.STARTING, State.DEGRADED])
def test_a_run_that_takes_too_long_is_charged_and_asked_to_end(state: State) -> None:
    charged = Outcome(State.STOPPING, (Effect.TERMINATE,), failures=1, charged=True)
    check(Event.TIMEOUT, state, FRESH, charged)


@pytest.mark.parametrize("event", [Event.EXITED, Event.SPAWN_FAILED])
@pytest.mark.parametrize("state", [State.STOPPING, State.KILLING])
def test_an_end_that_was_asked_for_is_judged_by_why_it_was_asked(
    state: State, event: Event
) -> None:
    check(event, state, FRESH, Outcome(State.STOPPED))
    check(event, state, LAST_CHANCE, Outcome(State.STOPPED))
    check(event, state, CHARGED, Outcome(State.BACKOFF))
    check(event, state, replace(CHARGED, failures=LIMIT), Outcome(State.FATAL))


def test_what_does_not_end_is_killed_then_abandoned() -> None:
    check(Event.TIMEOUT, State.STOPPING, FRESH, Outcome(State.KILLING, (Effect.KILL,)))
    check(
        Event.TIMEOUT,
        State.KILLING,
        FRESH,
        Outcome(State.FATAL, (Effect.ABANDON,), failures=1, charged=True, new_generation=True),
    )
    check(
        Event.TIMEOUT,
        State.KILLING,
        CHARGED,  # its failures are few and it was charged already: given up all the same
        Outcome(State.FATAL, (Effect.ABANDON,), new_generation=True),
    )


def test_probes_move_between_the_states_that_are_up() -> None:
    for state in (State.STARTING, State.READY, State.DEGRADED):
        check(Event.PROBE_PASSED, state, CHARGED, Outcome(State.READY))
    for state in (State.READY, State.DEGRADED):
        check(Event.PROBE_FAILED, state, CHARGED, Outcome(State.DEGRADED))


def test_sustained_readiness_forgets_the_failures() -> None:
    check(Event.TIMEOUT, State.READY, LAST_CHANCE, Outcome(State.READY, failures=0, charged=False))


# --------------------------------------------------------------------------- the whole table


def test_the_sets_of_states_fit_the_table() -> None:
    timed = {state for state, event in m.TABLE if event is Event.TIMEOUT}
    assert timed == set(m.TIMED_STATES)
    assert m.UP < m.RUNNING < WITH_PROCESS
    assert {state for state, event in m.TABLE if event is Event.EXITED} == WITH_PROCESS
    assert not m.DOWN & (WITH_PROCESS | {State.BACKOFF})


def test_possible_targets_are_those_that_occur() -> None:
    for (state, event), row in m.TABLE.items():
        occurred = {
            after(event, state, Machine(failures=failures, charged=charged, generation=1)).state
            for failures in range(LIMIT + 1)
            for charged in (False, True)
        }
        assert occurred == set(m.possible_targets(row)), (state, event)


def edges() -> dict[State, set[State]]:
    """Where each state can lead."""
    found: dict[State, set[State]] = {state: set() for state in State}
    for (state, _), row in m.TABLE.items():
        found[state] |= set(m.possible_targets(row))
    return found


def reachable(start: State) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        for target in edges()[todo.pop()] - seen:
            seen.add(target)
            todo.append(target)
    return seen


def test_every_state_can_be_reached() -> None:
    assert reachable(State.STOPPED) == set(State)


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_get_down(state: State) -> None:
    """By being told to stop, with a process that may not listen, and nobody helping."""
    machine = Machine(state=state, generation=1)
    for _ in range(4):
        if machine.state in m.DOWN:
            break
        event = Event.STOP if (machine.state, Event.STOP) in m.TABLE else Event.TIMEOUT
        machine, _ = m.advance(machine, event, max_failures=LIMIT)
    assert machine.state in m.DOWN


def test_only_a_state_with_a_process_is_signalled() -> None:
    for (state, _), row in m.TABLE.items():
        if {Effect.TERMINATE, Effect.KILL, Effect.ABANDON} & set(row.effects):
            assert state in WITH_PROCESS
        if Effect.SPAWN in row.effects:
            assert state not in WITH_PROCESS


def test_nothing_in_the_table_can_be_changed() -> None:
    with pytest.raises(TypeError):
        m.TABLE[State.STOPPED, Event.EXITED] = m.Rule(None)  # type: ignore[index]


# ---------------------------------------------------------------------------- any life at all


class Life(RuleBasedStateMachine):
    """A child to which possible events happen in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.spawns = self.abandoned = 0
        self.charges_of_run = 0

    @rule(data=st.data())
    def happen(self, data: st.DataObject) -> None:
        before = self.machine
        event = data.draw(st.sampled_from([e for s, e in m.TABLE if s is before.state]))
        self.machine, done = m.advance(before, event, max_failures=LIMIT)
        now = self.machine
        assert len(done) <= 1
        if Effect.SPAWN in done:
            assert before.state not in WITH_PROCESS
            self.spawns += 1
            self.charges_of_run = 0
        if Effect.ABANDON in done:
            self.abandoned += 1
        if Effect.TERMINATE in done or Effect.KILL in done:
            assert before.state in WITH_PROCESS
            assert now.state in WITH_PROCESS  # it is awaited
        if now.failures > before.failures:
            assert now.failures == before.failures + 1
            self.charges_of_run += 1
        if now.failures < before.failures:
            assert now.failures == 0
            assert not now.charged
        if now.state is State.FATAL and before.state is not State.FATAL:
            assert now.charged
            assert now.failures >= LIMIT or Effect.ABANDON in done
        if before.state in WITH_PROCESS and now.state not in WITH_PROCESS:
            # the run is over: down without a charge, waiting or given up with one
            assert (now.state is State.STOPPED) == (not now.charged)

    @precondition(lambda self: self.machine.state in m.RUNNING | {State.BACKOFF})
    @rule()
    def stop(self) -> None:
        failures = self.machine.failures
        self.machine, _ = m.advance(self.machine, Event.STOP, max_failures=LIMIT)
        assert self.machine.failures == failures

    @invariant()
    def failures_count(self) -> None:
        assert self.machine.failures >= 0
        assert self.machine.failures > 0 or not self.machine.charged

    @invariant()
    def a_run_is_charged_at_most_once(self) -> None:
        assert self.charges_of_run <= 1

    @invariant()
    def generations_count_runs(self) -> None:
        assert self.machine.generation == self.spawns + self.abandoned


TestLife = Life.TestCase


# -------------------------------------------------------------------------------- the backoff

seconds = st.floats(0.001, 3600)


@given(failures=st.integers(0, 10_000), initial=seconds, more=seconds, jitter=st.floats(0, 0.999))
def test_backoff_is_bounded(failures: int, initial: float, more: float, jitter: float) -> None:
    maximum = initial + more
    delay = m.backoff_delay(failures, initial=initial, maximum=maximum, jitter=jitter)
    assert initial / 2 <= delay <= maximum


@given(failures=st.integers(1, 1000), initial=seconds, more=seconds)
def test_backoff_grows_without_jitter(failures: int, initial: float, more: float) -> None:
    maximum = initial + more
    delays = [
        m.backoff_delay(n, initial=initial, maximum=maximum, jitter=0)
        for n in (1, failures, failures + 1)
    ]
    assert delays == sorted(delays)
    assert delays[0] == initial


def test_backoff_doubles_up_to_its_maximum() -> None:
    delays = [m.backoff_delay(n, initial=0.25, maximum=10, jitter=0) for n in range(1, 9)]
    assert delays == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    assert m.backoff_delay(4, initial=0.25, maximum=10, jitter=0.5) == 1.5

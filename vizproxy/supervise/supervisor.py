"""The supervisor: the graph of children, their timers, and the effects of the state machine.

Start follows the dependency graph on observed readiness, stop goes the other way round. When a
child leaves the states in which dependents may run, its dependents are ended and come back after it.

All of it happens on the event loop, in one place: events are queued and applied one after another by
:meth:`Supervisor._drain`; after each batch :meth:`Supervisor._settle` compares the graph with what
is wanted and queues what follows from it, until nothing does.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Final

from vizproxy.cgroups import Shortage
from vizproxy.supervise import machine as m
from vizproxy.supervise.clock import Clock, LoopClock
from vizproxy.supervise.graph import Component, check_graph
from vizproxy.supervise.history import ComponentHistory
from vizproxy.supervise.machine import Effect, Event, State
from vizproxy.supervise.output import OutputLog
from vizproxy.supervise.policy import Policy
from vizproxy.supervise.probes import attempt
from vizproxy.supervise.process import Child, Spawn, spawn
from vizproxy.supervise.record import (
    Record,
    dependents_down,
    exit_text,
    lacking,
    log_transition,
    timeout_reason,
    to_end_after,
)
from vizproxy.supervise.status import ComponentStatus

log = logging.getLogger(__name__)

_AGAIN_SECONDS: Final = 1.0
"""After how long a health probe that failed is tried again."""


async def _unknown() -> None:
    """Nobody can tell why a child was killed."""


class Supervisor:
    """Keeps the children of a dependency graph running.

    ``changed`` is called after every batch of events that changed something; ``bug`` with any
    exception that escapes a task of the supervisor's own, which is never a child's fault.
    ``shortage`` is asked when a child was killed by somebody else, whether that was for lack of memory.
    """

    def __init__(
        self,
        components: Sequence[Component],
        policy: Policy,
        *,
        changed: Callable[[], None],
        bug: Callable[[BaseException], None],
        shortage: Callable[[], Awaitable[Shortage | None]] = _unknown,
        clock: Clock | None = None,
        spawn_child: Spawn = spawn,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        check_graph(components)
        self._policy = policy
        self._changed = changed
        self._bug = bug
        self._shortage = shortage
        self._clock = clock if clock is not None else LoopClock()
        now = self._clock.time()
        self._records = {c.name: Record(c, now) for c in components}
        self._spawn_child = spawn_child
        self._jitter = jitter
        self._queue: deque[tuple[Record, Event, str]] = deque()
        self._draining = False
        self._dirty = False
        self._wanted = False
        self._end_began: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_down = asyncio.Event()

    def start(self) -> None:
        """Begin to start every child, along the graph. Returns at once."""
        self._all_down.clear()
        self._wanted, self._end_began = True, None
        self._drain()

    async def stop(self) -> None:
        """End every child, dependents first, and return when all are gone.

        Together they have ``end_timeout`` to end by themselves; what is left is killed.
        """
        self._wanted = False
        if self._end_began is None:
            self._end_began = self._clock.time()
            for record in self._records.values():
                if record.is_ending:
                    self._arm_timer(record)
        self._drain()
        await self._all_down.wait()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill_all(self) -> None:
        """Kill every child's process group at once: the last resort when stopping is cut short."""
        self._wanted = False
        for record in self._records.values():
            self._signal(record, signal.SIGKILL)

    def retry(self, name: str) -> bool:
        """Give a child that was given up, waits in backoff or is ill another chance now.

        Returns whether it needed one. Raises KeyError for an unknown name.
        """
        record = self._records[name]
        if (record.machine.state, Event.RETRY) not in m.TABLE:
            return False
        self._post(record, Event.RETRY, "")
        return True

    def restart(self, name: str, reason: str) -> bool:
        """End a child that runs because what it works on was lost; it comes back after a backoff.

        ``reason`` goes on from its name (``lost the GPU``). Returns whether it ran. Raises KeyError
        for an unknown name.
        """
        record = self._records[name]
        if (record.machine.state, Event.RESTART) not in m.TABLE:
            return False
        self._post(record, Event.RESTART, reason)
        return True

    def retire(self, name: str) -> bool:
        """Forget a child that was given up and that no other one needs: it is wanted no more.

        Returns whether it was given up. Raises KeyError for an unknown name, and ValueError for a
        child on which another one depends.
        """
        record = self._records[name]
        if any(name in other.component.after for other in self._records.values()):
            raise ValueError(f"another child depends on {name}")
        if record.machine.state is not State.FATAL:
            return False
        del self._records[name]
        log.info("retired", extra={"component": name})
        self._changed()
        return True

    def snapshot(self) -> tuple[ComponentStatus, ...]:
        """The status of every child, in the order of the graph."""
        now = self._clock.time()
        return tuple(r.status(now, self._reason(r)) for r in self._records.values())

    def history(self) -> tuple[ComponentHistory, ...]:
        """What has happened to every child until now, in the order of the graph."""
        now = self._clock.time()
        return tuple(record.history(now) for record in self._records.values())

    # the queue

    def _post(self, record: Record, event: Event, reason: str) -> None:
        self._queue.append((record, event, reason))
        self._drain()

    def _drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        try:
            while True:
                if not self._queue:
                    self._settle()
                if not self._queue:
                    break
                self._apply(*self._queue.popleft())
        finally:
            self._draining = False
        if self._dirty:
            self._dirty = False
            self._changed()

    def _settle(self) -> None:
        """Queue what follows from the graph: starts, losses and stops."""
        for record in self._records.values():
            state = record.machine.state
            if not self._wanted:
                if state in m.RUNNING | {State.BACKOFF} and dependents_down(record, self._records):
                    self._queue.append((record, Event.STOP, "the desktop is being ended"))
            elif lost := lacking(record, self._records):
                if state in m.RUNNING | {State.BACKOFF, State.FATAL}:
                    why = f"the {lost.component.title} went away"
                    self._queue.append((record, Event.DEPENDENCY_LOST, why))
            elif state is State.STOPPED:
                self._queue.append((record, Event.START, ""))
        if not self._wanted and all(r.machine.state in m.DOWN for r in self._records.values()):
            self._all_down.set()

    # one transition

    def _apply(self, record: Record, event: Event, reason: str) -> None:
        before = record.machine
        record.machine, effects = m.advance(before, event, max_failures=self._policy.max_failures)
        state = record.machine.state
        self._dirty |= record.machine != before
        if state is not before.state:
            self._enter(record, before.state, event, reason)
        for effect in effects:
            self._carry_out(record, effect)
        if state is not before.state:
            log_transition(record, before.state)

    def _enter(self, record: Record, before: State, event: Event, reason: str) -> None:
        state = record.machine.state
        record.enter(before, event, self._clock.time())
        if reason or state in m.UP or state is State.STARTING or before is State.BACKOFF:
            record.reason = reason
        self._arm_timer(record)
        if state is State.READY and before is State.STARTING:
            self._begin_probing(record, self._watch_health(record, record.machine.generation))
        elif state not in m.RUNNING:
            self._end_probing(record)

    def _arm_timer(self, record: Record) -> None:
        if record.timer is not None:
            record.timer.cancel()
            record.timer = None
        state, generation = record.machine.state, record.machine.generation
        if state not in m.TIMED_STATES:
            return
        failures = record.machine.failures
        delay = self._policy.time_in(state, failures=failures, jitter=self._jitter())
        now = self._clock.time()
        if self._end_began is not None:
            elapsed, others = now - self._end_began, to_end_after(record, self._records)
            delay = min(delay, self._policy.share_at_end(state, elapsed=elapsed, others=others))
        record.timer_seconds, record.timer_ends = delay, now + delay

        def fire() -> None:
            if (record.machine.state, record.machine.generation) != (state, generation):
                return
            if state is State.DEGRADED and self._excused(record):
                self._arm_timer(record)
                return
            self._post(record, Event.TIMEOUT, timeout_reason(record, self._policy))

        record.timer = self._clock.call_later(delay, fire)

    def _excused(self, record: Record) -> bool:
        """Whether a degraded child is left alone: by its nature, or since a dependency is ill."""
        return not record.component.restart_when_ill or any(
            self._records[name].machine.state is State.DEGRADED for name in record.component.after
        )

    def _carry_out(self, record: Record, effect: Effect) -> None:
        match effect:
            case Effect.SPAWN:
                record.starts += 1
                record.child, record.pid, record.unsent, record.output = None, None, None, ()
                record.probe_error, record.shortage = "", None
                work = self._spawn(record, record.machine.generation)
                record.spawning = self._run(work, f"spawn {record.name}")
            case Effect.TERMINATE:
                self._signal(record, signal.SIGTERM)
            case Effect.KILL:
                self._signal(record, signal.SIGKILL)
            case Effect.ABANDON:
                record.output = record.child.tail if record.child is not None else ()
                record.child = None
                record.reason += record.component.abandoned()

    def _signal(self, record: Record, number: signal.Signals) -> None:
        if record.child is None:
            record.unsent = number  # its spawn is under way; sent as soon as there is a process
        else:
            record.child.signal_group(number)

    # the process

    async def _spawn(self, record: Record, generation: int) -> None:
        output = OutputLog(record.name, self._clock)

        def ended(child: Child, status: int) -> None:
            output.end()
            if record.machine.generation == generation:
                self._child_ended(record, child, status)

        try:
            child = await self._spawn_child(record.component.spec(), ended=ended, line=output.add)
        except OSError as error:
            if record.machine.generation == generation:
                why = f"cannot be executed: {error.strerror or error}"
                self._post(record, Event.SPAWN_FAILED, why)
            return
        if child.finished:  # its PID may be another's by now
            return
        if record.machine.generation != generation:
            child.signal_group(signal.SIGKILL)
            return
        record.child, record.pid = child, child.pid
        if record.unsent is not None:
            child.signal_group(record.unsent)
        elif record.machine.state is State.STARTING:
            self._begin_probing(record, self._await_ready(record, child, generation))

    def _child_ended(self, record: Record, child: Child, status: int) -> None:
        record.output, record.child = child.tail, None
        record.pid, record.exit_status = child.pid, status
        if status == -signal.SIGKILL and self._wanted and not record.is_ending:
            self._end_probing(record)
            work = self._explain(record, record.machine.generation)
            record.explaining = self._run(work, f"explain {record.name}")
        else:
            self._post_exit(record)

    async def _explain(self, record: Record, generation: int) -> None:
        """Find out why a child was killed, and tell its end with that."""
        record.shortage = await self._shortage()
        if record.machine.generation == generation:
            self._post_exit(record)

    def _post_exit(self, record: Record) -> None:
        self._post(record, Event.EXITED, "" if record.is_ending else exit_text(record))

    # probes

    async def _await_ready(self, record: Record, child: Child, generation: int) -> None:
        while True:
            error = await attempt(record.component.ready, child, self._policy.health_timeout)
            if (
                record.machine.generation != generation
                or record.machine.state is not State.STARTING
            ):
                return
            record.probe_error = error
            if not error:
                self._post(record, Event.PROBE_PASSED, "")
                return
            await self._clock.sleep(self._policy.probe_interval)

    async def _watch_health(self, record: Record, generation: int) -> None:
        healthy, limit = record.component.healthy, self._policy.health_timeout
        while healthy is not None:
            ill = record.machine.state is State.DEGRADED
            await self._clock.sleep(_AGAIN_SECONDS if ill else self._policy.health_interval)
            error = await attempt(healthy, record.child, limit)
            if error and not ill:  # one miss may be the machine's load
                await self._clock.sleep(_AGAIN_SECONDS)
                error = await attempt(healthy, record.child, limit)
            if record.machine.generation != generation or record.machine.state not in m.UP:
                return
            record.probe_error = error
            event = Event.PROBE_FAILED if error else Event.PROBE_PASSED
            self._post(record, event, error)

    def _begin_probing(self, record: Record, work: Coroutine[None, None, None]) -> None:
        self._end_probing(record)
        record.probing = self._run(work, f"probe {record.name}")

    def _end_probing(self, record: Record) -> None:
        # A probe that just reported is the task that runs right now; it returns by itself.
        if record.probing is not None and record.probing is not asyncio.current_task():
            record.probing.cancel()
        record.probing = None

    def _run(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bug(error)

    # what others see

    def _reason(self, record: Record) -> str:
        if record.machine.state is State.STOPPED and self._wanted:
            lost = lacking(record, self._records)
            return f"waits for the {lost.component.title}" if lost else ""
        return record.reason

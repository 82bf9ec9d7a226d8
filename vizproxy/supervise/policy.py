"""The limits and delays of supervision."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vizproxy.supervise import machine as m
from vizproxy.supervise.machine import State


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and delays of supervision, in seconds where not a count.

    ``end_timeout`` is how long all children together have to end by themselves when everything is
    ended, and ``end_kill_timeout`` how long they have to be gone after that. A container's runtime may
    want the end within a second (KubeSpawner's ``delete_grace_period``), so the sum of both is less.
    """

    start_timeout: float = 10.0
    stop_timeout: float = 2.0
    kill_timeout: float = 2.0
    backoff_initial: float = 0.25
    backoff_max: float = 10.0
    max_failures: int = 5
    stable_after: float = 30.0
    health_interval: float = 10.0
    health_timeout: float = 5.0
    degraded_timeout: float = 30.0
    probe_interval: float = 0.01
    end_timeout: float = 0.4
    end_kill_timeout: float = 0.15

    def time_in(self, state: State, *, failures: int, jitter: float) -> float:
        """Seconds until the timer of a timed state ends."""
        match state:
            case State.STARTING:
                return self.start_timeout
            case State.READY:
                return self.stable_after
            case State.DEGRADED:
                return self.degraded_timeout
            case State.STOPPING:
                return self.stop_timeout
            case State.KILLING:
                return self.kill_timeout
            case State.BACKOFF:
                return m.backoff_delay(
                    failures,
                    initial=self.backoff_initial,
                    maximum=self.backoff_max,
                    jitter=jitter,
                )
            case _:
                raise ValueError(f"state {state} has no timer")

    def share_at_end(self, state: State, *, elapsed: float, others: int) -> float:
        """Seconds that a child may stay in a state when everything is ended.

        That began ``elapsed`` seconds ago. The time that is left is divided fairly: ``others`` are to
        end one after the other when this one has.
        """
        match state:
            case State.STOPPING:
                left = self.end_timeout - elapsed
            case State.KILLING:
                left = self.end_timeout + self.end_kill_timeout - elapsed
            case _:
                return math.inf
        return max(left, 0.0) / (1 + others)

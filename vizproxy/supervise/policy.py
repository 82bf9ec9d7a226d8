"""The limits and delays of supervision."""

from __future__ import annotations

from dataclasses import dataclass

from vizproxy.supervise import machine as m
from vizproxy.supervise.machine import State


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and delays of supervision, in seconds where not a count."""

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

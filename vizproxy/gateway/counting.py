"""Counting what viewers send, are sent, and wait for.

Something is counted at every message, so these are plain numbers that change. The tally, which does
not, is made when somebody asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from vizproxy.distribution import Distribution
from vizproxy.gateway.access import Role
from vizproxy.gateway.input import InputReader
from vizproxy.gateway.tally import Leave, Refusal, ViewerTally

ROUND_TRIP_BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
FIRST_PICTURE_BOUNDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the buckets, in seconds."""

MOST_PINGS: Final = 12
"""How many pings of one viewer are waited for: who answers later than that is not measured."""

_PER_SECOND: Final = 1_000_000_000


class Stopwatch:
    """Adds up for how long something was waited for; waits that go on are counted so far.

    Each wait is a ``with`` statement, and there may be many at once. ``clock`` tells whole nanoseconds:
    with fractions the sum might shrink by a rounding, which Prometheus takes for a new beginning.
    """

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._waiting = 0
        self._sum = 0

    def __enter__(self) -> None:
        self._sum -= self._clock()
        self._waiting += 1

    def __exit__(self, *error: object) -> None:
        self._sum += self._clock()
        self._waiting -= 1

    @property
    def seconds(self) -> float:
        """The sum of all waits until now."""
        return (self._sum + self._waiting * self._clock()) / _PER_SECOND


class Counts:
    """What was counted of all viewers until now; the fields are those of ViewerTally."""

    def __init__(self) -> None:
        self.sessions = 0
        self.ended = dict.fromkeys(Leave, 0)
        self.refused = dict.fromkeys(Refusal, 0)
        self.received_bytes = 0
        self.received_messages = 0
        self.sent_bytes = 0
        self.sent_messages = 0
        self.updates = 0
        self.send_wait = Stopwatch()
        self.blocked = Stopwatch()
        self.round_trip = Distribution.empty(*ROUND_TRIP_BOUNDS)
        self.last_round_trip: float | None = None
        self.first_picture = Distribution.empty(*FIRST_PICTURE_BOUNDS)

    def tally(self, connected: Mapping[Role, int]) -> ViewerTally:
        """This moment, as a value."""
        return ViewerTally(
            connected=connected,
            sessions=self.sessions,
            ended=dict(self.ended),
            refused=dict(self.refused),
            received_bytes=self.received_bytes,
            received_messages=self.received_messages,
            sent_bytes=self.sent_bytes,
            sent_messages=self.sent_messages,
            updates=self.updates,
            send_wait_seconds=self.send_wait.seconds,
            blocked_seconds=self.blocked.seconds,
            round_trip=self.round_trip,
            last_round_trip=self.last_round_trip if any(connected.values()) else None,
            first_picture=self.first_picture,
        )


class ViewerMeter:
    """Counts for one viewer, who has arrived at the time ``arrived`` of ``clock``, in seconds.

    ``used`` is called when what it sends is somebody's input.
    """

    def __init__(
        self,
        counts: Counts,
        *,
        arrived: float,
        used: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = counts
        self._arrived = arrived
        self._used = used
        self._clock = clock
        self._reader = InputReader()
        self._requests = 0
        self._pings: dict[bytes, float] = {}
        self._last_ping = 0

    def received(self, data: bytes) -> None:
        """The viewer has sent a message."""
        self.counts.received_messages += 1
        self.counts.received_bytes += len(data)
        if self._reader.feed(data):
            self._used()
        if (requests := self._reader.requests) > self._requests:
            self._asked(requests)

    def sent(self, size: int) -> None:
        """The viewer was sent a message of so many bytes."""
        self.counts.sent_messages += 1
        self.counts.sent_bytes += size

    def ping(self) -> bytes:
        """What is to be in the ping that is sent now, so that its pong is known."""
        if len(self._pings) == MOST_PINGS:
            del self._pings[next(iter(self._pings))]
        self._last_ping += 1
        payload = self._last_ping.to_bytes(8)
        self._pings[payload] = self._clock()
        return payload

    def pong(self, payload: bytes) -> None:
        """The viewer has sent a pong.

        It repeats what was in the ping (RFC 6455, 5.5.3). Who has had several pings may answer the last
        one alone, and may send pongs unasked.
        """
        if (asked := self._pings.pop(payload, None)) is not None:
            took = self._clock() - asked
            self.counts.round_trip = self.counts.round_trip.observed(took)
            self.counts.last_round_trip = took

    def _asked(self, requests: int) -> None:
        """The viewer has asked for so many updates in all, for each but the first after the last."""
        if self._requests < 2 <= requests:
            took = self._clock() - self._arrived
            self.counts.first_picture = self.counts.first_picture.observed(took)
        self.counts.updates += requests - max(self._requests, 1)
        self._requests = requests

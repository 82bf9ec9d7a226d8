"""Counting observations in buckets, as Prometheus's histograms have them."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many observations fell into which bucket.

    ``bounds`` are the buckets' upper bounds, ascending and inclusive; ``counts`` has the number of
    observations in each, and at last of those beyond all bounds. ``total`` is the sum of all.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float = 0.0

    @classmethod
    def empty(cls, *bounds: float) -> Distribution:
        """Without observations."""
        return cls(bounds, (0,) * (len(bounds) + 1))

    @property
    def count(self) -> int:
        """How many observations there are."""
        return sum(self.counts)

    def observed(self, value: float) -> Distribution:
        """The same with one observation more."""
        bucket = bisect.bisect_left(self.bounds, value)
        counts = (*self.counts[:bucket], self.counts[bucket] + 1, *self.counts[bucket + 1 :])
        return replace(self, counts=counts, total=self.total + value)

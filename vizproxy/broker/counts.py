"""What the broker counts from the daemon's start on."""

from __future__ import annotations

from collections import Counter

from vizproxy.broker.leases import Lease
from vizproxy.broker.slots import Slots
from vizproxy.broker.snapshot import Tally


class Counts:
    """Counts what has happened to leases, and the CPU time of their apps."""

    def __init__(self) -> None:
        self.slots = Slots()
        self.admitted = 0
        self.over_uses = 0
        self.refused: Counter[str] = Counter()
        self._cpu_seconds: dict[str, float] = {}

    def cpu_time(self, before: Lease, now: Lease) -> None:
        """Count the CPU time that a lease has more ``now`` than ``before``.

        What the app of a lease that was lost and obtained again used until then was counted for the
        former one, or by a former daemon, so its first report is where counting begins.
        """
        if now.cpu_seconds is None:
            return
        start = before.cpu_seconds
        if start is None:
            start = now.cpu_seconds if now.wish.again else 0.0
        used = self._cpu_seconds.get(now.slot, 0.0)
        # The difference first: added before it is taken off, the sum may shrink by a rounding.
        self._cpu_seconds[now.slot] = used + max(now.cpu_seconds - start, 0.0)

    @property
    def tally(self) -> Tally:
        """All counts, as they are now."""
        return Tally(self.admitted, dict(self.refused), self.over_uses, dict(self._cpu_seconds))

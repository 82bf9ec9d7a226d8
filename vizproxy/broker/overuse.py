"""Apps that use more of the framebuffer than they may: when that becomes somebody's business."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OverUseWatch:
    """Since when each app has been over its grant, and who was called out for it.

    Never changed; :meth:`next` gives the next one. Times are in seconds of any one clock.
    """

    since: Mapping[str, float] = field(default_factory=dict)
    called_out: frozenset[str] = frozenset()

    def next(
        self, over: AbstractSet[str], now: float, grace: float
    ) -> tuple[OverUseWatch, frozenset[str]]:
        """Go on with those who are over now; also return those whose time of grace has just ended.

        An app is returned once for as long as it stays over its grant.
        """
        since = {app: self.since.get(app, now) for app in over}
        late = frozenset(app for app, began in since.items() if now >= began + grace)
        return OverUseWatch(since, late), late - self.called_out

    def next_deadline(self, grace: float) -> float | None:
        """When the next time of grace ends."""
        waiting = [began + grace for app, began in self.since.items() if app not in self.called_out]
        return min(waiting, default=None)

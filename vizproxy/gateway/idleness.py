"""How long nobody has used the desktop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from vizproxy.changes import Changes


class Idleness:
    """Keeps when the desktop was last used: by input, or by whatever else counts.

    ``now`` tells the time of day, ``clock`` a time that never jumps, both in seconds. ``changes`` is
    bumped at every use.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.last: float | None = None
        """The time of day of the last use; None before the first one."""
        self.changes = Changes()
        self._now = now
        self._clock = clock
        self._used_at = clock()

    @property
    def seconds(self) -> float:
        """For how long nobody has used the desktop; before the first use, since the start."""
        return self._clock() - self._used_at

    def used(self) -> None:
        """Somebody uses the desktop now."""
        self.last = self._now()
        self._used_at = self._clock()
        self.changes.bump()

    async def wait(self, limit: float) -> None:
        """Return when the desktop was not used for ``limit`` seconds, from now on at the earliest."""
        began = self._clock()
        while (left := max(began, self._used_at) + limit - self._clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)  # for as long as it takes at least, however often it is used

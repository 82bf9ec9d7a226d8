"""Reading something again and again in the background, so that nobody who asks has to wait for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from vizproxy.errors import VizproxyError
from vizproxy.metrics.measurements import SourceStatus

log = logging.getLogger(__name__)

T = TypeVar("T")

PERIOD_SECONDS: Final = 5.0
"""The time between two readings."""

REST_SECONDS: Final = 0.5
"""The least time between two readings, whoever asks for them."""

PATIENCE_SECONDS: Final = 5.0
"""How long a reading may take."""

STALE_SECONDS: Final = 3 * PERIOD_SECONDS + PATIENCE_SECONDS
"""How old a reading may become before it is not shown any more."""


class Sampling(Generic[T]):
    """Keeps the latest reading of one source.

    ``read`` may take its time, raise, or never end: it holds up nothing but itself. ``clock`` is one
    that never jumps, in seconds. ``period`` is the time between two readings; after one that failed it
    is at most PERIOD_SECONDS.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], Awaitable[T]],
        *,
        period: float = PERIOD_SECONDS,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._read = read
        self._period = period
        self._patience = patience
        self._clock = clock
        self._asked = asyncio.Event()
        self._latest: T | None = None
        self._read_at: float | None = None
        self._success = False
        self._duration = 0.0
        self._began = clock()
        self._told = False

    @property
    def value(self) -> T | None:
        """The latest reading; None if there is none, or none that is fit to be shown."""
        age = self._age()
        return None if age is None or age > STALE_SECONDS else self._latest

    @property
    def status(self) -> SourceStatus:
        """How the source does."""
        return SourceStatus(self.name, self._success, self._duration, self._age())

    async def run(self) -> None:
        """Read for ever."""
        while True:
            self._asked.clear()
            await self.sample()
            period = self._period if self._success else min(self._period, PERIOD_SECONDS)
            await asyncio.sleep(min(REST_SECONDS, period))
            with suppress(TimeoutError):
                async with asyncio.timeout(period - REST_SECONDS):
                    await self._asked.wait()

    def soon(self) -> None:
        """Do not wait for the next reading until it is due."""
        self._asked.set()

    async def sample(self) -> None:
        """Read once. Never raises."""
        began = self._clock()
        try:
            async with asyncio.timeout(self._patience):
                self._latest = await self._read()
        except Exception as error:  # noqa: BLE001 - a collector: whatever it is, the value is missing
            self._success = False
            why = error.why if isinstance(error, VizproxyError) else str(error)
            self._tell_once(why or "there is no answer")
        else:
            self._success, self._read_at, self._told = True, self._clock(), False
        self._duration = self._clock() - began

    def _tell_once(self, why: str) -> None:
        """Log a failure, but not before it lasts: while a desktop starts, there is nothing to read."""
        since = self._began if self._read_at is None else self._read_at
        if self._clock() - since >= STALE_SECONDS and not self._told:
            self._told = True
            log.warning("the %s cannot be measured: %s", self.name, why)

    def _age(self) -> float | None:
        return None if self._read_at is None else self._clock() - self._read_at

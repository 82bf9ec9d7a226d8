"""Answering scrapes without keeping anybody else waiting."""

from __future__ import annotations

import asyncio

from vizproxy.metrics.exposition import Body, Exposition
from vizproxy.metrics.meter import Meter


class Scrapes:
    """Answers scrapes, one at a time: whoever scrapes too often waits, and nobody else does."""

    def __init__(self, meter: Meter, exposition: Exposition) -> None:
        self._meter = meter
        self._exposition = exposition
        self._one_at_a_time = asyncio.Lock()

    async def answer(self, accept: str, accept_encoding: str) -> Body:
        """What is measured now, in the form that these headers of a request ask for."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(
                self._exposition.write,
                self._meter.measure(),
                accept=accept,
                accept_encoding=accept_encoding,
            )

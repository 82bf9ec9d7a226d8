"""Answering scrapes without keeping anybody else waiting."""

from __future__ import annotations

import asyncio

from vizproxy.metrics.exposition import Body, Exposition
from vizproxy.metrics.meter import Meter


class Scrapes:
    """Answers scrapes, one at a time: whoever scrapes too often waits, and nobody else does.

    ``pause`` is the least time between the beginnings of two of them, in seconds: for where anybody may
    ask.
    """

    def __init__(self, meter: Meter, exposition: Exposition, *, pause: float = 0.0) -> None:
        self._meter = meter
        self._exposition = exposition
        self._pause = pause
        self._next = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def answer(self, accept: str, accept_encoding: str) -> Body:
        """What is measured now, in the form that these headers of a request ask for."""
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            await asyncio.sleep(max(self._next - loop.time(), 0.0))
            self._next = loop.time() + self._pause
            return await asyncio.to_thread(
                self._exposition.write,
                self._meter.measure(),
                accept=accept,
                accept_encoding=accept_encoding,
            )

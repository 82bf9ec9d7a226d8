"""Scrapes of the metrics, beside a driver that hangs."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Final

import aiohttp
import psutil
import pytest

from tests.process.test_gpu_watch import desk
from tests.support import eventually

pytestmark = pytest.mark.slow

SCRAPES = 500
PATIENT_SECONDS = 120.0
"""For all of them, on a busy machine. If each waited for the driver, they would take many minutes."""

LEAK_BYTES = 8 * 1024**2
"""Less than if each scrape left its text behind."""


SLOWER: Final = 5
"""How many times as long a scrape may take in the end: a busy machine's do, too."""


async def median_of(session: aiohttp.ClientSession, count: int) -> float:
    """How many seconds so many scrapes took, in the middle."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        await scrape(session)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def scrape(session: aiohttp.ClientSession) -> str:
    async with session.get("/metrics") as response:
        assert response.status == 200
        return await response.text()


async def test_a_driver_that_hangs_neither_delays_scrapes_nor_lets_anything_pile_up(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as desktop, desktop.daemon.session() as session:
        await desktop.condition("fine")

        async def measured() -> bool:
            return 'vizproxy_collector_success{collector="gpu"} 1.0' in await scrape(session)

        await eventually(measured)
        # What a vGPU keeps to itself, and a panel shows; all else is in the test with Prometheus.
        assert "\nvizproxy_gpu_temperature_celsius 41.0\n" in await scrape(session)
        usual = await median_of(session, 50)
        desktop.order("hang")
        await desktop.condition("silent")
        process = psutil.Process(desktop.daemon.pid)
        threads, files = process.num_threads(), process.num_fds()
        resident = process.memory_info().rss
        async with asyncio.timeout(PATIENT_SECONDS):
            await median_of(session, SCRAPES - 100)
            last = await median_of(session, 100)
        assert last < SLOWER * usual, f"{last:.4f} s a scrape, and {usual:.4f} s before"
        text = await scrape(session)
        assert process.num_threads() <= threads + 2  # of the pool, which others use, too
        assert process.num_fds() <= files + 2
        assert process.memory_info().rss - resident < LEAK_BYTES
        assert 'vizproxy_collector_success{collector="gpu"} 0.0' in text
        assert 'vizproxy_gpu_condition{condition="silent"} 1.0' in text
        assert 'vizproxy_collector_success{collector="process"} 1.0' in text
        assert "vizproxy_gpu_framebuffer_used_bytes " not in text
        desktop.order("fine")
        await eventually(measured)

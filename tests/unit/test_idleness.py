"""How long nobody has used the desktop, and which apps count as use."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.unit.fakes import idle
from tests.unit.test_views import ADOPTED, EMPTY, LEASED
from vizproxy.broker.busy import BUSY_PERCENT, counts, watch
from vizproxy.config import Activity, Plan
from vizproxy.gateway.idleness import Idleness


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_it_waits_for_the_time_since_the_last_use() -> None:
    clock = Clock()
    idleness = Idleness(now=lambda: 5.0, clock=clock)
    before = idleness.last
    assert before is None
    waiting = asyncio.create_task(idleness.wait(0.01))
    await idle()
    clock.now += 0.009
    idleness.used()
    seen = idleness.last
    assert seen == 5.0
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done(), "it was used meanwhile"
    clock.now += 0.011
    await asyncio.wait_for(waiting, 5)


async def test_how_long_nobody_has_used_it() -> None:
    clock = Clock()
    idleness = Idleness(clock=clock)
    clock.now += 4
    assert idleness.seconds == 4, "since the start"
    idleness.used()
    clock.now += 2
    assert idleness.seconds == 2


async def test_a_use_before_the_wait_does_not_shorten_it() -> None:
    clock = Clock()
    idleness = Idleness(clock=clock)
    idleness.used()
    clock.now += 100
    waiting = asyncio.create_task(idleness.wait(0.01))
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    waiting.cancel()


async def test_every_use_is_a_change() -> None:
    idleness = Idleness()
    waiting = asyncio.create_task(idleness.changes.wait())
    await idle()
    idleness.used()
    await asyncio.wait_for(waiting, 5)


SOFTWARE = replace(LEASED, plan=Plan.SOFTWARE)


@pytest.mark.parametrize(
    ("apps", "default", "percent", "expected"),
    [
        ((), Activity.ALWAYS, 100, False),
        ((LEASED, ADOPTED), Activity.INPUT, 100, False),
        ((ADOPTED,), Activity.ALWAYS, 0, True),
        ((LEASED,), Activity.GPU, BUSY_PERCENT, True),
        ((LEASED,), Activity.GPU, BUSY_PERCENT - 1, False),
        ((SOFTWARE,), Activity.GPU, 100, False),
        ((ADOPTED,), Activity.GPU, 100, False),
        ((replace(SOFTWARE, activity=Activity.ALWAYS),), Activity.INPUT, 0, True),
        ((replace(LEASED, activity=Activity.INPUT),), Activity.ALWAYS, 100, False),
        ((replace(LEASED, activity=Activity.GPU),), Activity.INPUT, 50, True),
    ],
)
def test_which_apps_count(
    apps: tuple[object, ...], default: Activity, percent: int, *, expected: bool
) -> None:
    snapshot = replace(EMPTY, apps=apps)  # type: ignore[arg-type]
    assert counts(snapshot, default, percent) is expected


async def test_an_app_that_counts_is_use() -> None:
    uses = []
    snapshot = replace(EMPTY, apps=(LEASED,))
    watching = asyncio.create_task(
        watch(lambda: snapshot, Activity.ALWAYS, lambda: 0, lambda: uses.append(1))
    )
    await idle()
    watching.cancel()
    assert uses == [1]

"""Apps that count as activity though nobody touches them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from vizproxy.broker.snapshot import Snapshot
from vizproxy.config import Activity, Plan

BUSY_PERCENT: Final = 10
"""From this utilisation on a GPU is busy: the X server and a still picture alone stay below it."""

LOOK_SECONDS: Final = 5.0


def counts(snapshot: Snapshot, default: Activity, gpu_percent: int) -> bool:
    """Whether an app counts now. ``default`` is for apps that have not chosen.

    Which process it is that keeps the GPU busy cannot be told from within a container, so an app that
    is drawn there is taken for it.
    """
    for app in snapshot.apps:
        rule = default if app.activity is None else app.activity
        if rule is Activity.ALWAYS:
            return True
        on_gpu = app.plan not in {None, Plan.SOFTWARE}
        if rule is Activity.GPU and on_gpu and gpu_percent >= BUSY_PERCENT:
            return True
    return False


async def watch(
    snapshot: Callable[[], Snapshot],
    default: Activity,
    gpu_percent: Callable[[], int],
    used: Callable[[], None],
) -> None:
    """Report, for ever, while an app counts."""
    while True:
        if counts(snapshot(), default, gpu_percent()):
            used()
        await asyncio.sleep(LOOK_SECONDS)

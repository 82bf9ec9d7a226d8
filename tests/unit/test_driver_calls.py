"""Calls that may never return, kept away from everything else."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from typing import Any

import pytest

from tests.support import eventually
from vizproxy.facts.calls import DriverCalls


def refuse() -> None:
    raise ValueError("no")


async def test_a_call_gives_its_result_or_its_error() -> None:
    calls = DriverCalls()
    assert await calls.call(lambda: 42) == 42
    assert calls.wait(lambda: 43) == 43
    with pytest.raises(ValueError, match="no"):
        await calls.call(refuse)
    with pytest.raises(ValueError, match="no"):
        calls.wait(refuse)


async def test_while_a_call_hangs_others_fail_at_once() -> None:
    calls = DriverCalls(0.01, name="hangs")
    release = threading.Event()
    with pytest.raises(TimeoutError):
        await calls.call(release.wait)
    patient = DriverCalls(60)
    with pytest.raises(TimeoutError):
        calls.wait(release.wait)
    assert patient.wait(lambda: 1) == 1, "others are not concerned"
    with pytest.raises(TimeoutError, match="an earlier call still hangs"):
        await calls.call(lambda: 1)
    assert sum(thread.name == "hangs" for thread in threading.enumerate()) == 1
    release.set()

    async def well() -> bool:
        return await calls.call(lambda: True)

    await eventually(well)


async def test_an_error_that_comes_too_late_is_nobodys() -> None:
    """It is no bug either, which the loop's handler would make of it."""
    seen: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.append(context))
    calls, release = DriverCalls(0.01, name="late"), threading.Event()

    def fail_late() -> None:
        release.wait()
        refuse()

    with pytest.raises(TimeoutError):
        await calls.call(fail_late)
    asking = asyncio.create_task(DriverCalls(60, name="late").call(fail_late))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    release.set()
    await eventually(lambda: ended("late"))
    await asyncio.sleep(0)
    del calls, asking
    gc.collect()
    await asyncio.sleep(0)
    assert seen == []


async def ended(name: str) -> bool:
    return not any(thread.name == name for thread in threading.enumerate())


def test_a_call_may_outlive_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    calls, release = DriverCalls(0.01, name="outlives"), threading.Event()

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await calls.call(release.wait)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(ask())
        release.set()
        asyncio.run(eventually(lambda: ended("outlives")))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_thread_that_cannot_be_started_is_an_error_of_that_call_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    calls = DriverCalls()
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refused)
        with pytest.raises(TimeoutError, match="can't start new thread"):
            await calls.call(lambda: 1)
    assert await calls.call(lambda: 1) == 1

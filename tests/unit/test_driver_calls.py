"""Calls that may never return, kept away from everything else."""

from __future__ import annotations

import threading

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
    calls = DriverCalls(0.01)
    release = threading.Event()
    with pytest.raises(TimeoutError):
        await calls.call(release.wait)
    patient = DriverCalls(60)
    with pytest.raises(TimeoutError):
        calls.wait(release.wait)
    assert patient.wait(lambda: 1) == 1, "others are not concerned"
    with pytest.raises(TimeoutError, match="an earlier call still hangs"):
        await calls.call(lambda: 1)
    assert sum(thread.name == "driver" for thread in threading.enumerate()) == 1
    release.set()

    async def well() -> bool:
        return await calls.call(lambda: True)

    await eventually(well)


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

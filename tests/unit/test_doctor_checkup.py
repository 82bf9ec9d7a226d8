"""The daemon's check-up: one look at a time, kept for a while, and nothing that blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.doctoring import case, machine, settings
from vizproxy import resources
from vizproxy.display.plan import RenderingPlan
from vizproxy.doctor import checkup
from vizproxy.doctor.checkup import KEPT_SECONDS, Checkup
from vizproxy.doctor.model import Level
from vizproxy.errors import NotReadyError
from vizproxy.facts.model import Machine

STATUS = {
    "state": "ready",
    "summary": "the desktop is ready",
    "plan": {"name": "software", "reason": "no GPU was found", "warning": ""},
    "environment": {},
}


class Bench:
    """A check-up with a clock that is set by hand and a machine that counts who looks at it."""

    def __init__(self, probe: Callable[[], Machine] | None = None, name: str = "no-gpu") -> None:
        self.now = 100.0
        self.looks = 0
        self._machine = machine(name)
        self._probed = probe
        self.plan = case(name).plan
        self.checkup = Checkup(
            config=settings(),
            probe=self.probe,
            status=self.status,
            plan=self.in_force,
            socket=Path("/nowhere/http.sock"),
            templates=resources.xorg_configs(),
            clock=lambda: self.now,
        )

    def probe(self) -> Machine:
        self.looks += 1
        return self._probed() if self._probed is not None else self._machine

    async def status(self) -> Mapping[str, Any]:
        return STATUS

    def in_force(self) -> RenderingPlan:
        assert isinstance(self.plan, RenderingPlan)
        return self.plan


async def test_a_report_has_the_machine_and_the_desktop() -> None:
    report = await Bench().checkup.report()
    assert report.plan == "software"
    assert [f.what for f in report.of("desktop")] == ["the desktop is ready"]
    assert [f.level for f in report.of("cookie")] == [Level.YELLOW]  # the desktop told of none


async def test_a_report_is_kept_for_a_while() -> None:
    bench = Bench()
    first = await bench.checkup.report()
    bench.now += KEPT_SECONDS
    assert await bench.checkup.report() is first
    bench.now += 0.1
    assert await bench.checkup.report() is not first
    assert bench.looks == 2


def test_a_report_is_not_kept_for_longer_than_it_takes_to_mend_something() -> None:
    assert KEPT_SECONDS <= 2


async def test_the_desktop_is_known_to_run_here() -> None:
    bench = Bench(name="cannot-start")
    report = await bench.checkup.report()
    assert {f.level for f in report.of("programs")} == {Level.RED}


async def test_many_who_ask_at_once_get_one_look() -> None:
    bench = Bench()
    reports = await asyncio.gather(*(bench.checkup.report() for _ in range(20)))
    assert bench.looks == 1
    assert all(report is reports[0] for report in reports)


async def test_the_plan_is_the_one_in_force() -> None:
    """What turned out not to work when the desktop ran is known to nobody else."""
    bench = Bench(name="bare-t4")
    bench.plan = case("bare-t4", display__plan="software").plan
    report = await bench.checkup.report()
    assert (report.plan, report.plan_reason) == ("software", "it was asked for")
    assert [f.level for f in report.of("plan")] == [Level.GREEN]


async def test_a_machine_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "PATIENCE_SECONDS", 0.05)
    looking, released = threading.Event(), threading.Event()

    def hang() -> Machine:
        looking.set()
        released.wait(10)
        return machine("no-gpu")

    bench = Bench(hang)
    try:
        for _ in range(2):  # and the second one does not even begin to look
            with pytest.raises(NotReadyError, match="it has not answered in time"):
                await bench.checkup.report()
        assert await asyncio.to_thread(looking.wait, 10)
        assert bench.looks == 1
    finally:
        released.set()


async def test_a_failure_is_not_kept() -> None:
    answers: list[Exception | Machine] = [RuntimeError("a bug"), machine("no-gpu")]

    def probe() -> Machine:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench = Bench(probe)
    with pytest.raises(RuntimeError):
        await bench.checkup.report()
    assert (await bench.checkup.report()).exit_code == 1

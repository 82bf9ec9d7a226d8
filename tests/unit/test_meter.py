"""Taking the measurements: from parts that answer, and from parts that do not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.support import eventually
from tests.unit import measuring
from vizproxy.api.status import Condition
from vizproxy.changes import Changes
from vizproxy.facts.calls import DriverCalls
from vizproxy.metrics.collectors import DESKTOP_STATES
from vizproxy.metrics.exposition import Exposition
from vizproxy.metrics.measurements import DaemonUse, Measurements, Processes, ProcessUse
from vizproxy.metrics.meter import Meter, Subjects
from vizproxy.metrics.sampling import STALE_SECONDS
from vizproxy.x11.meters import ScreenMeters

BUSY = measuring.BUSY


class Reader:
    """Says what it is to read, and reads nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, int], dict[str, tuple[int, ...]]]] = []
        self.threads: set[int] = set()

    def read(self, components: Any, unleased: Any) -> Processes:
        self.asked.append((dict(components), dict(unleased)))
        self.threads.add(threading.get_ident())
        return Processes(DaemonUse(ProcessUse(1.0, 1), 1, None, 1, 0.0))


class Desk:
    """A meter of parts that answer as on a busy desktop, but for those that are told otherwise."""

    def __init__(self, **otherwise: Any) -> None:
        self.reader, self.changes = Reader(), Changes()
        self.drawings = 0
        answers: dict[str, Callable[[], Any]] = {
            "plan": lambda: BUSY.plan,
            "state": lambda: BUSY.state,
            "log_lines_lost": lambda: 0,
            "screen": self.screen,
            "count_drawing": self.count_drawing,
            "counting": lambda: True,
            "resizes": lambda: 3,
            "damage": lambda: BUSY.damage,
            "apps": lambda: BUSY.apps,
            "scene_age": lambda: 1.0,
            "x_pids": lambda: frozenset({7, None}),
            "gpu": lambda: BUSY.gpu,
            "viewers": lambda: BUSY.viewers,
            "idle": lambda: 5.0,
            "components": lambda: BUSY.components,
            "histories": lambda: BUSY.histories,
        }
        self.meter = Meter(
            Subjects(**(answers | otherwise)),
            processes=self.reader,  # type: ignore[arg-type]
            calls=DriverCalls(),
            changes=self.changes,
        )

    async def screen(self) -> ScreenMeters:
        assert BUSY.screen is not None
        return BUSY.screen

    async def count_drawing(self) -> None:
        self.drawings += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Meter]:
        """The meter, from its first readings on."""
        task = asyncio.create_task(self.meter.run())

        async def read() -> bool:
            now = self.meter.measure()
            return now.screen is not None and now.processes is not None

        try:
            await eventually(read)
            yield self.meter
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def success(now: Measurements) -> dict[str, float]:
    """By collector, whether it has all of its values."""
    (family,) = (
        one for one in Exposition().families(now) if one.name == "vizproxy_collector_success"
    )
    return {sample.labels["collector"]: sample.value for sample in family.samples}


def told(now: Measurements) -> set[str]:
    return {family.name for family in Exposition().families(now)}


async def test_all_that_answers_is_measured() -> None:
    async with Desk().running() as meter:
        now = meter.measure()
        assert (now.screen, now.apps, now.gpu, now.viewers) == (
            BUSY.screen,
            BUSY.apps,
            BUSY.gpu,
            BUSY.viewers,
        )
        assert set(success(now).values()) == {1.0}


async def test_processes_are_read_away_from_the_event_loop() -> None:
    desk = Desk()
    async with desk.running():
        assert desk.reader.threads
        assert threading.get_ident() not in desk.reader.threads


@pytest.mark.parametrize(
    ("part", "collector", "metric"),
    [
        ("state", "desktop", "vizproxy_desktop_state"),
        ("damage", "display", "vizproxy_display_damage_events"),
        ("apps", "apps", "vizproxy_budget_bytes"),
        ("gpu", "gpu", "vizproxy_gpu"),
        ("viewers", "viewers", "vizproxy_viewers"),
        ("components", "supervision", "vizproxy_component_state"),
    ],
)
async def test_a_part_that_fails_is_missing_and_takes_no_other_along(
    part: str, collector: str, metric: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> object:
        raise ValueError("a bug")

    meter = Desk(**{part: fail}).meter
    meter.measure()
    now = meter.measure()
    assert success(now)[collector] == 0
    assert {collector} | {"display", "process"} >= {k for k, v in success(now).items() if not v}
    assert metric not in told(now)
    others = {"vizproxy_build", "vizproxy_input_idle_seconds", "vizproxy_display_resizes"}
    assert len(others & told(now)) >= 2
    assert len(caplog.records) == 1


async def test_what_x_clients_hold_is_not_told_when_it_was_read_too_long_ago() -> None:
    desk = Desk(scene_age=lambda: STALE_SECONDS + 1)
    now = desk.meter.measure()
    assert success(now)["apps"] == 0
    assert "vizproxy_budget_bytes" in told(now)
    assert not {"vizproxy_app_pixmap_bytes", "vizproxy_budget_used_bytes"} & told(now)


async def test_a_gpu_that_does_not_answer_leaves_out_what_apps_have_of_it() -> None:
    silent = replace(measuring.GPU, framebuffer=None, meters=None)
    now = Desk(gpu=lambda: silent).meter.measure()
    assert success(now)["gpu"] == 0
    assert not {"vizproxy_app_gpu_framebuffer_bytes", "vizproxy_budget_used_bytes"} & told(now)
    assert "vizproxy_gpu_condition" in told(now)


async def test_a_gpu_that_was_given_up_has_no_condition_and_fails_no_collector() -> None:
    given_up = replace(measuring.GPU, condition=None, framebuffer=None, meters=None, age=None)
    now = Desk(gpu=lambda: given_up).meter.measure()
    assert "vizproxy_gpu_condition" not in told(now)
    assert {"vizproxy_gpu_losses", "vizproxy_gpu_xid_errors"} <= told(now)
    assert success(now)["gpu"] == 1


async def test_a_screen_on_which_nothing_is_counted_is_incomplete() -> None:
    async with Desk(counting=lambda: False, damage=lambda: None).running() as meter:
        now = meter.measure()
        assert success(now)["display"] == 0
        assert "vizproxy_display_width_pixels" in told(now)
        assert "vizproxy_display_damage_events" not in told(now)


async def test_only_pids_that_the_x_server_itself_names_are_read() -> None:
    apps = measuring.snapshot(
        measuring.app("certain-1", "unleased", leased=False, pids=(7,)),
        measuring.app("told-2", "unleased", leased=False, pids=(8,)),
        measuring.app("leased-3", "leased", pids=(9,)),
    )
    desk = Desk(apps=lambda: apps)
    async with desk.running():
        components, unleased = desk.reader.asked[0]
        assert components == {"xorg": 100}
        assert unleased == {"certain-1": (7,)}


async def test_a_child_that_was_started_is_measured_soon() -> None:
    components = list(BUSY.components)
    desk = Desk(components=lambda: tuple(components))
    async with desk.running():
        before, drawings = len(desk.reader.asked), desk.drawings
        components.append(measuring.component("wm", pid=101))
        desk.changes.bump()

        async def read_again() -> bool:
            return len(desk.reader.asked) > before and desk.drawings > drawings

        await eventually(read_again, timeout=4)
        assert "wm" in desk.reader.asked[-1][0]


async def test_counting_that_has_ended_begins_anew_soon() -> None:
    counts = [True]
    desk = Desk(counting=lambda: counts[0])
    async with desk.running():
        drawings = desk.drawings
        counts[0] = False
        desk.changes.bump()

        async def begun_anew() -> bool:
            return desk.drawings > drawings

        await eventually(begun_anew, timeout=4)


def test_the_states_are_those_of_the_desktop() -> None:
    assert set(DESKTOP_STATES) == set(Condition)

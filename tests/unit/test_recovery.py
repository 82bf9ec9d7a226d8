"""What is done when the GPU is lost, and when the X server on it cannot be started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.unit.fakes import World, idle
from tests.unit.supervising import POLICY
from vizproxy.changes import Changes
from vizproxy.config import Display, GpuDriver, Plan
from vizproxy.display.inforce import PlanInForce
from vizproxy.display.plan import Facts, RenderingPlan, choose
from vizproxy.display.recovery import Recovery, failure
from vizproxy.errors import FileSystemError
from vizproxy.supervise.machine import State
from vizproxy.supervise.status import ComponentStatus

WITH_VIRTUALGL = Facts(gpu_driver=GpuDriver.DUMMY, virtualgl=True)
WITHOUT = Facts(gpu_driver=GpuDriver.DUMMY)
GRAPHS: dict[Plan, dict[str, tuple[str, ...]]] = {
    Plan.VIRTUALGL: {"xorg": (), "xorg3d": ("xorg",), "wm": ("xorg",)},
    Plan.DIRECT: {"xorg": (), "wm": ("xorg",)},
    Plan.EGL: {"xorg": (), "wm": ("xorg",)},
    Plan.SOFTWARE: {"xorg": (), "wm": ("xorg",)},
}


class Desk:
    """A desktop of fake X servers, and what recovers it."""

    def __init__(self, facts: Facts, requested: Plan = Plan.AUTO) -> None:
        display = Display(plan=requested, gpu_driver=GpuDriver.DUMMY)
        self.plan = PlanInForce(display, facts, choose(display, facts))
        self.world = World(GRAPHS[self.plan.now.name], POLICY)
        self.changes = Changes()
        self.world.on_change = self.changes.bump
        self.written: list[Plan] = []
        self.told: list[tuple[int, str, str]] = []
        self.changed = 0
        self.full = False
        self.recovery = Recovery(
            self.plan,
            write=self._write,
            tell=lambda level, kind, text: self.told.append((level, kind, text)),
            changed=self._changed,
        )
        self.recovery.attach(self.world.supervisor)

    def _write(self, plan: RenderingPlan) -> None:
        if self.full:
            raise FileSystemError("write xorg.conf", "no space is left", "freeing some")
        assert self.recovery.due, "the desktop is about to be mended"
        self.written.append(plan.name)

    def _changed(self) -> None:
        self.changed += 1
        self.changes.bump()

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[World]:
        following = asyncio.create_task(self.recovery.follow(self.changes))
        try:
            yield self.world
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await self.world.stop()
            assert self.world.bugs == []

    async def settled(self) -> None:
        """Wait for what runs on threads, and what follows from it."""
        while self.recovery.due:
            await asyncio.to_thread(lambda: None)
            await idle()

    def names(self) -> list[str]:
        return [s.name for s in self.world.supervisor.snapshot()]


async def give_up(desk: Desk) -> None:
    """Let time pass until the desktop's X server was tried often enough; from then on it can start."""
    before = desk.plan.now
    while desk.plan.now is before:
        await desk.world.advance(0.5)
    desk.world.missing.clear()


# ------------------------------------------------------------------------ the next best plan


async def test_without_its_3d_server_programs_draw_by_egl() -> None:
    desk = Desk(WITH_VIRTUALGL)
    async with desk.followed() as world:
        world.missing.add("xorg3d")
        await world.start()
        await world.advance(1)
        assert (desk.plan.now.name, desk.recovery.due) == (Plan.VIRTUALGL, False), "not yet"
        await world.advance(1000)
        await desk.settled()
        plan = desk.plan.now
        assert (plan.name, plan.gpu_template, desk.plan.gpu_server) == (Plan.EGL, None, None)
        assert (
            "the X server on the GPU was given up: it cannot be executed: No such file or directory"
        ) in plan.warning
        assert desk.told == [(logging.WARNING, "plan", plan.warning)]
        assert (desk.names(), desk.changed, desk.written) == (["xorg", "wm"], 1, [])
        assert world.spawns("xorg") == 1, "the desktop itself has not noticed"


async def test_a_desktop_whose_server_cannot_use_the_gpu_gets_one_that_needs_none() -> None:
    desk = Desk(WITHOUT)
    async with desk.followed() as world:
        assert desk.plan.now.name is Plan.DIRECT
        world.missing.add("xorg")
        await world.start()
        await give_up(desk)
        await desk.settled()
        await world.advance(POLICY.backoff_max)
        assert (desk.plan.now.name, desk.written) == (Plan.SOFTWARE, [Plan.SOFTWARE])
        assert world.states() == [State.READY] * 2
        assert "programs draw in software although there is a GPU" in desk.plan.now.warning


async def test_a_desktop_that_cannot_start_at_all_is_given_up_in_the_end() -> None:
    desk = Desk(WITHOUT)
    async with desk.followed() as world:
        world.missing.add("xorg")
        await world.start()
        await world.advance(1000)
        await desk.settled()
        await world.advance(1000)
        assert (world.state("xorg"), desk.plan.now.name) == (State.FATAL, Plan.SOFTWARE)
        assert (desk.changed, desk.recovery.due) == (1, False)


@pytest.mark.parametrize("requested", [Plan.VIRTUALGL, Plan.DIRECT])
async def test_a_plan_that_was_asked_for_fails(requested: Plan) -> None:
    desk = Desk(WITH_VIRTUALGL, requested)
    async with desk.followed() as world:
        server = desk.plan.gpu_server
        assert server is not None
        world.missing.add(server)
        await world.start()
        await world.advance(1000)
        assert (world.state(server), desk.plan.now.name) == (State.FATAL, requested)
        assert (desk.changed, desk.told, desk.recovery.due) == (0, [], False)


async def test_settings_that_cannot_be_written_leave_the_failure_as_it_is() -> None:
    desk = Desk(WITHOUT)
    desk.full = True
    async with desk.followed() as world:
        world.missing.add("xorg")
        await world.start()
        await world.advance(1000)
        await desk.settled()
        assert (world.state("xorg"), desk.plan.now.name) == (State.FATAL, Plan.DIRECT)
        said = "cannot write xorg.conf: no space is left; try freeing some"
        assert desk.told == [(logging.ERROR, "plan", said)]


async def test_a_server_that_has_worked_is_not_replaced() -> None:
    """Whatever ends it again and again, the GPU can carry it; a person may try once more."""
    for facts, server in ((WITH_VIRTUALGL, "xorg3d"), (WITHOUT, "xorg")):
        desk = Desk(facts)
        before = desk.plan.now
        async with desk.followed() as world:
            await world.start()
            world.missing.add(server)
            await world.end(server)
            await world.advance(1000)
            assert (world.state(server), desk.plan.now) == (State.FATAL, before)


# ---------------------------------------------------------------------------- the GPU is lost


async def test_the_server_on_a_lost_gpu_is_started_anew() -> None:
    for facts, server in ((WITH_VIRTUALGL, "xorg3d"), (WITHOUT, "xorg")):
        desk = Desk(facts)
        async with desk.followed() as world:
            await world.start()
            desk.recovery.gpu_lost("it fell off the bus")
            await idle()
            status = world.status(server)
            assert (status.state, status.reason) == (
                State.BACKOFF,
                "lost the GPU: it fell off the bus",
            )
            await world.advance(POLICY.backoff_initial)
            assert world.state(server) is State.READY
            others = [name for name in GRAPHS[desk.plan.now.name] if name != server]
            assert [world.spawns(name) for name in others] == [
                2 if server in GRAPHS[desk.plan.now.name][name] else 1 for name in others
            ]


async def test_a_server_that_was_given_up_gets_a_chance_when_the_gpu_is_back() -> None:
    desk = Desk(WITH_VIRTUALGL)
    async with desk.followed() as world:
        await world.start()
        world.missing.add("xorg3d")
        desk.recovery.gpu_lost("it fell off the bus")
        await world.advance(1000)
        assert (world.state("xorg3d"), desk.plan.now.name) == (State.FATAL, Plan.VIRTUALGL)
        world.missing.clear()
        desk.recovery.gpu_back()
        await idle()
        assert world.state("xorg3d") is State.READY
        desk.recovery.gpu_back()
        await idle()
        assert world.spawns("xorg3d") == 1 + POLICY.max_failures, "it needs no other chance"


async def test_a_desktop_on_a_lost_gpu_goes_on_without_it() -> None:
    desk = Desk(WITHOUT)
    async with desk.followed() as world:
        await world.start()
        world.missing.add("xorg")
        desk.recovery.gpu_lost("it fell off the bus")
        await give_up(desk)
        await desk.settled()
        await world.advance(POLICY.backoff_max)
        assert (desk.plan.now.name, world.state("xorg")) == (Plan.SOFTWARE, State.READY)
        desk.recovery.gpu_back()
        await idle()
        assert desk.plan.now.name is Plan.SOFTWARE


async def test_where_no_server_draws_on_the_gpu_none_is_touched() -> None:
    desk = Desk(WITH_VIRTUALGL, Plan.EGL)
    async with desk.followed() as world:
        await world.start()
        desk.recovery.gpu_lost("it fell off the bus")
        desk.recovery.gpu_back()
        await world.advance(10)
        assert [world.spawns(name) for name in ("xorg", "wm")] == [1, 1]


def test_the_reason_is_what_the_server_has_said() -> None:
    server = ComponentStatus(
        name="xorg3d",
        title="3D X server",
        state=State.FATAL,
        pid=None,
        since_seconds=0,
        restarts=4,
        failures=5,
        reason="exited with status 1",
        retry_in_seconds=None,
        output=("(EE) ", "(EE) no screens found(EE)"),
        shows_picture=False,
    )
    given_up = "the X server on the GPU was given up: it exited with status 1"
    assert failure(server) == f"{given_up} (no screens found)"
    assert failure(replace(server, output=())) == given_up

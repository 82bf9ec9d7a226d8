"""What is done when the GPU is lost, and when the X server on it cannot be started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.unit.fakes import World, idle
from tests.unit.supervising import NOTICED, POLICY
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
        await idle()
        while self.recovery.due:
            await asyncio.to_thread(lambda: None)
            await idle()

    @property
    def said(self) -> list[tuple[int, str]]:
        """What people were told: how important, and of what kind."""
        return [(level, kind) for level, kind, _ in self.told]

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
        assert (desk.changed, desk.recovery.due) == (0, False)
        warning = desk.recovery.warning
        assert warning == (
            "the X server on the GPU was given up: it cannot be executed: "
            "No such file or directory; try `vizproxy doctor`"
        )
        assert desk.told == [(logging.ERROR, "gpu_server", warning)]
        # it is told once, and again only after another chance
        desk.changes.bump()
        await idle()
        assert len(desk.told) == 1
        assert world.supervisor.retry(server)
        await idle()
        assert desk.recovery.warning == ""
        await world.advance(1000)
        assert desk.told == [(logging.ERROR, "gpu_server", warning)] * 2


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
        assert desk.told[0] == (logging.ERROR, "plan", said)
        assert desk.said[1:] == [(logging.ERROR, "gpu_server")]
        assert desk.recovery.warning


async def test_a_server_that_has_worked_and_is_given_up_is_replaced_too() -> None:
    """Else nothing could be drawn until somebody notices."""
    closed = "all windows on the desktop were closed, since its X server was replaced: "
    for facts, server, plan, toll in (
        (WITH_VIRTUALGL, "xorg3d", Plan.EGL, ""),
        (WITHOUT, "xorg", Plan.SOFTWARE, closed),
    ):
        desk = Desk(facts)
        async with desk.followed() as world:
            await world.start()
            world.missing.add(server)
            await world.end(server)
            await give_up(desk)
            await desk.settled()
            await world.advance(POLICY.backoff_max)
            assert (desk.plan.now.name, desk.recovery.warning) == (plan, "")
            assert world.state("xorg") is State.READY
            warning = desk.plan.now.warning
            assert "the X server on the GPU was given up" in warning
            assert desk.told == [(logging.WARNING, "plan", f"{toll}{warning}")]


async def test_a_desktop_that_is_being_ended_is_not_mended() -> None:
    desk = Desk(WITHOUT)
    before = desk.plan.now
    async with desk.followed() as world:
        world.missing.add("xorg")
        await world.start()
        desk.recovery.end()
        await world.advance(1000)
        assert world.state("xorg") is State.FATAL
        desk.recovery.gpu_back()
        await idle()
        assert (world.state("xorg"), desk.plan.now) == (State.FATAL, before)
        assert (desk.told, desk.recovery.due, desk.recovery.warning) == ([], False, "")
    desk = Desk(WITHOUT)
    async with desk.followed() as world:
        await world.start()
        desk.recovery.end()
        desk.recovery.gpu_lost("it fell off the bus")
        await idle()
        assert world.states() == [State.READY] * 2


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


async def test_a_server_that_is_only_starting_on_a_lost_gpu_is_started_anew() -> None:
    """It may hang there until its time is up, or for ever."""
    desk = Desk(WITH_VIRTUALGL)
    async with desk.followed() as world:
        world.unready.add("xorg3d")
        await world.start()
        assert world.state("xorg3d") is State.STARTING
        desk.recovery.gpu_lost("it fell off the bus")
        await idle()
        status = world.status("xorg3d")
        assert (status.state, status.failures) == (State.BACKOFF, 1)
        world.unready.clear()
        await world.advance(POLICY.backoff_initial)
        assert world.state("xorg3d") is State.READY


async def test_a_server_that_is_ill_is_started_anew_when_the_gpu_is_back() -> None:
    desk = Desk(WITH_VIRTUALGL)
    async with desk.followed() as world:
        await world.start()
        desk.recovery.gpu_lost("it fell off the bus")
        await world.advance(POLICY.backoff_initial)
        world.ill.add("xorg3d")
        await world.advance(NOTICED)
        assert world.state("xorg3d") is State.DEGRADED
        world.ill.clear()
        desk.recovery.gpu_back()
        await idle()
        assert (world.state("xorg3d"), world.spawns("xorg3d")) == (State.READY, 3)


async def test_what_users_lose_with_the_gpu() -> None:
    for facts, requested, toll in (
        (WITH_VIRTUALGL, Plan.VIRTUALGL, "programs that drew on it have ended"),
        (WITHOUT, Plan.DIRECT, "all windows on the desktop were closed"),
        (WITH_VIRTUALGL, Plan.EGL, ""),
    ):
        desk = Desk(facts, requested)
        assert desk.recovery.toll() == "", "nothing has started"
        async with desk.followed() as world:
            await world.start()
            assert desk.recovery.toll() == toll


async def test_a_server_that_was_given_up_gets_a_chance_when_the_gpu_is_back() -> None:
    desk = Desk(WITH_VIRTUALGL, Plan.VIRTUALGL)
    async with desk.followed() as world:
        await world.start()
        world.missing.add("xorg3d")
        desk.recovery.gpu_lost("it fell off the bus")
        await world.advance(1000)
        assert (world.state("xorg3d"), desk.plan.now.name) == (State.FATAL, Plan.VIRTUALGL)
        why = (
            "the GPU was lost: it fell off the bus; the X server on it was given up: it cannot be "
        )
        assert desk.recovery.warning.startswith(why)
        world.missing.clear()
        desk.recovery.gpu_back()
        await idle()
        assert world.state("xorg3d") is State.READY
        desk.recovery.gpu_back()
        await idle()
        assert world.spawns("xorg3d") == 1 + POLICY.max_failures, "it needs no other chance"


async def test_on_a_lost_gpu_nothing_draws_by_egl_either() -> None:
    desk = Desk(WITH_VIRTUALGL)
    async with desk.followed() as world:
        await world.start()
        world.missing.add("xorg3d")
        desk.recovery.gpu_lost("it fell off the bus")
        await world.advance(1000)
        await desk.settled()
        assert desk.plan.now.name is Plan.SOFTWARE
        assert "the GPU was lost: it fell off the bus" in desk.plan.now.warning


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
        assert "the GPU was lost: it fell off the bus; the X server" in desk.plan.now.warning
        assert desk.told[0][2].startswith("all windows on the desktop were closed, since ")
        desk.recovery.gpu_back()
        await idle()
        assert desk.plan.now.name is Plan.SOFTWARE


async def untouched(desk: Desk) -> None:
    """Whatever becomes of the GPU, no server is started anew."""
    world = desk.world
    before = [world.spawns(name) for name in ("xorg", "wm")]
    desk.recovery.gpu_lost("it fell off the bus")
    await idle()
    assert world.states() == [State.READY] * 2
    desk.recovery.gpu_back()
    await world.advance(10)
    assert [world.spawns(name) for name in ("xorg", "wm")] == before


async def test_where_no_server_draws_on_the_gpu_none_is_touched() -> None:
    desk = Desk(WITH_VIRTUALGL, Plan.EGL)
    async with desk.followed() as world:
        await world.start()
        await untouched(desk)


async def test_a_desktop_that_has_left_the_gpu_is_not_touched_either() -> None:
    desk = Desk(WITHOUT)
    async with desk.followed() as world:
        world.missing.add("xorg")
        await world.start()
        await give_up(desk)
        await desk.settled()
        await world.advance(POLICY.backoff_max)
        assert (desk.plan.now.name, world.states()) == (Plan.SOFTWARE, [State.READY] * 2)
        await untouched(desk)


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
    silent = replace(server, output=())
    assert failure(silent) == given_up
    assert failure(silent, "Xid 79") == (
        "the GPU was lost: Xid 79; the X server on it was given up: it exited with status 1"
    )
    lost = replace(silent, reason="lost the GPU: Xid 79")
    assert (
        failure(lost, "Xid 79") == "the X server on the GPU was given up: it lost the GPU: Xid 79"
    )

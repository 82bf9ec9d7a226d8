"""The broker: what it knows, whom it lets in, whom it asks, and when it says that something changed."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.brokerdesk import Desk, Holder, base, shown
from tests.unit.broking import LIMITS, MIB, POD, client, wish
from vizproxy.broker import processes
from vizproxy.broker.leases import Limits, Use, Wish
from vizproxy.broker.notices import MAX_NOTICES
from vizproxy.broker.snapshot import AppState, Level, Tally
from vizproxy.config import Plan
from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.errors import AdmissionError, NoSuchAppError, PlanError

NOBODY = 2**22 + 5
"""No process has that PID, nor the numbers after it."""


# ---------------------------------------------------------------------------------- processes


def test_the_pid_namespace_of_processes() -> None:
    own = processes.own_pid_namespace()
    assert own.startswith("pid:[")
    assert processes.pid_namespaces((os.getpid(), NOBODY)) == {os.getpid(): own}


# ---------------------------------------------------------------------------------- admission


async def test_an_app_comes_and_goes() -> None:
    desk = Desk()
    async with desk.running():
        lease = await desk.starts(pids=(10,))
        assert (lease.id, lease.granted, lease.plan) == ("voreen-1", LIMITS.share, Plan.SOFTWARE)
        assert (lease.started, lease.pids) == (1000.0, frozenset({10}))
        (app,) = desk.broker.snapshot().apps
        assert (app.state, app.pids, app.leased) == (AppState.STARTING, (10,), True)

        await desk.sees(*shown(1, 10, 5))
        assert desk.broker.app("voreen-1").state is AppState.RUNNING
        assert desk.windows() == {base(1) + 1: "voreen-1"}

        desk.broker.end("voreen-1", "its program has ended")
        await desk.sees()
        assert desk.apps() == []
        assert desk.notices() == []
        with pytest.raises(NoSuchAppError, match="cannot find the app 'voreen-1'"):
            desk.broker.app("voreen-1")


async def test_ids_are_never_given_twice() -> None:
    desk = Desk()
    async with desk.running():
        ids = []
        for _ in range(3):
            ids.append((await desk.starts()).id)
            desk.broker.end(ids[-1], "it has ended")
        await desk.sees(*shown(1, NOBODY, instance="voreen"))
        assert [*ids, *desk.apps()] == ["voreen-1", "voreen-2", "voreen-3", "voreen-4"]


async def test_whom_there_is_no_room_for() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts("big", LIMITS.framebuffer)
        before = desk.broker.snapshot()
        revision = desk.changes.revision
        with pytest.raises(AdmissionError, match="nothing of the budget of 1 GiB is free") as no:
            await desk.starts("small", MIB)
        after = desk.broker.snapshot()
        assert (after.apps, after.granted) == (before.apps, before.granted)
        assert after.tally == Tally(1, {"framebuffer_full": 1}, 0)
        assert desk.notices() == [("warning", "refused", None)]
        assert after.notices[0].text == no.value.message
        assert after.notices[0].time == 1000.0
        assert desk.changes.revision > revision
        with pytest.raises(AdmissionError):  # it runs, and asks every now and then
            await desk.starts("small", MIB, again=True)
        assert desk.broker.snapshot() == after
        desk.broker.end("big-1", "it has ended")
        assert (await desk.starts("small", MIB)).id == "small-2"


async def test_no_more_apps_than_may_be() -> None:
    desk = Desk(limits=Limits(2, 1000, 1))
    async with desk.running():
        await desk.sees(*shown(1, NOBODY))
        await desk.starts()
        with pytest.raises(AdmissionError) as no:
            await desk.starts()
        assert no.value.reason == "too_many_apps"
        await desk.sees()
        await desk.starts()
        assert desk.broker.snapshot().tally == Tally(2, {"too_many_apps": 1}, 0)


async def test_admission_looks_at_the_desktop_as_it_is_now() -> None:
    desk = Desk()
    async with desk.running():
        await desk.sees(*shown(1, NOBODY, LIMITS.framebuffer))
        desk.observer.next_scene = type(desk.observer.scene)((), ())
        assert (await desk.starts("big", LIMITS.framebuffer)).granted == LIMITS.framebuffer


async def test_admission_without_an_x_server() -> None:
    desk = Desk()
    async with desk.running():
        desk.observer.fails = True
        await desk.starts()
        assert desk.observer.readings == 1


async def test_many_at_once_never_get_more_than_there_is() -> None:
    desk = Desk(limits=Limits(8, 1000, 300))
    async with desk.running():
        asked = [desk.broker.admit(wish(f"app{number}"), Holder()) for number in range(8)]
        got = await asyncio.gather(*asked, return_exceptions=True)
        assert len([lease for lease in got if not isinstance(lease, Exception)]) == 3
        assert all(isinstance(e, AdmissionError) for e in got if isinstance(e, Exception))
        assert desk.broker.snapshot().granted == 900


async def test_an_app_that_cannot_be_drawn_as_it_asks() -> None:
    desk = Desk()

    def none(_: Wish) -> Plan:
        raise PlanError("use the rendering plan 'egl'", "there is no GPU")

    desk.choose = none
    async with desk.running():
        with pytest.raises(PlanError):
            await desk.starts()
        assert desk.broker.snapshot().tally == Tally(0, {}, 0)
        desk.choose = lambda _: Plan.EGL
        assert (await desk.starts()).plan is Plan.EGL


async def test_the_plan_follows_from_the_wish() -> None:
    desk = Desk()
    desk.choose = lambda wish: wish.plan or Plan.VIRTUALGL
    async with desk.running():
        assert (await desk.starts(plan=Plan.EGL)).plan is Plan.EGL
        assert (await desk.starts()).plan is Plan.VIRTUALGL


# --------------------------------------------------------------------------- reports and ends


async def test_reports_and_ends_of_apps_that_have_ended_change_nothing() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts()
        desk.broker.end("voreen-1", "its runner has gone away")
        await desk.quiet()
        before, revision = desk.broker.snapshot(), desk.changes.revision
        desk.broker.report("voreen-1", [10], root_alive=True)
        desk.broker.end("voreen-1", "it has ended", failed=True)
        await desk.quiet()
        assert (desk.broker.snapshot(), desk.changes.revision) == (before, revision)


async def test_a_program_that_failed_is_told() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts()
        desk.broker.end("voreen-1", "exited with status 3: no data", failed=True)
        assert desk.notices() == [("error", "failed", "voreen-1")]
        text = desk.broker.snapshot().notices[0].text
        assert text == "voreen-1 exited with status 3: no data"


async def test_only_the_latest_notices_are_kept() -> None:
    desk = Desk()
    async with desk.running():
        for _ in range(MAX_NOTICES + 3):
            desk.broker.end((await desk.starts()).id, "failed", failed=True)
        numbers = [notice.number for notice in desk.broker.snapshot().notices]
        assert numbers == list(range(4, MAX_NOTICES + 4))


async def test_what_happens_to_the_desktop_is_told_too() -> None:
    desk = Desk()
    async with desk.running():
        revision = desk.changes.revision
        desk.broker.announce(Level.ERROR, "gpu_lost", "the GPU is lost")
        (notice,) = desk.broker.snapshot().notices
        assert (notice.kind, notice.app, notice.text) == ("gpu_lost", None, "the GPU is lost")
        assert desk.changes.revision > revision


async def test_other_limits_hold_for_whoever_comes() -> None:
    desk = Desk()
    async with desk.running():
        big = await desk.starts("big", LIMITS.framebuffer)
        revision = desk.changes.revision
        desk.broker.limit(replace(LIMITS, framebuffer=10 * MIB))
        assert desk.changes.revision > revision
        assert desk.broker.snapshot().limits.framebuffer == 10 * MIB
        assert desk.broker.app(big.id).granted == LIMITS.framebuffer
        with pytest.raises(AdmissionError, match="nothing of the budget of 10 MiB is free"):
            await desk.starts("small", MIB)


async def test_a_late_report_moves_a_window_to_its_app() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts(pids=(10,))
        await desk.sees(*shown(1, 11))
        assert desk.windows() == {base(1) + 1: "x1-2"}
        desk.broker.report("voreen-1", [10, 11], root_alive=True)
        await desk.quiet()
        assert desk.windows() == {base(1) + 1: "voreen-1"}
        assert desk.apps() == ["voreen-1"]


async def test_an_app_that_connects_again_gets_its_windows_back() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts(pids=(10,))
        await desk.sees(*shown(1, 10))
        desk.broker.end("voreen-1", "its runner has gone away")
        await desk.quiet()
        assert desk.apps() == ["x1-2"]
        lease = await desk.starts(pids=(10,))
        assert desk.windows() == {base(1) + 1: lease.id}
        assert desk.apps() == [lease.id]


async def test_an_app_that_connects_again_does_not_stand_in_its_own_way() -> None:
    """Between its leases it is a stranger, who has what is asked for and fills the desktop."""
    places: tuple[dict[str, Any], ...] = ({}, {"pid_namespace": POD, "machine": "pod"})
    for place in places:
        desk = Desk(limits=Limits(1, 1000, 1000))
        async with desk.running():
            await desk.starts(pids=(10,), **place)
            pod = shown(1, None, 600, pid=10, machine="pod")
            await desk.sees(*(pod if place else shown(1, 10, 600)))
            desk.broker.end("voreen-1", "its runner has gone away")
            await desk.quiet()
            with pytest.raises(AdmissionError):
                await desk.starts("another", 1, pids=(11,), **place)
            lease = await desk.starts(pids=(10,), **place)
            assert desk.windows() == {base(1) + 1: lease.id}


async def test_an_app_of_another_container() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts("pod", pids=(10,), pid_namespace=POD, machine="pod")
        await desk.sees(*shown(1, None, pid=10, machine="pod"), *shown(2, 10))
        assert desk.windows() == {base(1) + 1: "pod-1", base(2) + 1: "x2-2"}


async def test_the_desktops_own_programs_are_no_apps() -> None:
    desk = Desk()
    desk.own = frozenset({NOBODY})
    async with desk.running():
        await desk.sees(*shown(1, NOBODY, 100))
        assert (desk.apps(), desk.windows()) == ([], {})


# ------------------------------------------------------------------------- asking before adopting


async def test_holders_are_asked_before_a_stranger_is_adopted() -> None:
    desk = Desk()
    seen: list[list[str]] = []

    def report() -> None:
        seen.append(sorted(desk.apps()))
        desk.broker.report("voreen-1", [10, 11], root_alive=True)

    forking, other = Holder(report), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=forking)
        await desk.starts("other", pids=(20,), holder=other)
        await desk.sees(*shown(1, 11))
        assert desk.windows() == {base(1) + 1: "voreen-1"}
        assert seen == [["other-2", "voreen-1"]], "it was adopted too early"
        assert forking.told == other.told == ["look"]
        assert (await desk.starts("third")).id == "third-3", "a number was used up"


async def test_nobody_is_asked_twice_about_the_same_client() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.sees(*shown(1, NOBODY))
        await desk.starts(pids=(10,), holder=holder)
        assert holder.told == [], "that one was there before"
        await desk.sees(*shown(1, NOBODY), *shown(2, 10))
        assert holder.told == [], "everybody is known"
        await desk.sees(*shown(1, NOBODY), *shown(2, 10), *shown(3, NOBODY + 1))
        await desk.again()
        await desk.sees(*shown(1, NOBODY, 77), *shown(3, NOBODY + 1))
        assert holder.told == ["look"]
        await desk.sees()
        await desk.sees(*shown(3, NOBODY + 1))
        assert holder.told == ["look", "look"], "the base is another client's now"


async def test_windowless_clients_of_pods_are_asked_about_too() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(holder=holder)
        await desk.sees(client(base(1), None, 50))
        assert holder.told == ["look"]
        assert desk.broker.snapshot().unattributed == 50


# ----------------------------------------------------------------------------------- snapshots


async def test_the_budget() -> None:
    desk = Desk()
    desk.gpu = GpuFramebuffer(8000, 900, {10: 70})
    async with desk.running():
        await desk.starts(framebuffer=300, pids=(10,))
        await desk.sees(*shown(1, 10, 5), *shown(2, NOBODY, 7), client(base(3), None, 9))
        snapshot = desk.broker.snapshot()
        assert (snapshot.granted, snapshot.used, snapshot.unattributed) == (300, 77, 9)
        assert snapshot.gpu == desk.gpu
        assert snapshot.limits == LIMITS
        assert [app.use for app in snapshot.apps] == [Use(5, 70), Use(7, 0)]
        assert snapshot.warnings == ()


async def test_another_reading_of_the_gpu_is_a_change() -> None:
    desk = Desk()
    async with desk.running():
        revision = desk.changes.revision
        desk.gpu = GpuFramebuffer(8000, 900, {})
        await desk.again()
        assert desk.changes.revision > revision


async def test_only_what_differs_is_a_change() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts(pids=(10,))
        await desk.sees(*shown(1, 10, 5), *shown(2, NOBODY))
        revision = desk.changes.revision
        await desk.again()
        await desk.passes(5)
        desk.broker.report("voreen-1", [10], root_alive=True)
        await desk.sees(*shown(1, 10, 5), *shown(2, NOBODY))
        assert desk.changes.revision == revision
        await desk.sees(*shown(1, 10, 6), *shown(2, NOBODY))
        assert desk.changes.revision == revision + 1
        desk.broker.report("voreen-1", [10, 12], root_alive=True)
        assert desk.changes.revision == revision + 2


async def test_an_x_server_that_goes_away_takes_the_strangers_with_it() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts(pids=(10,))
        await desk.sees(*shown(1, 10), *shown(2, NOBODY))
        await desk.sees()
        assert desk.apps() == ["voreen-1"]
        assert desk.windows() == {}


# -------------------------------------------------------------------------------------- its end


async def test_it_ends_when_it_is_cancelled() -> None:
    desk = Desk()
    async with desk.running() as task:
        await desk.starts()
        await desk.broker.stop("voreen-1")  # leaves a task behind that waits
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

"""The broker: apps that use too much, that are to end, and that leave something behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.unit.brokerdesk import NO_TIME, STOP, WARN, Desk, Holder, base, shown
from tests.unit.broking import LIMITS, MIB
from vizproxy.broker import broker as broker_module
from vizproxy.broker.broker import LINGER_SECONDS, START_SECONDS
from vizproxy.broker.snapshot import AppState
from vizproxy.changes import Changes
from vizproxy.config import OverUse
from vizproxy.errors import NoSuchAppError

NOBODY = 2**22 + 5
TOO_MUCH = LIMITS.share + MIB

# ------------------------------------------------------------------------------------- over-use


async def test_over_use_is_seen_at_once_and_told_after_the_grace() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=holder)
        await desk.sees(*shown(1, 10, TOO_MUCH))
        assert desk.broker.app("voreen-1").over
        told = "voreen-1 uses 257 MiB of framebuffer and may use 256 MiB"
        assert desk.broker.snapshot().warnings == (told,)
        await desk.passes(WARN.grace - 0.5)
        assert desk.notices() == []
        await desk.passes(0.5)
        assert desk.notices() == [("warning", "over_use", "voreen-1")]
        (notice,) = desk.broker.snapshot().notices
        assert (notice.text, notice.time) == (told, 1000 + WARN.grace)
        await desk.passes(1000)
        await desk.sees(*shown(1, 10, TOO_MUCH + 5))
        assert len(desk.notices()) == 1, "it was told twice"
        assert desk.broker.snapshot().tally.over_uses == 1
        assert holder.told == [], "it was only to be warned"


async def test_whoever_gives_back_in_time_is_not_told() -> None:
    desk = Desk()
    async with desk.running():
        await desk.starts(pids=(10,))
        for _ in range(3):
            await desk.sees(*shown(1, 10, TOO_MUCH))
            await desk.passes(WARN.grace - 1)
            await desk.sees(*shown(1, 10, 5))
            await desk.passes(2)
        assert desk.notices() == []
        assert desk.broker.snapshot().warnings == ()


async def test_the_grace_ends_without_anything_else_happening() -> None:
    """The broker sleeps until then, and not a moment too long."""
    desk = Desk(replace(WARN, grace=0.02))
    async with desk.running():
        await desk.starts(pids=(10,))
        await desk.sees(*shown(1, 10, TOO_MUCH))
        assert desk.notices() == []
        desk.now += 0.02
        assert await desk.broker.until(lambda: bool(desk.broker.snapshot().notices), 5)


async def test_strangers_are_told_as_well() -> None:
    desk = Desk()
    async with desk.running():
        await desk.sees(*shown(1, NOBODY, TOO_MUCH))
        await desk.passes(WARN.grace)
        assert desk.notices() == [("warning", "over_use", "x1-1")]


async def test_whoever_uses_too_much_for_too_long_is_ended() -> None:
    desk, greedy, modest = Desk(STOP), Holder(), Holder()
    async with desk.running():
        await desk.starts("greedy", pids=(10,), holder=greedy)
        await desk.starts("modest", pids=(20,), holder=modest)
        await desk.sees(*shown(1, 10, TOO_MUCH), *shown(2, 20, 5), *shown(3, NOBODY, TOO_MUCH))
        await desk.passes(STOP.grace)
        states = {app.id: app.state for app in desk.broker.snapshot().apps}
        assert states == {
            "greedy-1": AppState.STOPPING,
            "modest-2": AppState.RUNNING,
            "x3-3": AppState.STOPPING,
        }
        assert (greedy.told, modest.told) == (["look", "stop 5"], ["look"])
        assert desk.session.done == [f"ask {base(3) + 1:#x}"]
        assert desk.notices() == [
            ("error", "over_use", "greedy-1"),
            ("error", "over_use", "x3-3"),
        ]
        assert desk.broker.snapshot().notices[0].text.endswith(": it is being ended")


class EndsItAtOnce(Changes):
    """An app that ends in the very moment in which it was to be ended."""

    def __init__(self) -> None:
        super().__init__()
        self.desk: Desk | None = None

    def bump(self) -> None:
        super().bump()
        if self.desk is not None and self.desk.broker.snapshot().notices:
            self.desk.broker.end("voreen-1", "its program has ended")


async def test_an_app_that_ends_just_before_it_is_ended() -> None:
    changes = EndsItAtOnce()
    desk, holder = Desk(STOP, changes=changes), Holder()
    changes.desk = desk
    async with desk.running() as task:
        await desk.starts(pids=(10,), holder=holder)
        await desk.sees(*shown(1, 10, TOO_MUCH))
        await desk.passes(STOP.grace)
        assert not task.done()
        assert holder.told == []


# ----------------------------------------------------------------------------------- what lingers


async def test_what_a_program_leaves_behind_keeps_the_lease_while_it_shows_something() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10, 11), holder=holder)
        await desk.sees(*shown(1, 11))
        desk.broker.report("voreen-1", [11], root_alive=False)
        await desk.passes(LINGER_SECONDS * 5)
        assert holder.told == []
        await desk.sees()
        await desk.passes(LINGER_SECONDS - 0.5)
        assert holder.told == []
        await desk.passes(0.5)
        assert holder.told == ["release: what is left of it shows nothing"]


async def test_a_lease_is_released_once_however_long_the_other_side_takes() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=holder)
        await desk.sees(*shown(1, 10))
        await desk.sees()
        desk.broker.report("voreen-1", [11], root_alive=False)
        await desk.quiet()
        holder.told.clear()
        for _ in range(5):
            await desk.passes(LINGER_SECONDS)
        assert holder.told == ["release: what is left of it shows nothing"]
        assert desk.broker._next_deadline() is None, "it wakes up for nothing"
        assert desk.apps() == ["voreen-1"], "its own side has not let go yet"


async def test_what_is_slow_to_show_something_keeps_its_lease_for_longer() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=holder)
        desk.broker.report("voreen-1", [11], root_alive=False)
        await desk.quiet()
        await desk.passes(START_SECONDS - 1)
        assert holder.told == []
        await desk.passes(1)
        assert holder.told == ["release: what is left of it shows nothing"]


async def test_what_was_to_be_ended_has_not_failed() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=holder)
        await desk.broker.stop("voreen-1")
        desk.broker.end("voreen-1", "was killed by SIGTERM", failed=True)
        assert desk.broker.snapshot().notices == ()


async def test_what_shows_something_again_is_not_released() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=holder)
        desk.broker.report("voreen-1", [11], root_alive=False)
        await desk.quiet()
        await desk.passes(LINGER_SECONDS - 1)
        await desk.sees(*shown(1, 11))
        await desk.sees()
        await desk.passes(LINGER_SECONDS - 1)
        assert holder.told == []


async def test_a_program_that_lives_may_show_nothing_for_as_long_as_it_likes() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=holder)
        await desk.passes(LINGER_SECONDS * 100)
        assert holder.told == []
        assert desk.broker.app("voreen-1").state is AppState.STARTING


# ------------------------------------------------------------------------------------- ending


async def test_an_app_with_a_lease_is_ended_by_its_own_side() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=holder)
        await desk.sees(*shown(1, 10))
        revision = desk.changes.revision
        assert (await desk.broker.stop("voreen-1")).state is AppState.STOPPING
        assert (await desk.broker.stop("voreen-1")).state is AppState.STOPPING
        assert holder.told == ["stop 5"], "it was told twice"
        assert desk.changes.revision > revision
        desk.broker.end("voreen-1", "its program has ended")
        await desk.sees()
        assert (desk.apps(), desk.session.done) == ([], [])


async def test_a_stranger_is_ended_by_its_windows() -> None:
    desk, holder = Desk(), Holder()
    async with desk.running():
        await desk.starts(pids=(10,), holder=holder)
        await desk.sees(*shown(1, 10), *shown(2, NOBODY), *shown(3, NOBODY))
        assert (await desk.broker.stop("x2-2")).state is AppState.STOPPING
        await desk.quiet()
        assert desk.session.done == [f"ask {base(2) + 1:#x}", f"ask {base(3) + 1:#x}"]
        await desk.sees(*shown(1, 10))
        assert desk.apps() == ["voreen-1"]
        assert len(desk.session.done) == 2, "nothing is left to be cut"
        assert holder.told == ["look"]


@pytest.fixture
def no_backstop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "BACKSTOP_SECONDS", 0.0)


@pytest.mark.usefixtures("no_backstop")
@pytest.mark.parametrize("pid", [10, NOBODY], ids=["leased", "adopted"])
async def test_the_x_clients_of_an_app_that_does_not_end_are_cut_off(pid: int) -> None:
    desk = Desk(NO_TIME)
    async with desk.running():
        await desk.starts(pids=(10,))
        await desk.sees(*shown(1, pid), *shown(2, pid), *shown(3, NOBODY + 1))
        app_id = desk.windows()[base(1) + 1]
        await desk.broker.stop(app_id)
        cuts = [f"cut {base(1):#x}", f"cut {base(2):#x}"]
        assert await desk.broker.until(lambda: desk.session.done[-2:] == cuts, 5)
        await desk.quiet()
        # it has had its time; whoever still sees it can try again
        assert desk.broker.app(app_id).state is not AppState.STOPPING
        desk.session.done.clear()
        await desk.broker.stop(app_id)
        assert await desk.broker.until(lambda: desk.session.done[-2:] == cuts, 5)


@pytest.mark.usefixtures("no_backstop")
async def test_an_x_server_that_has_gone_does_not_disturb() -> None:
    desk = Desk(NO_TIME)
    desk.session.fails = True
    async with desk.running() as task:
        await desk.sees(*shown(1, NOBODY))
        await desk.broker.stop("x1-1")
        assert await desk.broker.until(lambda: f"cut {base(1):#x}" in desk.session.done, 5)
        await desk.quiet()
        assert not task.done()


async def test_there_is_nothing_to_end() -> None:
    desk = Desk()
    async with desk.running():
        with pytest.raises(NoSuchAppError):
            await desk.broker.stop("voreen-1")


async def test_waiting_for_what_never_comes() -> None:
    desk = Desk()
    async with desk.running():
        assert not await desk.broker.until(lambda: False, 0)
        assert await desk.broker.until(lambda: True, 0)


# --------------------------------------------------------------------------------------- bugs


async def test_a_bug_surfaces() -> None:
    desk, holder = Desk(replace(STOP, over_use=OverUse.STOP)), Holder()
    holder.bug = ZeroDivisionError("a bug")
    task = asyncio.create_task(desk.broker.run())
    await desk.quiet()
    await desk.starts(pids=(10,), holder=holder)
    await desk.sees(*shown(1, 10, TOO_MUCH))
    await desk.passes(STOP.grace)
    with pytest.raises(ExceptionGroup) as bugs:
        await task
    assert bugs.value.exceptions == (holder.bug,)

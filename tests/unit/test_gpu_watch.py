"""Watching the GPU: readings, what a driver in trouble does to them, and Xids."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator

import pynvml
import pytest

from tests.support import eventually
from tests.unit.fakes import FakeClock, idle
from tests.unit.gpudriver import GPU, LOST, NOT_LOADED, UNKNOWN, AtOnce, Driver, Event
from tests.unit.nvidia import Card, Memory, error
from vizproxy.display.gpu import VANISHED, GpuFramebuffer
from vizproxy.display.gpuhealth import Condition, GpuStatus
from vizproxy.display.gpumeters import GpuMeters, GpuSnapshot
from vizproxy.display.gpuwatch import QUIET_SECONDS, READ_SECONDS, GpuWatch
from vizproxy.display.plan import ChosenGpu
from vizproxy.display.xidevents import TRIES, XidListener
from vizproxy.facts.calls import DriverCalls
from vizproxy.facts.nvml import SILENT

INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR


class Watching:
    """A watch, its driver and its clock, and what it has told whom."""

    def __init__(
        self, driver: Driver, calls: DriverCalls | None = None, *, seen: bool = False
    ) -> None:
        self.driver = driver
        self.calls = AtOnce()
        self.clock = FakeClock()
        self.gpu: ChosenGpu | None = GPU
        self.told: list[tuple[int, str, str]] = []
        self.followed: list[str] = []
        self.changes: list[str] = []
        self.lost_with_it = ""
        self.watch = GpuWatch(
            lambda: self.gpu,
            calls if calls is not None else self.calls,
            tell=lambda level, kind, text: self.told.append((level, kind, text)),
            following=self,
            measured=lambda: self.changes.append("measured"),
            changed=lambda: self.changes.append("changed"),
            seen=seen,
            library=driver,
            clock=self.clock,
        )

    def gpu_lost(self, reason: str) -> None:
        self.followed.append(f"lost: {reason}")

    def gpu_back(self) -> None:
        self.followed.append("back")

    def toll(self) -> str:
        return self.lost_with_it

    @property
    def snapshot(self) -> GpuSnapshot:
        found = self.watch.snapshot
        assert found is not None
        return found

    async def read(self, times: int = 1) -> Condition | None:
        for _ in range(times):
            await self.watch.read()
        return self.watch.status.condition if self.watch.status else None


async def fine(driver: Driver | None = None) -> Watching:
    """A watch that has read the GPU."""
    watching = Watching(driver if driver is not None else Driver())
    assert await watching.read() is Condition.FINE
    watching.changes.clear()
    return watching


async def test_a_reading_is_kept_and_told_once() -> None:
    card = Card(busy=5)
    watching = Watching(Driver(card))
    await watching.read()
    assert watching.watch.framebuffer == GpuFramebuffer(8000, 900, {})
    assert watching.watch.percent == 5
    assert watching.watch.status == GpuStatus("Tesla T4", "GPU-1", Condition.FINE, "", 0.0)
    await watching.read(3)
    assert watching.changes == ["measured", "changed"]
    card.memory = Memory(8000, 901)
    await watching.clock.advance(7)
    await watching.read()
    assert watching.changes == ["measured", "changed", "measured"]
    assert watching.watch.status == GpuStatus("Tesla T4", "GPU-1", Condition.FINE, "", 7.0)
    assert watching.told == []


async def test_a_driver_that_hangs_is_told_of_after_two_readings() -> None:
    watching = await fine()
    watching.calls.hang = True
    assert await watching.read() is Condition.FINE
    assert await watching.read() is Condition.SILENT
    watching.calls.hang = False
    assert await watching.read() is Condition.FINE
    assert watching.told == [
        (WARNING, "gpu_silent", f"the GPU Tesla T4 does not answer: {SILENT}"),
        (INFO, "gpu_back", "the GPU Tesla T4 answers again"),
    ]
    assert watching.followed == [], "what draws on it may go on"
    assert watching.watch.framebuffer is not None, "the last reading is the best there is"


@pytest.mark.parametrize(
    "strange", [UNKNOWN, OSError(5, "Input/output error"), AttributeError("nvml"), KeyError(1)]
)
async def test_whatever_a_driver_raises_is_a_reason(strange: Exception) -> None:
    watching = await fine()
    watching.driver.fail(strange)
    assert await watching.read(2) is Condition.SILENT
    assert len(watching.told) == 1


async def test_a_lost_gpu_is_told_at_once_and_followed_by_deeds() -> None:
    watching = await fine()
    watching.driver.fail(LOST)
    assert await watching.read(3) is Condition.LOST
    why = "the GPU is lost: it does not answer on its bus any more"
    assert watching.followed == [f"lost: {why}"]
    assert watching.told == [(ERROR, "gpu_lost", f"the GPU Tesla T4 is lost: {why}")]
    watching.driver.fail(None)
    assert await watching.read() is Condition.LOST
    assert await watching.read() is Condition.FINE
    assert watching.followed[1:] == ["back"]
    assert watching.told[1:] == [(INFO, "gpu_back", "the GPU Tesla T4 is back")]


async def test_what_users_lose_with_the_gpu_is_told() -> None:
    watching = await fine()
    watching.lost_with_it = "all windows were closed"
    watching.driver.fail(NOT_LOADED)
    await watching.read()
    assert watching.told[0][2].endswith("kernel driver is not loaded; all windows were closed")
    assert watching.watch.status is not None
    assert "windows" not in watching.watch.status.warning


async def test_a_gpu_that_the_driver_knows_no_more_is_lost() -> None:
    watching = await fine()
    cards = watching.driver.cards
    watching.driver.cards = ()
    assert await watching.read(2) is Condition.LOST
    assert watching.followed == [f"lost: {VANISHED}"]
    watching.driver.cards = cards
    assert await watching.read(2) is Condition.FINE
    watching = Watching(Driver())
    watching.driver.cards = ()
    assert await watching.read(5) is None, "it has never answered"


async def test_a_gpu_that_was_there_at_the_start_is_missed_at_once() -> None:
    watching = Watching(Driver(failing={"nvmlInit": NOT_LOADED}), seen=True)
    assert watching.watch.status is not None
    assert watching.watch.status.condition is Condition.FINE
    assert await watching.read() is Condition.LOST


async def test_a_driver_that_disappears_and_comes_back() -> None:
    watching = await fine()
    watching.driver.failing = {"nvmlDeviceGetHandleByUUID": NOT_LOADED}
    await watching.read()
    watching.driver.failing = {"nvmlInit": error(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)}
    assert await watching.read(2) is Condition.LOST
    assert watching.driver.uses == 0
    watching.driver.failing = {}
    assert await watching.read(2) is Condition.FINE
    assert watching.driver.uses == 1


async def test_a_gpu_that_has_never_answered_is_not_missed() -> None:
    """Without the capability "utility" there is no NVML in a container; the GPU may draw."""
    watching = Watching(Driver(failing={"nvmlInit": NOT_LOADED}))
    assert await watching.read(5) is None
    assert (watching.told, watching.followed, watching.changes) == ([], [], [])


async def test_a_call_that_hangs_keeps_nobody_waiting() -> None:
    """With real threads: one that never comes back, until the end of the test."""
    release = threading.Event()

    def hold(call: str) -> None:
        if call == "nvmlDeviceGetMemoryInfo":
            release.wait()

    watching = Watching(Driver(before=hold), DriverCalls(0.01, name="held"), seen=True)
    try:
        assert await watching.read(3) is Condition.SILENT
        assert sum(thread.name == "held" for thread in threading.enumerate()) == 1
    finally:
        release.set()

    async def recovered() -> bool:
        return await watching.read() is Condition.FINE

    await eventually(recovered)


# ---------------------------------------------------------------------------------- snapshots


async def test_a_snapshot_has_all_that_is_known() -> None:
    watching = await fine(Driver(Card(busy=5, memory_busy=3, encoding=2, encoder_busy=12)))
    await watching.clock.advance(4)
    assert watching.watch.snapshot == GpuSnapshot(
        name="Tesla T4",
        uuid="GPU-1",
        driver="550.127.05",
        virtualization="none",
        profile="",
        condition=Condition.FINE,
        losses=0,
        framebuffer=GpuFramebuffer(8000, 900, {}),
        meters=GpuMeters(5, 3, 12, 2, 60, 0.001, 41),
        read_seconds=0.0,
        age=4.0,
        xids={},
    )


async def test_meters_alone_wake_nobody() -> None:
    card = Card(busy=5)
    watching = await fine(Driver(card))
    card.temperature, card.encoding = 70, 3
    await watching.read()
    assert watching.changes == []
    assert watching.snapshot.meters is not None
    assert watching.snapshot.meters.temperature == 70
    card.busy = 6
    await watching.read()
    assert watching.changes == ["measured"]


async def test_a_reading_that_failed_leaves_a_snapshot_without_it() -> None:
    """The budget goes on with the last reading; who measures is not told that it still holds."""
    watching = await fine()
    await watching.clock.advance(5)
    watching.calls.hang = True
    await watching.read(2)
    snapshot = watching.snapshot
    assert (snapshot.framebuffer, snapshot.meters) == (None, None)
    assert (snapshot.condition, snapshot.age) == (Condition.SILENT, 5.0)
    assert (snapshot.name, snapshot.driver) == ("Tesla T4", "550.127.05")
    assert watching.watch.framebuffer is not None
    watching.calls.hang = False
    await watching.read()
    assert watching.snapshot.meters is not None
    assert watching.snapshot.age == 0.0


async def test_losses_are_counted_each_once() -> None:
    watching = await fine()
    for losses in (1, 2):
        watching.driver.fail(LOST)
        assert await watching.read(3) is Condition.LOST
        assert watching.snapshot.losses == losses
        watching.driver.fail(None)
        assert await watching.read(2) is Condition.FINE


async def test_a_gpu_that_is_missed_from_the_start_has_a_snapshot() -> None:
    watching = Watching(Driver(failing={"nvmlInit": NOT_LOADED}), seen=True)
    await watching.read()
    snapshot = watching.snapshot
    assert (snapshot.name, snapshot.uuid, snapshot.driver) == ("Tesla T4", "GPU-1", "")
    assert (snapshot.condition, snapshot.losses) == (Condition.LOST, 1)
    assert (snapshot.framebuffer, snapshot.meters, snapshot.age) == (None, None, None)


async def test_there_is_no_snapshot_of_what_is_not_watched_or_has_never_answered() -> None:
    watching = Watching(Driver(failing={"nvmlInit": NOT_LOADED}))
    await watching.read(3)
    assert watching.watch.snapshot is None
    watching = await fine()
    watching.gpu = None
    assert watching.watch.snapshot is None


async def test_a_gpu_that_was_lost_is_told_of_after_its_plan_was_given_up() -> None:
    watching = await fine()
    watching.driver.fail(LOST)
    await watching.read(3)
    watching.gpu = None
    snapshot = watching.snapshot
    assert (snapshot.name, snapshot.condition, snapshot.losses) == ("Tesla T4", None, 1)
    assert (snapshot.framebuffer, snapshot.meters) == (None, None)


async def test_how_long_a_reading_took_is_known() -> None:
    """Whether it came to an end or not."""
    watching = Watching(Driver(), seen=True)

    def wait(call: str) -> None:
        if call == "nvmlDeviceGetMemoryInfo":
            watching.clock.now += 2.5

    watching.driver.before = wait
    await watching.read()
    assert (watching.snapshot.read_seconds, watching.snapshot.age) == (2.5, 0.0)
    watching.driver.before = lambda call: None
    watching.driver.fail(UNKNOWN)
    await watching.read()
    assert watching.snapshot.read_seconds == 0.0


# --------------------------------------------------------------------------------- its course


@pytest.fixture
async def watching() -> AsyncIterator[Watching]:
    """A watch that goes on by itself."""
    watching = Watching(Driver())
    task = asyncio.create_task(watching.watch.watch())
    await idle()
    assert watching.watch.status is not None
    yield watching
    watching.gpu = None
    await watching.clock.advance(READ_SECONDS)
    await task


async def test_the_gpu_is_read_every_few_seconds(watching: Watching) -> None:
    watching.driver.fail(LOST)
    await watching.clock.advance(READ_SECONDS - 0.1)
    assert watching.followed == []
    await watching.clock.advance(0.1)
    assert len(watching.followed) == 1


async def test_the_watch_ends_when_another_plan_needs_no_gpu(watching: Watching) -> None:
    watching.gpu = None
    await watching.clock.advance(READ_SECONDS)
    assert (watching.watch.framebuffer, watching.watch.percent) == (None, 0)
    assert watching.watch.status is None
    assert watching.clock.pending() == 0

    async def let_go() -> bool:  # the listener, too
        return watching.driver.uses == 0

    await eventually(let_go)


async def test_what_was_read_of_a_gpu_that_is_not_drawn_on_any_more_is_not_told() -> None:
    """At once, not only when the watch notices."""
    watching = await fine(Driver(Card(busy=5)))
    assert (watching.watch.framebuffer, watching.watch.percent) != (None, 0)
    watching.gpu = None
    assert (watching.watch.framebuffer, watching.watch.percent) == (None, 0)


async def test_a_driver_that_hangs_cannot_hold_up_the_end_of_the_watch(watching: Watching) -> None:
    watching.calls.hang = True
    watching.gpu = None
    await watching.clock.advance(READ_SECONDS)
    assert watching.changes[-2:] == ["measured", "changed"]


async def test_without_a_gpu_there_is_nothing_to_watch() -> None:
    watching = Watching(Driver(before=pytest.fail))
    watching.gpu = None
    await watching.watch.watch()
    assert watching.watch.status is None


# --------------------------------------------------------------------------------------- Xids


async def until_told(watching: Watching, count: int) -> None:
    async def check() -> bool:
        return len(watching.told) == count

    await eventually(check, of=lambda: str(watching.told))


async def test_an_xid_of_a_program_is_told_and_no_more(watching: Watching) -> None:
    before = watching.snapshot
    watching.driver.events.put(Event(31))
    await until_told(watching, 1)
    text = "the GPU reported Xid 31 (a program used memory of the GPU that is not there)"
    assert watching.told == [(WARNING, "gpu_xid", text)]
    assert watching.watch.status is not None
    assert watching.watch.status.condition is Condition.FINE
    for number in (31, 31, 13):
        watching.driver.events.put(Event(number))
    await until_told(watching, 2)
    assert "Xid 13" in watching.told[1][2], "each is told once in a while"
    await watching.clock.advance(QUIET_SECONDS)
    watching.driver.events.put(Event(31))
    await until_told(watching, 3)
    assert watching.snapshot.xids == {31: 4, 13: 1}, "they are counted, told or not"
    assert before.xids == {}


async def test_a_fatal_xid_is_the_loss_of_the_gpu(watching: Watching) -> None:
    watching.driver.events.put(Event(79))
    await until_told(watching, 1)
    why = "it reported Xid 79 (the GPU has fallen off the bus)"
    assert watching.followed == [f"lost: {why}"]
    assert watching.told == [(ERROR, "gpu_lost", f"the GPU Tesla T4 is lost: {why}")]
    assert (watching.snapshot.xids, watching.snapshot.losses) == ({79: 1}, 1)


async def test_a_lost_driver_is_let_go_of_and_listened_to_again(watching: Watching) -> None:
    driver = watching.driver

    async def listening() -> bool:
        return driver.sets == 1

    async def gone() -> bool:
        return driver.uses == driver.sets == 0

    await eventually(listening)
    driver.failing = {"nvmlDeviceGetMemoryInfo": LOST, "nvmlInit": NOT_LOADED}
    await watching.clock.advance(READ_SECONDS)
    await eventually(gone)
    driver.failing = {}
    await watching.clock.advance(3 * READ_SECONDS)
    await eventually(listening)


def listen(driver: Driver) -> tuple[XidListener, list[int]]:
    heard: list[int] = []
    return XidListener(GPU, heard.append, driver), heard


async def ended(name: str = "Xid events") -> bool:
    return not any(thread.name == name for thread in threading.enumerate())


async def let_fail(listener: XidListener, driver: Driver) -> None:
    listener.start()
    await eventually(ended)
    assert (driver.uses, driver.sets) == (0, 0)


IN_VAIN = [
    error(pynvml.NVML_ERROR_NOT_SUPPORTED),
    error(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND),
    error(pynvml.NVML_ERROR_NO_PERMISSION),
    error(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH),
    pynvml.NVMLLibraryMismatchError("no such function"),
    AttributeError("nvmlEventSetCreate"),
]


@pytest.mark.parametrize("call", ["nvmlEventSetCreate", "nvmlDeviceRegisterEvents"])
@pytest.mark.parametrize("why", IN_VAIN, ids=str)
async def test_a_driver_that_cannot_tell_of_xids_is_not_asked_again(
    call: str, why: Exception
) -> None:
    await gives_up_after(Driver(failing={call: why}), tries=1)


async def test_a_gpu_that_has_no_xids_is_not_asked_again() -> None:
    await gives_up_after(Driver(types=0), tries=1)


async def test_a_driver_that_fails_again_and_again_is_left_alone_in_the_end() -> None:
    await gives_up_after(Driver(failing={"nvmlDeviceRegisterEvents": UNKNOWN}), tries=TRIES)


async def gives_up_after(driver: Driver, *, tries: int) -> None:
    inits: list[str] = []
    driver.before = lambda call: inits.append(call) if call == "nvmlInit" else None
    listener, _ = listen(driver)
    for _ in range(tries + 2):
        await let_fail(listener, driver)
    assert len(inits) == tries


async def test_other_events_and_failures_of_the_driver() -> None:
    driver = Driver()
    listener, heard = listen(driver)
    driver.events.put(Event(1, eventType=pynvml.nvmlEventTypeClock))
    driver.events.put(Event(45))
    driver.events.put(LOST)
    listener.start()
    await eventually(ended)
    assert heard == [45]
    assert (driver.uses, driver.sets) == (0, 0)
    driver.events.put(Event(46))
    listener.start()

    async def both() -> bool:
        return heard == [45, 46]

    await eventually(both)
    listener.start()  # it does listen
    listener.stop()
    await eventually(ended)

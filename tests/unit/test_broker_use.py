"""CPU time and memory of apps: as their own sides tell it, and summed up for metrics."""

from __future__ import annotations

from tests.unit.brokerdesk import Desk, base, shown
from tests.unit.broking import lease, ledger
from vizproxy.broker.slots import OTHER, UNLEASED


def test_cpu_time_never_shrinks_and_memory_may() -> None:
    held = ledger(lease(1)).used("voreen-1", 5.0, 100).used("voreen-1", 4.0, 50)
    one = held.leases["voreen-1"]
    assert (one.cpu_seconds, one.resident_bytes) == (5.0, 50)
    assert held.used("voreen-2", 1.0, 1) is held


async def test_what_an_app_uses_is_told_and_passed_on() -> None:
    desk = Desk()
    async with desk.running():
        one = await desk.starts("Voreen 5")
        app = desk.broker.app(one.id)
        assert (app.slot, app.cpu_seconds, app.resident_bytes) == ("Voreen 5", None, None)
        assert desk.broker.snapshot().tally.cpu_seconds == {}
        revision = desk.changes.revision
        desk.broker.report_use(one.id, 1.5, 1000)
        app = desk.broker.app(one.id)
        assert (app.cpu_seconds, app.resident_bytes) == (1.5, 1000)
        assert desk.changes.revision == revision + 1
        desk.broker.report_use(one.id, 1.5, 1000)
        assert desk.changes.revision == revision + 1, "it is no news"
        await desk.quiet()
        assert desk.observer.readings == 1, "nothing is looked at for it"


async def test_cpu_time_by_slot_is_of_all_leases() -> None:
    desk = Desk()
    async with desk.running():
        one, two = await desk.starts("brain"), await desk.starts("brain")
        other = await desk.starts("other app")
        desk.broker.report_use(one.id, 2.0, 1)
        desk.broker.report_use(one.id, 3.0, 1)
        desk.broker.report_use(two.id, 4.0, 1)
        desk.broker.report_use(other.id, 0.5, 1)
        assert desk.broker.snapshot().tally.cpu_seconds == {"brain": 7.0, "other app": 0.5}
        desk.broker.end(one.id, "it has ended")
        desk.broker.report_use(one.id, 9.0, 1)
        desk.broker.report_use(two.id, 1.0, 1)
        assert desk.broker.snapshot().tally.cpu_seconds == {"brain": 7.0, "other app": 0.5}
        again = await desk.starts("brain")
        desk.broker.report_use(again.id, 1.0, 1)
        assert desk.broker.snapshot().tally.cpu_seconds["brain"] == 8.0


async def test_the_counter_of_a_name_never_shrinks_however_its_apps_are_rounded() -> None:
    desk = Desk()
    async with desk.running():
        apps = [await desk.starts("brain") for _ in range(2)]
        counter = 0.0
        for number in range(300):
            for app, step in zip(apps, (0.1, 0.07), strict=True):
                desk.broker.report_use(app.id, step * (number // 2), number)  # each second one anew
                now = desk.broker.snapshot().tally.cpu_seconds["brain"]
                assert now >= counter
                counter = now


async def test_what_was_used_before_a_lease_was_obtained_again_is_not_counted_twice() -> None:
    desk = Desk()
    async with desk.running():
        first = await desk.starts("brain")
        desk.broker.report_use(first.id, 10.0, 1)
        desk.broker.end(first.id, "its runner has gone away")
        again = await desk.starts("brain", again=True)
        desk.broker.report_use(again.id, 11.0, 1)
        assert desk.broker.app(again.id).cpu_seconds == 11.0
        assert desk.broker.snapshot().tally.cpu_seconds == {"brain": 10.0}
        desk.broker.report_use(again.id, 12.5, 1)
        assert desk.broker.snapshot().tally.cpu_seconds == {"brain": 11.5}


async def test_labels_are_few() -> None:
    desk = Desk()
    async with desk.running():
        for number in range(40):
            await desk.starts(f"app {number}", 1)
            app = desk.broker.snapshot().apps[-1]
            assert app.slot == (f"app {number}" if number < 32 else OTHER)
            desk.broker.end(app.id, "it has ended")
        await desk.sees(*shown(1, 4242, instance="/home/ada/secret"))
        (stranger,) = desk.broker.snapshot().apps
        assert stranger.windows == (base(1) + 1,)
        assert (stranger.slot, stranger.cpu_seconds) == (UNLEASED, None)

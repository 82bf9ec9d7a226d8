"""Apps without a lease, over-use, and the accounts that bring it all together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.broking import LIMITS, OURS, POD, client, lease, ledger, scene, window
from vizproxy.broker.accounts import Accounts
from vizproxy.broker.adopted import Adopted, adopt
from vizproxy.broker.attribution import Stranger, Surroundings, attribute
from vizproxy.broker.leases import Ledger, Use
from vizproxy.broker.overuse import OverUseWatch
from vizproxy.broker.slots import OTHER, UNLEASED
from vizproxy.broker.snapshot import App, AppState
from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.x11.scene import EMPTY, Scene

A, B = 0x200000, 0x400000
AROUND = Surroundings(OURS)
NOBODY: frozenset[str] = frozenset()


def numbers(start: int = 1) -> Callable[[], int]:
    counter = itertools.count(start)
    return lambda: next(counter)


# ------------------------------------------------------------------------------------- adoption


def adopted(seen: Scene, names: dict[int, str] | None = None) -> list[Adopted]:
    found = attribute(seen, (), AROUND)
    return list(adopt({}, found, seen, names=names or {}, number=numbers(), now=5.0).values())


@pytest.mark.parametrize(
    ("names", "app"),
    [
        ({"instance": "xclock", "class_name": "XClock"}, "xclock-1"),
        ({"class_name": "XClock"}, "xclock-1"),
        ({"title": "a title"}, "app-1"),
        ({"instance": "x" * 500}, f"{'x' * 40}-1"),
        ({"instance": "\x1b]0;!\x07"}, "0-1"),
    ],
)
def test_a_stranger_is_called_what_its_window_calls_itself(names: dict[str, str], app: str) -> None:
    (one,) = adopted(scene(client(A, 42), window(A + 1, A, **names)))
    assert (one.id, one.started, one.pid) == (app, 5.0, 42)


def test_the_first_window_with_a_name_names_the_app() -> None:
    seen = scene(client(A), window(A + 1, A), window(A + 2, A, instance="b"), window(B + 1, B))
    assert [one.id for one in adopted(seen)] == ["b-1"]


def test_a_windowless_stranger_is_called_as_its_program_is() -> None:
    seen = scene(client(A, 42, 1))
    assert [one.id for one in adopted(seen, {42: "voreen\x07", 43: "other"})] == ["voreen-1"]
    assert [one.id for one in adopted(seen)] == ["app-1"]
    elsewhere = scene(client(A), window(A + 1, A, pid=42, machine="pod"))
    assert [one.id for one in adopted(elsewhere, {42: "ours"})] == ["app-1"]


def test_the_pid_of_a_stranger_is_told_by_whoever_knows_it() -> None:
    told = scene(client(A), window(A + 1, A, pid=7, machine="pod"))
    assert [one.pid for one in adopted(told)] == [7]
    assert [one.pid for one in adopted(scene(client(A), window(A + 1, A)))] == [None]


def test_a_stranger_stays_the_same_until_it_has_gone() -> None:
    one = scene(client(A, 42), window(A + 1, A, instance="x"))
    both = scene(*one.clients, client(B, 43), *one.windows, window(B + 1, B, instance="y"))
    number = numbers()
    known: dict[Stranger, Adopted] = {}
    seen_ids = []
    for now, seen in enumerate([one, both, one, EMPTY, one]):
        found = attribute(seen, (), AROUND)
        known = dict(adopt(known, found, seen, names={}, number=number, now=float(now)))
        seen_ids.append([app.id for app in known.values()])
    assert seen_ids == [["x-1"], ["x-1", "y-2"], ["x-1"], [], ["x-3"]]


# ------------------------------------------------------------------------------------- over-use


def test_an_app_is_called_out_when_its_grace_ends() -> None:
    watch = OverUseWatch()
    assert watch.next_deadline(10) is None
    watch, late = watch.next({"a"}, 100.0, 10)
    assert (late, watch.next_deadline(10)) == (frozenset(), 110.0)
    watch, late = watch.next({"a", "b"}, 109.9, 10)
    assert (late, watch.next_deadline(10)) == (frozenset(), 110.0)
    watch, late = watch.next({"a", "b"}, 110.0, 10)
    assert (late, watch.next_deadline(10)) == (frozenset("a"), 119.9)
    watch, late = watch.next({"a"}, 500.0, 10)
    assert (late, watch.next_deadline(10)) == (frozenset(), None)
    watch, late = watch.next(frozenset(), 501.0, 10)
    watch, late = watch.next({"a"}, 502.0, 10)
    assert (late, watch.next_deadline(10)) == (frozenset(), 512.0)


@given(
    steps=st.lists(
        st.tuples(st.frozensets(st.sampled_from("abc")), st.integers(0, 4)), max_size=40
    ),
    grace=st.integers(0, 6),
)
def test_it_is_called_out_exactly_once_for_as_long_as_it_stays_over(
    steps: Sequence[tuple[frozenset[str], int]], grace: int
) -> None:
    watch, now = OverUseWatch(), 0
    since: dict[str, int] = {}
    told: set[str] = set()
    for over, passed in steps:
        now += passed
        since = {app: since.get(app, now) for app in over}
        told &= over
        due = {app for app, began in since.items() if now - began >= grace} - told
        watch, late = watch.next(over, now, grace)
        assert late == due
        told |= late
        deadline = watch.next_deadline(grace)
        assert deadline == min((since[app] + grace for app in over - told), default=None)
        assert deadline is None or deadline > now


# ------------------------------------------------------------------------------------- accounts


def accounts(
    seen: Scene,
    held: Ledger,
    gpu: GpuFramebuffer | None = None,
    *,
    before: Accounts | None = None,
    around: Surroundings = AROUND,
) -> Accounts:
    before = before or Accounts()
    return before.renewed(seen, held, around, gpu, number=numbers(50), now=50.0)


def shown(seen: Scene, held: Ledger, gpu: GpuFramebuffer | None = None) -> dict[str, App]:
    apps = accounts(seen, held, gpu).apps(held, LIMITS, NOBODY)
    assert len({app.id for app in apps}) == len(apps)
    return {app.id: app for app in apps}


def test_every_app_in_the_order_of_its_start() -> None:
    held = ledger(lease(9, "late"), lease(2, "early"))
    seen = scene(client(A, 42), window(A + 1, A, instance="x"))
    assert list(shown(seen, held)) == ["early-2", "late-9", "x-50"]


def test_a_leased_app() -> None:
    held = ledger(lease(1, granted=100, pids=(11, 10), program="bin"))
    seen = scene(
        client(A, 10, 60), client(B, 11, 41), window(B + 1, B), window(A + 2, A), window(A + 1, A)
    )
    assert shown(seen, held.used("voreen-1", 1.5, 70)) == {
        "voreen-1": App(
            id="voreen-1",
            name="voreen",
            leased=True,
            state=AppState.STARTING,
            plan=lease(1).plan,
            program="bin",
            started=1.0,
            pids=(10, 11),
            windows=(B + 1, A + 2, A + 1),
            granted=100,
            use=Use(101),
            over=True,
            slot=OTHER,
            cpu_seconds=1.5,
            resident_bytes=70,
        )
    }


def test_an_adopted_app_may_use_as_much_as_a_share() -> None:
    seen = scene(client(A, 42, LIMITS.share + 1), window(A + 1, A, instance="Clock"))
    assert shown(seen, Ledger()) == {
        "clock-50": App(
            id="clock-50",
            name="Clock",
            leased=False,
            state=AppState.RUNNING,
            plan=None,
            program="Clock",
            started=50.0,
            pids=(42,),
            windows=(A + 1,),
            granted=LIMITS.share,
            use=Use(LIMITS.share + 1),
            over=True,
            slot=UNLEASED,
        )
    }


def test_the_course_of_an_apps_life() -> None:
    held = ledger(lease(1, pids=(10,)))
    seen = scene(client(A, 10), client(B, 42), window(A + 1, A), window(B + 1, B))
    now = accounts(seen, held)
    stopping = frozenset({"voreen-1", "app-50"})
    assert [a.state for a in now.apps(held, LIMITS, NOBODY)] == ["starting", "running"]
    held = held.shown(now.attribution.leased)
    assert [a.state for a in now.apps(held, LIMITS, NOBODY)] == ["running", "running"]
    assert [a.state for a in now.apps(held, LIMITS, stopping)] == ["stopping", "stopping"]


def test_without_a_gpu_its_bytes_are_unknown() -> None:
    held = ledger(lease(1, pids=(10,)))
    assert shown(EMPTY, held)["voreen-1"].use == Use(0, None)


def test_the_gpus_bytes_are_of_processes_of_our_namespace() -> None:
    """NVML's PIDs are ours; those of a Pod's namespace are numbers that mean somebody else here."""
    gpu = GpuFramebuffer(1000, 90, {10: 30, 11: 40, 20: 50, 99: 5})
    held = ledger(
        lease(1, "local", 60, pids=(10, 11)),
        lease(2, "remote", 60, pids=(20,), pid_namespace=POD, machine="pod"),
    )
    seen = scene(
        client(A, 99, 1),
        window(A + 1, A, instance="clock"),
        client(B),
        window(B + 1, B, instance="told", pid=10, machine="other"),
    )
    apps = shown(seen, held, gpu)
    assert apps["local-1"].use == Use(0, 70)
    assert apps["local-1"].over
    assert apps["remote-2"].use == Use(0, None)
    assert apps["clock-50"].use == Use(1, 5)
    assert apps["told-51"].use == Use(0, None)
    assert apps["told-51"].pids == (10,)


@pytest.mark.parametrize(
    ("listed", "on_gpu"),
    [
        ({}, None),
        ({3_000_000: 30}, None),
        ({99: 5}, 0),
        ({42: 5}, 0),
        ({11: 5}, 0),
        ({10: 7, 99: 5}, 7),
    ],
    ids=["nobody", "by the host's PIDs", "the X server", "an X client", "another app", "itself"],
)
def test_the_gpus_bytes_are_known_where_it_lists_somebody_known(
    listed: dict[int, int], on_gpu: int | None
) -> None:
    """NVML in a container may list nothing, or the host's PIDs: then nobody uses an unknown amount."""
    held = ledger(lease(1, "one", pids=(10,)), lease(2, "other", pids=(11,)), lease(3, "early"))
    seen = scene(client(A, 42, 6), window(A + 1, A, instance="clock"))
    around = Surroundings(OURS, own=frozenset({99}))
    gpu = GpuFramebuffer(1000, 90, listed)
    now = accounts(seen, held, gpu, around=around)
    apps = {app.id: app.use for app in now.apps(held, LIMITS, NOBODY)}
    assert apps["one-1"] == Use(0, on_gpu)
    assert apps["early-3"] == Use(0, None), "its processes are not known yet"
    assert apps["clock-50"].bytes == 6
    standing = now.standing(held)
    assert standing.leased["one-1"] == apps["one-1"]
    assert standing.gpu_free == 910


def test_the_pids_of_pods_are_nobody_here() -> None:
    held = ledger(
        lease(1, "local", pids=(10,)),
        lease(2, "remote", pids=(20,), pid_namespace=POD, machine="pod"),
    )
    gpu = GpuFramebuffer(1000, 90, {20: 50})
    assert shown(EMPTY, held, gpu)["local-1"].use == Use(0, None)
    assert shown(EMPTY, held, gpu)["remote-2"].use == Use(0, None)


def test_the_windows_of_apps_in_mapping_order() -> None:
    held = ledger(lease(1, pids=(10,)))
    seen = scene(client(A, 10), client(B, 99), window(A + 1, A), window(B + 1, B), window(A + 2, A))
    around = Surroundings(OURS, own=frozenset({99}))
    owned = accounts(seen, held, around=around).windows()
    assert [(o.window.id, o.app) for o in owned] == [(A + 1, "voreen-1"), (A + 2, "voreen-1")]


def test_what_stands_is_what_admission_wants_to_know() -> None:
    held = ledger(lease(1, pids=(10,)), lease(2, "idle"))
    seen = scene(client(A, 10, 5), client(B, 42, 6))
    standing = accounts(seen, held).standing(held)
    assert standing.leased == {"voreen-1": Use(5), "idle-2": Use(0)}
    assert standing.unleased == (("app-50", Use(6)),)


def test_an_app_that_asks_again_is_not_counted_as_a_stranger() -> None:
    seen = scene(client(A, 42, 6), client(B, 43, 7))
    again = ledger(lease(0, pids=(42,)))
    standing = accounts(seen, Ledger()).claimed(again, AROUND).standing(Ledger())
    assert standing.unleased == (("app-51", Use(7)),)


def test_the_clients_of_an_app() -> None:
    held = ledger(lease(1, pids=(10,)))
    seen = scene(client(A, 10, 5), client(B, 42, 6))
    now = accounts(seen, held)
    assert now.clients_of("voreen-1") == seen.clients[:1]
    assert now.clients_of("app-50") == seen.clients[1:]
    assert now.clients_of("app-51") == ()


def test_who_is_unknown_is_seen_before_anybody_is_adopted() -> None:
    held = ledger(lease(1, pids=(10,)))
    first = accounts(scene(client(A, 10)), held)
    seen = scene(client(A, 10), client(B, 42), window(B + 1, B))
    now = first.without_adoption(seen, held, AROUND)
    assert now.unknown_clients() == {B}
    assert now.adopted == {}
    late = held.reported("voreen-1", [10, 42], root_alive=True)
    assert accounts(seen, late, before=first).unknown_clients() == frozenset()


def test_a_late_report_moves_a_window_to_its_app() -> None:
    held = ledger(lease(1, pids=(10,)))
    seen = scene(client(A, 42, 7), window(A + 1, A, instance="x"))
    first = accounts(seen, held)
    assert [o.app for o in first.windows()] == ["x-50"]
    late = held.reported("voreen-1", [42], root_alive=True)
    then = accounts(seen, late, before=first)
    assert [o.app for o in then.windows()] == ["voreen-1"]
    assert then.adopted == {}
    assert then.use_of(late.leases["voreen-1"]) == Use(7)


PIDS = st.none() | st.integers(1, 4)


@given(
    seen=st.lists(st.tuples(PIDS, st.integers(0, 9), st.lists(PIDS, max_size=2)), max_size=5).map(
        lambda clients: scene(
            *(client(A + (n << 20), pid, size) for n, (pid, size, _) in enumerate(clients)),
            *(
                window(A + (n << 20) + m, A + (n << 20), pid=told, machine="pod")
                for n, (_, _, windows) in enumerate(clients)
                for m, told in enumerate(windows, 1)
            ),
        )
    ),
    pids=st.lists(st.frozensets(st.integers(1, 4)), max_size=3),
    pods=st.lists(st.sampled_from([OURS, POD]), min_size=3, max_size=3),
)
def test_bytes_and_windows_add_up(seen: Scene, pids: list[frozenset[int]], pods: list[str]) -> None:
    held = ledger(
        *(
            lease(n, pids=tuple(known), pid_namespace=pods[n], machine="pod")
            for n, known in enumerate(pids)
        )
    )
    now = accounts(seen, held)
    apps = now.apps(held, LIMITS, NOBODY)
    used = sum(app.use.pixmap_bytes for app in apps)
    assert used + now.attribution.unattributed == sum(c.pixmap_bytes for c in seen.clients)
    told = [(number, app.id) for app in apps for number in app.windows]
    assert sorted(told) == sorted((o.window.id, o.app) for o in now.windows())
    assert sorted(number for number, _ in told) == sorted(w.id for w in seen.windows)

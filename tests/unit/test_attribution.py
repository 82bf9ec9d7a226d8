"""Whose is a window, whose are the pixmaps: each rule, and that nothing has two owners."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.broking import OTHER_POD, OURS, POD, client, scene, window
from vizproxy.broker.attribution import Attribution, Side, Stranger, Surroundings, attribute
from vizproxy.x11.scene import EMPTY, Client, Scene, Window

A, B, C = 0x200000, 0x400000, 0x600000
LOCAL = Side("local-1", frozenset({10, 11}), OURS, "host")
REMOTE = Side("remote-2", frozenset({10, 20}), POD, "pod")
AROUND = Surroundings(OURS, own=frozenset({99}), namespaces={10: OURS, 42: OURS, 77: POD})


def owners(seen: Scene, *sides: Side, around: Surroundings = AROUND) -> Attribution:
    return attribute(seen, sides, around)


def owner(seen: Scene, *sides: Side, around: Surroundings = AROUND) -> str | Stranger | None:
    """The owner of the only client, who must own its windows, too."""
    found = owners(seen, *sides, around=around)
    all_owners: set[str | Stranger] = {*found.leased, *found.strangers}
    assert len(all_owners) <= 1
    one = next(iter(all_owners), None)
    assert found.windows == ({} if one is None else {w.id: one for w in seen.windows})
    return one


def test_an_empty_desktop() -> None:
    assert owners(EMPTY, LOCAL) == Attribution({}, {}, {}, 0)


# -------------------------------------------------------------------------- a PID of our namespace


def test_the_x_servers_pid_settles_it() -> None:
    assert owner(scene(client(A, 10), window(A + 1, A)), LOCAL, REMOTE) == "local-1"
    assert owner(scene(client(A, 11)), LOCAL) == "local-1", "windowless"


def test_what_a_window_says_does_not_outweigh_the_x_server() -> None:
    lying = window(A + 1, A, pid=20, machine="pod")
    assert owner(scene(client(A, 42), lying), LOCAL, REMOTE) == Stranger("process", "", 42)
    assert owner(scene(client(A, 10), lying), LOCAL, REMOTE) == "local-1"


def test_the_desktops_own_programs_are_nobodys() -> None:
    own = scene(client(A, 99, 500), window(A + 1, A, pid=10, machine="pod"))
    assert owners(own, LOCAL, REMOTE) == Attribution({}, {}, {}, 0)


def test_a_pid_of_ours_is_no_pid_of_a_pod() -> None:
    """A Pod's program may have the number of a process of ours."""
    assert owner(scene(client(A, 20, 5)), REMOTE) == Stranger("process", "", 20)


# ---------------------------------------------------------------------- a PID of another namespace


def test_a_child_namespace_is_known_by_what_its_windows_say() -> None:
    """The X server knows such a process by a PID that its own side doesn't have."""
    seen = scene(client(A, 77), window(A + 1, A, pid=20, machine="pod"))
    assert owner(seen, LOCAL, REMOTE) == "remote-2"


def test_a_child_namespace_is_known_by_the_pid_that_it_has_there() -> None:
    around = Surroundings(OURS, namespaces={77: POD, 42: OURS}, inner={77: 20, 42: 42})
    windowless = scene(client(A, 77, 5))
    assert owner(windowless, LOCAL, REMOTE, around=around) == "remote-2"
    elsewhere = Side("other-4", frozenset({77, 20}), OTHER_POD, "pod")
    assert owner(windowless, elsewhere, around=around) == Stranger("process", "", 77)
    lying = scene(client(A, 77), window(A + 1, A, pid=10, machine="pod"))
    assert owner(lying, REMOTE, around=replace(around, inner={77: 30})) == Stranger(
        "process", "", 77
    )


def test_a_process_whose_namespace_is_secret_is_known_by_what_its_windows_say() -> None:
    seen = scene(client(A, 78), window(A + 1, A, pid=20, machine="pod"))
    assert owner(seen, REMOTE) == "remote-2"


def test_a_foreign_namespace_is_known_by_pid_and_machine() -> None:
    assert owner(scene(client(A), window(A + 1, A, pid=20, machine="pod")), REMOTE) == "remote-2"
    for wrong in ({"pid": 21}, {"machine": "host"}, {"machine": ""}):
        lost = window(A + 1, A, **({"pid": 20, "machine": "pod"} | wrong))
        assert isinstance(owner(scene(client(A), lost), REMOTE), Stranger), wrong


def test_one_window_that_tells_is_enough_for_all_of_its_client() -> None:
    seen = scene(
        client(A), window(A + 1, A), window(A + 2, A, pid=20, machine="pod"), window(A + 3, A)
    )
    assert owner(seen, REMOTE) == "remote-2"


def test_a_window_of_a_foreign_namespace_never_belongs_to_a_local_app() -> None:
    seen = scene(client(A), window(A + 1, A, pid=10, machine="host"))
    assert owner(seen, LOCAL) == Stranger("told", "host", 10)


def test_two_containers_with_equal_pids_and_one_host_name() -> None:
    twin = Side("twin-3", frozenset({20}), OTHER_POD, "pod")
    seen = scene(client(A), window(A + 1, A, pid=20, machine="pod"))
    assert owner(seen, REMOTE, twin) == Stranger("told", "pod", 20)
    assert owner(seen, REMOTE) == "remote-2"
    # a second window settles what the first one left open only if nobody else has its PID
    more = scene(*seen.clients, *seen.windows, window(A + 2, A, pid=10, machine="pod"))
    assert isinstance(owner(more, REMOTE, twin), Stranger)


# ------------------------------------------------------------------------------------- strangers


def test_a_program_without_a_lease_is_known_by_its_process() -> None:
    seen = scene(client(A, 42), client(B, 42, 7), window(A + 1, A), window(B + 1, B))
    found = owners(seen, LOCAL)
    assert found.strangers == {Stranger("process", "", 42): seen.clients}
    assert set(found.windows.values()) == {Stranger("process", "", 42)}


def test_a_local_process_is_not_taken_for_one_that_says_so() -> None:
    seen = scene(client(A, 42), client(B), window(A + 1, A), window(B + 1, B, pid=42))
    assert len(owners(seen).strangers) == 2


def test_a_client_that_says_nothing_stands_for_itself() -> None:
    assert owner(scene(client(A), window(A + 1, A)), REMOTE) == Stranger("client", "", A)


def test_a_client_whose_windows_contradict_each_other_stands_for_itself() -> None:
    seen = scene(client(A), window(A + 1, A, pid=1), window(A + 2, A, pid=2))
    assert owner(seen) == Stranger("client", "", A)


def test_a_windowless_client_is_adopted_only_if_it_holds_something_and_is_known() -> None:
    assert owner(scene(client(A, 42, 1))) == Stranger("process", "", 42)
    assert owner(scene(client(A, 42, 0))) is None
    assert owner(scene(client(A, None, 900))) is None


def test_pixmaps_of_clients_that_nobody_knows_are_counted() -> None:
    seen = scene(client(A, None, 900), client(B, None, 100), client(C, 42, 1))
    assert owners(seen).unattributed == 1000


# ----------------------------------------------------------------------------------- all of it

PIDS = st.integers(1, 4)
MACHINES = st.sampled_from(["", "host", "pod"])
BASES = (A, B, C, 0x800000)


@st.composite
def desktops(draw: st.DrawFn) -> Scene:
    """Any clients with any windows, of which some belong to a client that has just gone."""
    pids = st.none() | PIDS
    clients = [
        Client(base, draw(pids), draw(st.integers(0, 9)))
        for base in draw(st.sets(st.sampled_from(BASES)))
    ]
    windows: list[Window] = [
        window(base + number, base, pid=draw(pids), machine=draw(MACHINES))
        for base in BASES
        for number in range(1, draw(st.integers(1, 3)))
    ]
    return Scene(tuple(clients), tuple(draw(st.permutations(windows))))


@st.composite
def all_sides(draw: st.DrawFn) -> list[Side]:
    namespaces = st.sampled_from([OURS, POD, OTHER_POD])
    return [
        Side(f"app-{number}", draw(st.frozensets(PIDS)), draw(namespaces), draw(MACHINES))
        for number in range(draw(st.integers(0, 4)))
    ]


@given(
    seen=desktops(),
    sides=all_sides(),
    own=st.frozensets(PIDS, max_size=2),
    namespaces=st.dictionaries(PIDS, st.sampled_from([OURS, POD])),
)
def test_everything_has_exactly_one_owner(
    seen: Scene, sides: list[Side], own: frozenset[int], namespaces: dict[int, str]
) -> None:
    found = attribute(seen, sides, Surroundings(OURS, own, namespaces))
    foreign = [c for c in seen.clients if c.pid not in own]
    counted = Counter(
        c.base for cs in (*found.leased.values(), *found.strangers.values()) for c in cs
    )
    assert set(counted.values()) <= {1}, "a client was counted twice"
    assert set(counted) <= {c.base for c in foreign}
    assert set(found.leased) <= {side.lease for side in sides}

    everything = sum(c.pixmap_bytes for c in foreign)
    owned = sum(c.pixmap_bytes for c in foreign if c.base in counted)
    assert owned + found.unattributed == everything

    bases = {c.base for c in foreign}
    assert set(found.windows) == {w.id for w in seen.windows if w.client in bases}
    by_base = {
        c.base: key
        for group in (found.leased, found.strangers)
        for key, cs in group.items()
        for c in cs
    }
    assert all(found.windows[w.id] == by_base[w.client] for w in seen.windows if w.client in bases)


@given(seen=desktops(), sides=all_sides())
def test_the_order_of_what_is_seen_decides_nothing(seen: Scene, sides: list[Side]) -> None:
    around = Surroundings(OURS)
    turned = Scene(seen.clients[::-1], seen.windows[::-1])
    assert attribute(turned, sides, around).windows == attribute(seen, sides, around).windows

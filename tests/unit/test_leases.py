"""The rules of admission: who gets how much, and that nothing of it is lost or given twice."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from tests.unit.broking import LIMITS, MIB, lease, ledger, wish
from vizproxy.amounts import amount_text
from vizproxy.broker.leases import (
    NOTHING,
    Ledger,
    Limits,
    Standing,
    Use,
    app_id,
    grant_for,
    limits_for,
    over_grant,
)
from vizproxy.errors import EXIT_BUSY, AdmissionError

GIB = 1024 * MIB
NOBODY = Standing()
AMOUNTS = st.integers(1, 600 * MIB)

# ------------------------------------------------------------------------------------------ ids


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("voreen", "voreen-7"),
        ("Voreen 5.3", "voreen-5-3-7"),
        ("../etc/passwd", "etc-passwd-7"),
        ("--force", "force-7"),
        ("Äpfel", "pfel-7"),
        ("日本語", "app-7"),
        ("***", "app-7"),
        ("", "app-7"),
        ("a\nb\x1b[31m", "a-b-31m-7"),
    ],
)
def test_ids_are_what_people_can_type(name: str, expected: str) -> None:
    assert app_id(name, 7) == expected


@given(st.text(max_size=60), st.integers(1, 10**9))
def test_ids_need_no_quoting_and_differ_by_their_number(name: str, number: int) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-\d+", app_id(name, number))
    assert app_id(name, number).rpartition("-")[2] == str(number)


# -------------------------------------------------------------------------------------- amounts


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (96, "96 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1.05 * GIB, "1.05 GiB"),
        (10 * GIB, "10 GiB"),
        (100 * GIB, "100 GiB"),
        (12.5 * 1024, "12.5 KiB"),
        (512 * MIB, "512 MiB"),
        (1.25 * GIB, "1.25 GiB"),
        (2000 * GIB, "2000 GiB"),
    ],
)
def test_amounts_as_people_read_them(count: int, text: str) -> None:
    assert amount_text(int(count)) == text


def test_an_amount_can_be_kept_from_looking_like_another() -> None:
    assert amount_text(2 * GIB - 1) == "2 GiB"
    assert amount_text(2 * GIB - 1, math.floor) == "1.99 GiB"
    assert amount_text(512 * MIB + 1, math.ceil) == "513 MiB"
    assert amount_text(512 * MIB, math.ceil) == amount_text(512 * MIB, math.floor) == "512 MiB"


@given(st.integers(0, 2**50))
def test_an_amount_is_told_to_three_digits(count: int) -> None:
    number, unit = amount_text(count).split()
    told = float(number) * {"B": 1, "KiB": 1024, "MiB": MIB, "GiB": GIB}[unit]
    assert abs(told - count) <= count * 0.006
    assert len(number.replace(".", "")) <= 4 or unit == "GiB"


# --------------------------------------------------------------------------------- one admission


def test_without_an_amount_an_app_gets_the_usual_share() -> None:
    assert grant_for(wish(), Ledger(), NOBODY, LIMITS) == LIMITS.share
    assert grant_for(wish(framebuffer=5), Ledger(), NOBODY, LIMITS) == 5


def test_the_whole_budget_can_be_granted_but_no_byte_more() -> None:
    everything = wish(framebuffer=LIMITS.framebuffer)
    assert grant_for(everything, Ledger(), NOBODY, LIMITS) == LIMITS.framebuffer
    with pytest.raises(AdmissionError):
        grant_for(replace(everything, framebuffer=LIMITS.framebuffer + 1), Ledger(), NOBODY, LIMITS)


@given(st.integers(1, 1024), st.integers(MIB, 2**40))
def test_the_usual_shares_let_as_many_in_as_may_be(max_apps: int, framebuffer: int) -> None:
    limits = limits_for(max_apps, framebuffer, None)
    assert limits.share >= 1
    full = ledger(*(lease(number, granted=limits.share) for number in range(max_apps - 1)))
    assert grant_for(wish(), full, NOBODY, limits) == limits.share


def test_a_share_that_was_chosen_is_kept() -> None:
    assert limits_for(4, GIB, 5 * MIB) == Limits(4, GIB, 5 * MIB)


def refused(
    asking: int | None, held: Ledger, standing: Standing, limits: Limits = LIMITS
) -> AdmissionError:
    with pytest.raises(AdmissionError) as refusal:
        grant_for(wish("mine", asking), held, standing, limits)
    assert refusal.value.exit_code == EXIT_BUSY == 75
    assert refusal.value.http_status == 409
    return refusal.value


def test_a_refusal_tells_the_budget_what_is_asked_and_who_has_what() -> None:
    held = ledger(lease(1, "voreen", 300 * MIB), lease(2, "paraview", 600 * MIB))
    refusal = refused(256 * MIB, held, Standing(unleased=(("xclock-3", Use(MIB)),)))
    assert refusal.reason == "framebuffer_full"
    assert str(refusal) == (
        "cannot start mine: it asks for 256 MiB of framebuffer, and 123 MiB of the budget of "
        "1 GiB are free (paraview-2 has 600 MiB, voreen-1 has 300 MiB, xclock-3 has 1 MiB); "
        "try ending one of them (`vizproxy apps stop ID`), or a smaller --framebuffer"
    )


def test_a_refusal_where_nobody_is() -> None:
    refusal = refused(2 * GIB, Ledger(), NOBODY)
    assert str(refusal) == (
        "cannot start mine: it asks for 2 GiB of framebuffer, and 1 GiB of the budget of 1 GiB "
        "are free; try a smaller --framebuffer"
    )


def test_what_is_free_is_never_told_to_be_what_is_asked() -> None:
    standing = Standing(unleased=(("xclock-1", Use(1)),))
    assert "and 1023 MiB of the budget of 1 GiB are free" in refused(GIB, Ledger(), standing).why


def test_a_refusal_for_the_number_of_apps() -> None:
    held = ledger(*(lease(number) for number in range(1, 4)))
    refusal = refused(1, held, Standing(unleased=(("xclock-9", NOTHING),)))
    assert refusal.reason == "too_many_apps"
    assert refusal.why.startswith("4 apps are on the desktop and broker.max_apps is 4 (voreen-1 ")
    assert refusal.hint == "ending one of them (`vizproxy apps stop ID`)"
    alone = refused(1, ledger(lease(1)), NOBODY, replace(LIMITS, max_apps=1))
    assert alone.why.startswith("1 app is on the desktop and broker.max_apps is 1 ")


def test_what_others_have_taken_of_the_gpu_is_not_granted() -> None:
    left = Standing(gpu_free=100 * MIB)
    assert grant_for(wish(framebuffer=100 * MIB), Ledger(), left, LIMITS) == 100 * MIB
    refusal = refused(101 * MIB, Ledger(), left)
    assert refusal.reason == "gpu_full"
    assert refusal.why == "it asks for 101 MiB of framebuffer, and the GPU has 100 MiB left"
    assert "has 0 B left" in refused(1, Ledger(), Standing(gpu_free=-1)).why


def test_a_refusal_stays_short_whoever_is_there() -> None:
    many = [lease(number, "x" * 40, number) for number in range(1, 101)]
    refusal = refused(1, ledger(*many), NOBODY)
    assert len(str(refusal)) < 600
    assert ", 95 more have " in refusal.why
    six = [lease(number, granted=number) for number in range(1, 7)]
    assert refused(1, ledger(*six), NOBODY).why.endswith(", 1 more has 1 B)")


@pytest.mark.parametrize(
    ("standing", "room"),
    [
        (Standing(), 724),
        (Standing({"voreen-1": Use(100 * MIB)}), 724),
        (Standing({"voreen-1": Use(400 * MIB)}), 624),
        (Standing({"voreen-1": Use(0, 500 * MIB)}), 524),
        (Standing({"voreen-1": Use(400 * MIB)}, (("xclock-2", Use(24 * MIB)),)), 600),
        (Standing({}, (("xclock-2", Use(2000 * MIB)),)), 0),
        (Standing({"voreen-1": Use(3000 * MIB)}), 0),
        (Standing({"gone-5": Use(3000 * MIB)}), 724),
    ],
    ids=[
        "unused",
        "within",
        "beyond",
        "GPU",
        "a stranger",
        "all",
        "more than all",
        "one that left",
    ],
)
def test_room_is_what_grants_and_uses_leave(standing: Standing, room: int) -> None:
    held = ledger(lease(1, granted=300 * MIB))
    assert room == 0 or grant_for(wish(framebuffer=room * MIB), held, standing, LIMITS)
    refusal = refused(room * MIB + 1, held, standing)
    assert f"and {f'{room} MiB' if room else 'nothing'} of the budget of 1 GiB " in refusal.why


@given(AMOUNTS, AMOUNTS | st.none(), AMOUNTS)
def test_over_use_is_of_either_memory(pixmaps: int, gpu: int | None, granted: int) -> None:
    use = Use(pixmaps, gpu)
    assert over_grant(granted, use) == (pixmaps > granted or (gpu or 0) > granted)


# ------------------------------------------------------------------------------------- the ledger


def test_a_lease_is_never_entered_twice() -> None:
    held = ledger(lease(1))
    with pytest.raises(ValueError, match="voreen-1"):
        held.admitted(lease(1))


def test_a_program_that_has_ended_stays_so() -> None:
    held = ledger(lease(1)).reported("voreen-1", [5], root_alive=False)
    held = held.reported("voreen-1", [5, 6], root_alive=True)
    assert held.leases["voreen-1"].pids == {5, 6}
    assert not held.leases["voreen-1"].root_alive


def test_what_is_about_nobody_changes_nothing() -> None:
    held = ledger(lease(1))
    assert held.ended("voreen-2") is held
    assert held.reported("voreen-2", [1], root_alive=True) is held
    assert held.shown(["voreen-2"]) is held
    assert held.shown(["voreen-1"]).shown(["voreen-1"]) == held.shown(["voreen-1"])


class LeasesLive(RuleBasedStateMachine):
    """Any order of admissions, uses, reports, ends, crashes and re-connects, against a plain model."""

    living = Bundle("living")
    dead = Bundle("dead")

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(4, 1000, 250)
        self.ledger = Ledger()
        self.model: dict[str, int] = {}
        self.number = 0
        self.every_id: set[str] = set()
        self.uses: dict[str, Use] = {}
        self.strangers: tuple[tuple[str, Use], ...] = ()

    def had_a_reason(self, refusal: AdmissionError, asked: int) -> None:
        taken = sum(max(self.model[k], self.uses.get(k, NOTHING).bytes) for k in self.model)
        taken += sum(use.bytes for _, use in self.strangers)
        full = len(self.model) + len(self.strangers) >= self.limits.max_apps
        assert full or asked > self.limits.framebuffer - taken
        assert refusal.reason == ("too_many_apps" if full else "framebuffer_full")
        assert len(str(refusal)) < 600

    def admit(self, name: str, framebuffer: int | None) -> str | None:
        before = self.ledger
        standing = Standing(self.uses, self.strangers)
        asking = wish(name, framebuffer)
        try:
            granted = grant_for(asking, self.ledger, standing, self.limits)
        except AdmissionError as error:
            assert self.ledger is before
            self.had_a_reason(error, self.limits.share if framebuffer is None else framebuffer)
            return None
        assert len(self.model) + len(self.strangers) < self.limits.max_apps
        self.number += 1
        given_lease = replace(lease(self.number, granted=granted), wish=asking)
        self.ledger = before.admitted(given_lease)
        assert given_lease.id not in self.every_id
        self.every_id.add(given_lease.id)
        self.model[given_lease.id] = granted
        return given_lease.id

    @rule(
        target=living,
        name=st.sampled_from(["a", "a-1", "A!", "日"]) | st.text(max_size=5),
        framebuffer=st.none() | st.integers(1, 1200),
    )
    def start(self, name: str, framebuffer: int | None) -> object:
        admitted = self.admit(name, framebuffer)
        return multiple() if admitted is None else admitted

    @rule(target=dead, key=consumes(living))
    def end(self, key: str) -> str:
        self.ledger = self.ledger.ended(key)
        del self.model[key]
        return key

    @rule(target=living, key=consumes(living), framebuffer=st.none() | st.integers(1, 1200))
    def connect_again(self, key: str, framebuffer: int | None) -> object:
        name = self.ledger.leases[key].wish.name
        self.end(key)
        admitted = self.admit(name, framebuffer)
        return multiple() if admitted is None else admitted

    @rule(key=dead)
    def end_once_more(self, key: str) -> None:
        assert self.ledger.ended(key) is self.ledger

    @rule(key=dead, pids=st.frozensets(st.integers(1, 9)))
    def report_after_the_end(self, key: str, pids: frozenset[int]) -> None:
        assert self.ledger.reported(key, pids, root_alive=True) is self.ledger
        assert self.ledger.shown([key]) is self.ledger
        assert self.ledger.used(key, 1.0, 1) is self.ledger

    @rule(key=living, pids=st.frozensets(st.integers(1, 9)), root_alive=st.booleans())
    def report(self, key: str, pids: frozenset[int], root_alive: bool) -> None:
        self.ledger = self.ledger.reported(key, pids, root_alive=root_alive).shown([key])
        assert self.ledger.leases[key].pids == pids
        assert self.ledger.leases[key].shown

    @rule(key=living, use=st.builds(Use, st.integers(0, 1500), st.none() | st.integers(0, 1500)))
    def draw(self, key: str, use: Use) -> None:
        self.uses = {**self.uses, key: use}

    @rule(uses=st.lists(st.integers(0, 500), max_size=5))
    def adopt(self, uses: list[int]) -> None:
        self.strangers = tuple((f"x-{number}", Use(use)) for number, use in enumerate(uses))

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert {key: held.granted for key, held in self.ledger.leases.items()} == self.model
        assert all(held.id == key for key, held in self.ledger.leases.items())

    @invariant()
    def grants_stay_within_the_budget(self) -> None:
        assert self.ledger.granted == sum(self.model.values()) <= self.limits.framebuffer


TestLeasesLive = LeasesLive.TestCase
TestLeasesLive.settings = settings(max_examples=60, stateful_step_count=30)

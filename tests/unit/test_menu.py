"""The menu: who offers what, and which apps were started from it."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import idle
from tests.unit.test_lease_messages import ANYTHING
from tests.unit.test_views import EMPTY, LEASED
from vizproxy.api.launcher import MAX_ICON_BYTES, parse_offers
from vizproxy.broker.menu import MAX_LAUNCHERS, Icon, Menu, Offer
from vizproxy.broker.snapshot import Snapshot
from vizproxy.changes import Changes
from vizproxy.errors import InvalidRequestError, NoSuchEntryError, NotReadyError, RefusedError

KATE = Offer("org.kde.kate", "Kate", "An editor", ("Utility",), ("text",))
VOREEN = Offer("tile.voreen", "Voreen", tile=True, icon=Icon("image/png", b"png"))


class FakeLauncher:
    """Starts what it is told, as app after app."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.started: list[str] = []
        self.looks = 0
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self, offer: str) -> str:
        self.started.append(offer)
        await self.gate.wait()
        if self.fails:
            raise RefusedError("cannot run it: there is no such program", "another", 69)
        return self.desk.app(f"app-{len(self.started)}")

    def look(self) -> None:
        self.looks += 1


class Desk:
    """A menu, the changes that it tells of, and the apps that there are."""

    def __init__(self) -> None:
        self.snapshot: Snapshot = EMPTY
        self.changes = Changes()
        self.menu = Menu(lambda: self.snapshot, self.changes)

    def app(self, app_id: str) -> str:
        apps = (*self.snapshot.apps, replace(LEASED, id=app_id))
        self.snapshot = replace(self.snapshot, apps=apps)
        return app_id

    def end(self, app_id: str) -> None:
        apps = tuple(app for app in self.snapshot.apps if app.id != app_id)
        self.snapshot = replace(self.snapshot, apps=apps)

    def launcher(self, *offers: Offer) -> tuple[FakeLauncher, int]:
        made = FakeLauncher(self)
        number = self.menu.join(made)
        self.menu.offer(number, offers)
        return made, number


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ids(desk: Desk) -> list[str]:
    return [entry.id for entry in desk.menu.entries()]


def test_offers_come_and_go_with_their_launcher(desk: Desk) -> None:
    assert (len(desk.menu), desk.menu.entries()) == (0, ())
    first = desk.menu.revision()
    _, number = desk.launcher(VOREEN, KATE)
    assert ids(desk) == ["1.tile.voreen", "1.org.kde.kate"]
    assert desk.menu.revision() > first
    assert desk.changes.revision > 1
    desk.menu.leave(number)
    assert ids(desk) == []
    assert len(desk.menu) == 0


def test_an_offer_that_says_nothing_new_is_no_change(desk: Desk) -> None:
    _, number = desk.launcher(KATE)
    before = desk.menu.revision(), desk.changes.revision
    desk.menu.offer(number, [KATE])
    assert (desk.menu.revision(), desk.changes.revision) == before
    desk.menu.offer(number, [replace(KATE, name="Kate 2")])
    assert desk.menu.revision() > before[0]


def test_a_launcher_that_comes_back_gets_its_number_again(desk: Desk) -> None:
    _, one = desk.launcher(KATE)
    _, two = desk.launcher(VOREEN)
    desk.menu.leave(one)
    _, again = desk.launcher(KATE)
    assert (one, two, again) == (1, 2, 1)
    assert ids(desk) == ["1.org.kde.kate", "2.tile.voreen"]


def test_there_is_an_end_to_launchers(desk: Desk) -> None:
    for _ in range(MAX_LAUNCHERS):
        desk.launcher()
    with pytest.raises(NotReadyError):
        desk.launcher()


def test_what_two_launchers_offer_is_listed_once(desk: Desk) -> None:
    _, first = desk.launcher(KATE, VOREEN)
    desk.launcher(VOREEN, replace(KATE, name="Kate of another version"))
    assert ids(desk) == ["1.org.kde.kate", "1.tile.voreen", "2.org.kde.kate"]
    assert len(desk.menu) == 3
    desk.menu.leave(first)
    assert ids(desk) == ["2.tile.voreen", "2.org.kde.kate"]


async def test_a_link_opens_tiles_alone(desk: Desk) -> None:
    launcher, _ = desk.launcher(KATE, VOREEN)
    with pytest.raises(NoSuchEntryError, match=r"^cannot open Kate by a link: it has no tile"):
        await desk.menu.open("org.kde.kate", new=False, tile=True)
    assert await desk.menu.open("tile.voreen", new=False, tile=True) == (None, "app-1")
    assert launcher.started == ["tile.voreen"]


def test_an_entry_is_found_without_its_launchers_number(desk: Desk) -> None:
    desk.launcher(KATE, VOREEN)
    assert desk.menu.entry("tile.voreen").id == "1.tile.voreen"
    desk.launcher(replace(VOREEN, comment="another"))
    assert desk.menu.entry("2.tile.voreen").id == "2.tile.voreen"
    assert desk.menu.entry("tile.voreen").id == "1.tile.voreen"
    for unknown in ("", "kate", "3.tile.voreen", "1.", "x" * 500):
        with pytest.raises(NoSuchEntryError, match="nobody offers"):
            desk.menu.entry(unknown)


async def test_an_entry_is_started_and_then_found_for_as_long_as_its_app_runs(desk: Desk) -> None:
    launcher, _ = desk.launcher(KATE)
    before = desk.menu.revision()
    assert await desk.menu.open("1.org.kde.kate", new=False) == (None, "app-1")
    assert launcher.started == ["org.kde.kate"]
    assert desk.menu.entry("org.kde.kate").app is not None
    assert (running := desk.menu.revision()) > before
    found, app_id = await desk.menu.open("1.org.kde.kate", new=False)
    assert (found and found.id, app_id) == ("app-1", "app-1")
    assert await desk.menu.open("1.org.kde.kate", new=True) == (None, "app-2")
    assert (await desk.menu.open("1.org.kde.kate", new=False))[1] == "app-2"
    desk.end("app-2")
    assert (await desk.menu.open("1.org.kde.kate", new=False))[1] == "app-1"
    desk.end("app-1")
    assert desk.menu.revision() > running
    assert desk.menu.entry("org.kde.kate").app is None
    assert await desk.menu.open("1.org.kde.kate", new=False) == (None, "app-3")


async def test_two_who_open_at_once_start_one(desk: Desk) -> None:
    launcher, _ = desk.launcher(KATE)
    launcher.gate.clear()
    both = [asyncio.create_task(desk.menu.open("org.kde.kate", new=False)) for _ in range(2)]
    await idle()
    launcher.gate.set()
    (_, first), (found, second) = await asyncio.gather(*both)
    assert launcher.started == ["org.kde.kate"]
    assert (first, second, found is not None) == ("app-1", "app-1", True)


async def test_a_failure_is_passed_on(desk: Desk) -> None:
    launcher, _ = desk.launcher(KATE)
    launcher.fails = True
    with pytest.raises(RefusedError, match="no such program"):
        await desk.menu.open("org.kde.kate", new=False)
    assert desk.menu.entry("org.kde.kate").app is None


async def test_all_launchers_are_asked_to_look(desk: Desk) -> None:
    launchers = [desk.launcher()[0] for _ in range(2)]
    desk.menu.look()
    assert [launcher.looks for launcher in launchers] == [1, 1]


# --------------------------------------------------------------------------------- what is said

ENTRY: dict[str, Any] = {
    "id": "org.kde.kate",
    "name": "Kate",
    "comment": "",
    "categories": ["Utility"],
    "keywords": [],
    "tile": False,
    "icon": {"type": "image/png", "data": base64.b64encode(b"png").decode()},
}


def test_an_offer() -> None:
    (offer,) = parse_offers({"entries": [ENTRY]})
    icon = Icon("image/png", b"png")
    assert offer == Offer("org.kde.kate", "Kate", "", ("Utility",), (), tile=False, icon=icon)
    assert parse_offers({"entries": [ENTRY | {"icon": None, "tile": True}]})[0].tile


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "a/b"},
        {"id": ".."},
        {"id": "x" * 501},
        {"name": ""},
        {"name": "a\nb"},
        {"comment": None},
        {"categories": "Utility"},
        {"categories": [1]},
        {"categories": ["x"] * 65},
        {"keywords": None},
        {"icon": "image/png"},
        {"icon": {"type": "text/html", "data": ""}},
        {"icon": {"type": "image/png", "data": "%%%"}},
        {"icon": {"type": "image/png", "data": 5}},
        {"icon": {"type": "image/png"}},
        {"icon": {"type": ["image/png"], "data": "AA=="}},
        {"icon": {"type": "image/png", "data": "A" * (2 * MAX_ICON_BYTES)}},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_an_offer_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"^cannot take an offer: "):
        parse_offers({"entries": [ENTRY | wrong]})


@given(st.dictionaries(st.sampled_from(sorted(ENTRY)), ANYTHING), ANYTHING)
def test_any_offer_is_taken_or_refused(told: dict[str, Any], entries: object) -> None:
    for offered in ([ENTRY | told], entries):
        try:
            for offer in parse_offers({"entries": offered}):
                assert offer.name.isprintable()
        except InvalidRequestError:
            pass

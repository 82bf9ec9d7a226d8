"""The message that offers programs: what it says, and that the daemon can take it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.installing import SVG, Installed, picture
from vizproxy.api.launcher import MAX_MESSAGE_BYTES, parse_offers
from vizproxy.broker import menu
from vizproxy.config import Tile
from vizproxy.jupyter import icons, offer
from vizproxy.jupyter.entries import Entry
from vizproxy.jupyter.icons import Icon
from vizproxy.jupyter.offer import Offer, look, make


def entry(number: int, text: str = "") -> Entry:
    words = (text,) * 20
    name = text or f"Program {number}"
    return Entry(f"p{number}", name, text, words, words, ("x",), None, f"i{number}", tile=False)


def offered(made: Offer) -> list[menu.Offer]:
    return parse_offers(json.loads(made.message))


def test_what_was_found_is_offered(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    installed.application("kate", Name="Käte", Comment="Edit", Categories="Utility;", Icon="kate")
    installed.icon("pixmaps/kate.png", picture(48))
    logo = installed.icon("voreen.svg", SVG)
    found = look(installed.environ, [Tile("Voreen", ("voreen",), logo)])
    assert offered(found) == [
        menu.Offer("tile.voreen", "Voreen", tile=True, icon=menu.Icon("image/svg+xml", SVG)),
        menu.Offer(
            *("kate", "Käte", "Edit", ("Utility",), ()),
            icon=menu.Icon("image/png", picture(48)),
        ),
    ]
    assert {key: value.argv for key, value in found.entries.items()} == {
        "tile.voreen": ("voreen",),
        "kate": ("true",),
    }


def test_nothing_is_offered_at_first() -> None:
    assert offered(Offer()) == []
    assert make((), {}) == Offer()


def test_there_is_room_for_as_many_icons_as_fit() -> None:
    entries = [entry(n) for n in range(100)]
    large = {f"i{n}": Icon("image/png", b"\x89" * icons.MAX_BYTES) for n in range(100)}
    found = make(entries, large)
    assert len(found.message.encode()) <= MAX_MESSAGE_BYTES
    with_icon = [each.icon is not None for each in offered(found)]
    assert len(with_icon) == 100
    assert with_icon == sorted(with_icon, reverse=True), "those first that come first"
    assert sum(with_icon) > 30
    assert found.entries.keys() == {f"p{n}" for n in range(100)}


def test_what_does_not_fit_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offer, "MAX_BYTES", 50_000)
    found = make([entry(n, "ü€𝄞" * 13) for n in range(100)], {})
    assert len(found.message.encode()) <= 50_100
    assert 1 < len(offered(found)) < 100
    assert found.entries.keys() == {each.id for each in offered(found)}

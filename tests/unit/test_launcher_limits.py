"""How much is looked at and offered, however much there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.installing import Installed
from vizproxy.config import Tile
from vizproxy.jupyter import entries
from vizproxy.jupyter.entries import find


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def ids(installed: Installed) -> list[str]:
    return [entry.id for entry in find(installed.environ)]


def test_a_link_to_half_the_system_is_not_followed_to_its_end(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(entries, "MAX_DIRECTORIES", 20)
    elsewhere = tmp_path / "elsewhere"
    for n in range(30):
        (elsewhere / f"{n:02}").mkdir(parents=True)
    installed.application("app")
    link = installed.system / "applications" / "link"
    link.symlink_to(elsewhere)
    (elsewhere / "10" / "near.desktop").symlink_to("../../usr/share/applications/app.desktop")
    (elsewhere / "25" / "far.desktop").symlink_to("../../usr/share/applications/app.desktop")
    installed.application("other", data=installed.root / "local")
    assert ids(installed) == ["app", "link-10-near", "other"], "each root has a limit of its own"


def test_no_directory_is_read_that_is_too_deep(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "MAX_DIRECTORIES", 6)
    for n in range(9):
        installed.application(f"a/b/c/d/{n}/too-deep")
    installed.application("b/last")
    assert ids(installed) == ["b-last"]


def test_there_are_limits(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(12):
        installed.application(f"app-{n:02}", Name="N" * 300, Comment="word " * 300)
    monkeypatch.setattr(entries, "MAX_FILES", 10)
    assert len(ids(installed)) == 10
    monkeypatch.setattr(entries, "MAX_ENTRIES", 4)
    found = find(installed.environ, [Tile("Voreen", ("voreen",), None)])
    assert [entry.id for entry in found] == ["tile.voreen", "app-00", "app-01", "app-02"]
    assert len(found[1].name) == entries.MAX_NAME_CHARS
    assert len(found[1].comment) <= entries.MAX_COMMENT_CHARS
    assert found[1].comment.endswith("word…")

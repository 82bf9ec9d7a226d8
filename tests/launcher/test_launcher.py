"""The launcher with a real desktop: what is installed is in the menu, and is started from there."""

from __future__ import annotations

import asyncio
import logging
import shlex
import signal
from pathlib import Path

import pytest

from tests.broker.desk import Desk
from tests.launcher.launching import Launching, launching
from tests.support import eventually, running_daemon
from tests.unit.installing import SVG, Installed, picture
from vizproxy.compatibility import OURS
from vizproxy.config import Tile
from vizproxy.jupyter import launcher

pytestmark = pytest.mark.asyncio(loop_scope="module")


SHIFT = 0xFFE1


async def stop(desk: Desk, app: str) -> None:
    status, answer = await desk.ask("DELETE", f"apps/{app}")
    assert status in {200, 202}, answer


async def told(path: Path) -> str:
    """Wait until a program has written a file to its end; return what it wrote."""

    async def check() -> str | None:
        text = path.read_text() if path.exists() else ""
        return text if text.endswith("end\n") else None

    return await eventually(check)


# ------------------------------------------------------------------------------------- the menu


async def test_what_is_installed_is_in_the_menu(desk: Desk, installed: Installed) -> None:
    installed.theme("hicolor", {"48x48/apps": "Size=48 Type=Fixed"})
    installed.icon("icons/hicolor/48x48/apps/kate.png", picture(48))
    logo = installed.icon("voreen.svg", SVG)
    installed.application(
        "org.kde.kate", Name="Kate", Comment="Edit", Categories="Utility;", Icon="kate"
    )
    installed.application("hidden", NoDisplay="true")
    async with launching(desk, installed, [Tile("Voreen", ("voreen",), logo)]) as made:
        kate = await made.offered("org.kde.kate")
        assert kate["name"] == "Kate"
        assert (kate["comment"], kate["categories"], kate["tile"]) == ("Edit", ["Utility"], False)
        entries = await made.entries()
        assert list(entries) == ["tile.voreen", "org.kde.kate"]
        assert entries["tile.voreen"]["tile"] is True
        for entry, kind, data in (
            (kate, "image/png", picture(48)),
            (entries["tile.voreen"], "image/svg+xml", SVG),
        ):
            async with desk.daemon.session() as session, session.get(entry["icon"]) as response:
                assert (response.content_type, await response.read()) == (kind, data)


async def test_a_new_program_is_found_when_the_menu_is_looked_at(launched: Launching) -> None:
    launched.installed.application("new")
    assert (await launched.offered("new"))["name"] == "new"


async def test_where_the_desktop_is_and_when_it_was_used(launched: Launching) -> None:
    environment, display = launched.heard.desktops[0]
    shown = (await launched.desk.daemon.status())["environment"]
    assert (environment["DISPLAY"], display) == (shown["DISPLAY"], None)
    before = len(launched.heard.activities)

    async def used() -> bool:
        return len(launched.heard.activities) > before

    async with launched.desk.daemon.viewer() as viewer:
        await viewer.press(SHIFT)
        await eventually(used)
    status = await launched.desk.daemon.status()
    assert launched.heard.activities[-1] == pytest.approx(status["last_activity"], abs=2)


async def test_what_a_launcher_of_another_version_offers_is_not_taken_and_people_are_told(
    desk: Desk,
) -> None:
    entry = {"id": "a", "name": "A", "comment": "", "categories": [], "keywords": []}
    versions = {"version": "0.0.9", "oldest": "0.0.1"}
    async with desk.daemon.session() as session, session.ws_connect("api/v1/launcher") as socket:
        assert await socket.receive_json(timeout=10) == {"type": "hello", **OURS.told()}
        for _ in range(2):
            await socket.send_json({"type": "offer", **versions, "entries": [entry]})
        notice = await desk.notice("version")
        assert "vizproxy is 0.0.9 here" in notice["text"]
        assert (await desk.get("menu"))["entries"] == []
        await socket.send_json({"type": "offer", "entries": [entry]})  # as of 0.1.0

        async def offered() -> bool:
            return bool((await desk.get("menu"))["entries"])

        await eventually(offered)
    assert desk.daemon.log.read_text().count("vizproxy is 0.0.9 here") == 1


# ------------------------------------------------------------------------------------- programs


async def test_a_program_is_started_with_a_lease_and_raised_the_next_time(
    launched: Launching,
) -> None:
    desk = launched.desk
    launched.xprogram("editor", name="A name of more than forty characters, as they are")
    status, answer = await launched.open("editor")
    assert (status, answer["raised"]) == (201, False)
    app = await desk.app("A name of more than forty characters, a…", lambda app: app["windows"])
    assert app["id"] == answer["app"]
    assert app["leased"], app
    assert (await launched.offered("editor"))["app"] == app["id"]
    assert await launched.open("editor") == (200, {"app": app["id"], "raised": True})
    status, another = await launched.open("editor", {"new": True})
    assert status == 201
    assert another["app"] != app["id"]
    for each in (app["id"], another["app"]):
        await stop(desk, each)


async def test_a_program_outlives_the_launcher(desk: Desk, installed: Installed) -> None:
    async with launching(desk, installed) as made:
        made.xprogram("lasting")
        _, answer = await made.open("lasting")
    app = await desk.app("lasting", lambda app: app["windows"])
    assert app["id"] == answer["app"]
    assert not await made.entries()
    await stop(desk, app["id"])


PROBE = 'exec > {out}; for a in "$@"; do printf "[%s]" "$a"; done; echo; pwd; env; echo end'


async def test_no_shell_is_between(desk: Desk, installed: Installed, tmp_path: Path) -> None:
    out, place = tmp_path / "out", tmp_path / "a place"
    place.mkdir()
    probe = installed.program("probe", PROBE.format(out=shlex.quote(str(out))))
    (place / "json.py").write_text("raise SystemExit('not this one')")
    line = f'{probe} $HOME "\\\\$(touch {tmp_path}/pwned)" `id` > x; * --name "-- a  b" %F %c'
    installed.application("probe", Exec=line, Path=str(place), Name="Probe; rm")
    environ = {
        "DISPLAY": ":nonsense",
        "WAYLAND_DISPLAY": "wayland-0",
        "VIZPROXY_APP": "outer",
        "OWN": "own",
    }
    async with launching(desk, installed, environ=environ) as made:
        assert (await made.open("probe"))[0] == 201
        arguments, directory, *rest = (await told(out)).splitlines()
    wanted = ["$HOME", f"$(touch {tmp_path}/pwned)", "`id`", ">", "x;", "*", "--name", "-- a  b"]
    assert arguments == "".join(f"[{word}]" for word in [*wanted, "Probe; rm"])
    assert Path(directory) == place
    assert not (tmp_path / "pwned").exists()
    found = dict(line.split("=", 1) for line in rest if "=" in line)
    assert found["OWN"] == "own"
    assert found["DISPLAY"] == made.heard.desktops[0][0]["DISPLAY"]
    assert "WAYLAND_DISPLAY" not in found
    assert found["VIZPROXY_APP"] != "outer"


async def test_a_tile_s_program_starts_at_home(
    desk: Desk, installed: Installed, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    probe = installed.program("probe", PROBE.format(out=shlex.quote(str(out))))
    async with launching(desk, installed, [Tile("Voreen", (str(probe), "a b"), None)]) as made:
        assert (await made.open("tile.voreen"))[0] == 201
        assert (await told(out)).splitlines()[:2] == ["[a b]", str(installed.home)]


async def test_a_tile_s_program_that_is_missing(desk: Desk, installed: Installed) -> None:
    async with launching(desk, installed, [Tile("Voreen", ("no-such-program",), None)]) as made:
        status, answer = await made.open("tile.voreen")
    assert status >= 400
    assert answer["hint"] == "installing it, or another command in [[jupyter.tile]]"


async def test_why_a_program_was_not_started(launched: Launching, tmp_path: Path) -> None:
    launched.installed.application("missing", Exec="no-such-program %f")
    launched.installed.application("nowhere", Name="Nowhere", Path=str(tmp_path / "gone"))
    status, answer = await launched.open("missing")
    assert status >= 400
    assert answer["message"] == "cannot run no-such-program: there is no such program"
    assert answer["hint"] == "installing it"
    status, answer = await launched.open("nowhere")
    assert status >= 400
    assert answer["message"] == (
        f"cannot start Nowhere: it is to run in {tmp_path}/gone: no such file or directory"
    )


async def test_what_a_failing_program_said(launched: Launching) -> None:
    program = launched.installed.program("failing", "echo no licence is left; exit 3")
    launched.installed.application("failing", Name="Failing", Exec=str(program))
    status, answer = await launched.open("failing")
    assert status == 201
    notice = await launched.desk.notice("failed", answer["app"])
    assert notice["output"] == ["no licence is left"]


async def test_many_at_once(launched: Launching) -> None:
    desk = launched.desk
    for n in range(6):
        launched.xprogram(f"app{n}", "--no-delete")
    await launched.offered("app5")
    opened = await asyncio.gather(*(launched.open(f"app{n}") for n in range(6)))
    assert [status for status, _ in opened] == [201] * 6
    assert len({answer["app"] for _, answer in opened}) == 6
    for _, answer in opened:
        await stop(desk, answer["app"])


# ----------------------------------------------------------------------------------- the daemon


async def test_it_comes_back_after_the_daemon(
    tmp_path: Path,
    installed: Installed,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(launcher, "STABLE_SECONDS", 0.0)  # it has been there for long
    monkeypatch.setattr(launcher, "MAX_PAUSE_SECONDS", 0.5)
    caplog.set_level(logging.INFO, logger=launcher.__name__)
    installed.application("kate")
    directory = tmp_path / "desktop"
    async with (
        running_daemon(directory) as first,
        launching(Desk(first), installed) as made,
    ):
        await made.offered("kate")
        await made.connected()
        await first.end(signal.SIGKILL)
        await made.lost(1)
        made.heard.desktops.clear()
        async with running_daemon(directory) as second:
            await made.offered("kate")
            await made.connected()
            await second.end()
            await made.lost(2)
    lines = [record.getMessage() for record in caplog.records]
    ends = [line for line in lines if line.startswith("lost the desktop at ")]
    assert len(ends) == 2
    assert ends[1].endswith(": the desktop is being ended")
    assert [line for line in lines if line.endswith(": the daemon there is dead")]
    assert len(lines) <= 8, lines  # one for each change, not for each try

"""What the launcher and the daemon say to each other, and what becomes of it when one of them errs."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.broker.desk import Json
from tests.launcher.fake import FakeDaemon
from tests.launcher.launching import Heard, running
from tests.support import eventually
from tests.unit.installing import Installed
from vizproxy.compatibility import OURS
from vizproxy.config import Tile
from vizproxy.jupyter import launcher, starting
from vizproxy.jupyter.launcher import Launcher, pause_seconds
from vizproxy.jupyter.offer import Offer, look

DESKTOP = {
    "type": "desktop",
    "environment": {"DISPLAY": ":7", "XAUTHORITY": "/x"},
    "virtualgl_display": ":8",
}
NONSENSE: list[Any] = [
    *("", "not JSON", "[" * 100_000, [], 7, None, {}),
    *({"type": "desktop"}, {"type": "desktop", "environment": 1, "virtualgl_display": None}),
    *(
        {"type": "activity"},
        {"type": "activity", "last": "now"},
        {"type": "activity", "last": None},
    ),
    *({"type": "start"}, {"type": "start", "order": "one", "entry": "kate"}),
    *({"type": ["look"]}, {"type": "of a later version"}),
]


@pytest.fixture
def fake(tmp_path: Path) -> FakeDaemon:
    return FakeDaemon(tmp_path / "http.sock")


@pytest.fixture
async def daemon(fake: FakeDaemon) -> AsyncIterator[FakeDaemon]:
    async with fake.listening():
        yield fake


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def made(fake: FakeDaemon, heard: Heard, installed: Installed) -> Launcher:
    installed.application("kate", Name="Kate")
    environ = {**installed.environ, "PATH": os.environ["PATH"]}
    return Launcher(
        fake.socket,
        on_desktop=heard.desktop,
        on_activity=heard.activities.append,
        on_lost=heard.is_lost,
        on_version=heard.versions.append,
        environ=environ,
    )


class Lines(logging.Handler):
    """What is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What is logged of the connection."""
    caplog.set_level(logging.INFO, logger=launcher.__name__)
    logger, handler = logging.getLogger(launcher.__name__), Lines()
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


async def until(what: Callable[[], object]) -> None:
    async def check() -> bool:
        return bool(what())

    await eventually(check, of=what)


# ------------------------------------------------------------------------------------ what is said


async def test_the_first_word_is_the_offer(daemon: FakeDaemon, made: Launcher) -> None:
    async with running(made):
        await daemon.heard("offer")
    assert daemon.said == [
        {
            "type": "offer",
            **OURS.told(),
            "entries": [
                {
                    "id": "kate",
                    "name": "Kate",
                    "comment": "",
                    "categories": [],
                    "keywords": [],
                    "tile": False,
                    "icon": None,
                }
            ],
        }
    ]


OLD = {"type": "hello", "version": "0.0.9", "oldest": "0.0.1"}
NEAR = {"type": "hello", "version": "99.1", "oldest": OURS.oldest}


@pytest.mark.parametrize("hello", [{"type": "hello", **OURS.told()}, NEAR, None])
async def test_a_daemon_of_a_version_that_fits(
    daemon: FakeDaemon, made: Launcher, heard: Heard, hello: Json | None
) -> None:
    async with running(made):
        await daemon.heard("offer")
        await daemon.say(*filter(None, [hello]), DESKTOP, DESKTOP)
        await until(lambda: len(heard.desktops) == 2)
    assert heard.versions == [None]


async def test_nothing_is_done_for_a_daemon_of_a_version_that_does_not_fit(
    daemon: FakeDaemon, made: Launcher, heard: Heard, lines: list[str]
) -> None:
    async with running(made):
        await daemon.heard("offer")
        await daemon.say(OLD, DESKTOP, {"type": "start", "order": 1, "entry": "kate"})
        await daemon.say({"type": "activity", "last": 5.0}, {"type": "look"})
        await until(lambda: heard.versions)
        error = heard.versions[0]
        assert error is not None
        assert "the desktop's vizproxy is 0.0.9" in error.why
        await daemon.hang_up()
        await until(lambda: heard.lost)
        await until(lambda: heard.versions == [error, None])  # the next one may be another
        await until(lambda: daemon.connected)
        await daemon.say({"type": "hello", **OURS.told()}, DESKTOP)
        await until(lambda: heard.desktops)
    assert heard.versions == [error, None, None]
    assert (len(heard.desktops), heard.activities) == (1, [])
    assert not [said for said in daemon.said if said["type"] in {"started", "failed"}]
    assert str(error) in lines


async def test_it_is_offered_again_only_if_it_has_changed(
    daemon: FakeDaemon, made: Launcher, installed: Installed
) -> None:
    async with running(made):
        await daemon.heard("offer")
        await daemon.say({"type": "look"}, {"type": "look"})
        await daemon.say({"type": "start", "order": 1, "entry": "none"})
        await daemon.heard("failed")
        new = installed.application("new")
        await daemon.say({"type": "look"}, {"type": "look"}, {"type": "look"})
        assert len(await daemon.heard("offer", 2)) == 2
        assert await daemon.offered() == ["kate", "new"]
        new.unlink()
        await daemon.say({"type": "look"})
        assert len(await daemon.heard("offer", 3)) == 3
        assert await daemon.offered() == ["kate"]


async def test_what_the_daemon_tells_is_passed_on(
    daemon: FakeDaemon, made: Launcher, heard: Heard
) -> None:
    async with running(made):
        await daemon.heard("offer")
        await daemon.say(DESKTOP, {"type": "activity", "last": 1795460000.5})
        await daemon.say({**DESKTOP, "virtualgl_display": None})
        await until(lambda: len(heard.desktops) == 2)
        assert heard.desktops == [
            (DESKTOP["environment"], ":8"),
            (DESKTOP["environment"], None),
        ]
        assert heard.activities == [1795460000.5]
        assert heard.lost == 0
    assert heard.lost == 0, "it was ended, not lost"


@pytest.fixture
def may_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Until this is set, looking for programs takes its time, as on a slow disk."""
    event = threading.Event()

    def slow(environ: Mapping[str, str], tiles: Sequence[Tile]) -> Offer:
        assert event.wait(30)
        return look(environ, tiles)

    monkeypatch.setattr(launcher, "look", slow)
    yield event
    event.set()


async def test_where_the_desktop_is_does_not_wait_for_the_programs(
    daemon: FakeDaemon, made: Launcher, heard: Heard, may_look: threading.Event
) -> None:
    async with running(made):
        await until(lambda: daemon.connected)
        await daemon.say(DESKTOP, {"type": "start", "order": 1, "entry": "kate"})
        await until(lambda: heard.desktops)
        await daemon.heard("failed")
        assert [message["type"] for message in daemon.said] == ["failed"]
        may_look.set()
        assert await daemon.offered() == ["kate"]


async def test_programs_are_looked_for_before_the_daemon_is_there(
    daemon: FakeDaemon, made: Launcher, may_look: threading.Event
) -> None:
    there = asyncio.Event()

    async def until_there() -> None:
        await there.wait()

    async with running(made, until_there):
        may_look.set()
        await until(lambda: made._offer)
        assert daemon.connections == 0
        there.set()
        assert await daemon.offered() == ["kate"]


async def test_nonsense_is_not_listened_to(
    daemon: FakeDaemon, made: Launcher, heard: Heard
) -> None:
    async with running(made):
        await daemon.heard("offer")
        await daemon.say(*NONSENSE, {"type": "activity", "last": 5})
        await until(lambda: heard.activities)
    assert (heard.desktops, heard.activities, heard.lost) == ([], [5.0], 0)
    assert daemon.connections == 1
    assert [message["type"] for message in daemon.said] == ["offer"]


async def test_who_listens_may_fail(
    daemon: FakeDaemon, fake: FakeDaemon, heard: Heard, lines: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    made = Launcher(
        fake.socket, on_desktop=fail, on_activity=heard.activities.append, on_lost=fail, environ={}
    )
    async with running(made):
        await daemon.heard("offer")
        await daemon.say(DESKTOP, {"type": "activity", "last": 5})
        await until(lambda: heard.activities)
        await daemon.hang_up()
        await daemon.heard("offer", 2)
    assert lines.count("cannot pass on what the desktop says: a bug in vizproxy") == 2


# ------------------------------------------------------------------------------------ connections


async def test_it_waits_for_the_daemon_without_many_words(
    fake: FakeDaemon, made: Launcher, heard: Heard, lines: list[str]
) -> None:
    async with running(made):
        await until(lambda: lines)
        for _ in range(5):
            made.try_now()
            await until(lambda: not made._now.is_set())
        async with fake.listening():
            made.try_now()
            await until(lambda: len(lines) > 1)
            assert lines == [
                f"cannot reach the desktop at {fake.socket}: no daemon runs there",
                f"connected to the desktop at {fake.socket}",
            ]
            assert heard.lost == 0


async def test_it_need_not_wait_for_its_next_try(
    fake: FakeDaemon, made: Launcher, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr(launcher, "MAX_PAUSE_SECONDS", 3600.0)
    async with running(made):
        await until(lambda: lines)
        async with fake.listening():
            made.try_now()
            await fake.heard("offer")


async def test_a_daemon_that_knows_no_launchers(
    daemon: FakeDaemon, made: Launcher, heard: Heard, lines: list[str]
) -> None:
    daemon.status = 404
    async with running(made):
        await until(lambda: daemon.connections)
        made.try_now()
        await until(lambda: daemon.connections > 1)
    (line,) = lines
    assert line.startswith("cannot offer programs to the desktop at ")
    assert line.endswith(": the daemon there answers with HTTP status 404")
    assert heard.lost == 0


async def test_a_daemon_that_hangs_up_again_and_again(
    daemon: FakeDaemon, made: Launcher, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "PAUSE_SECONDS", 0.01)
    daemon.reason = "there are too many"
    async with running(made):
        await until(lambda: daemon.connections >= 5)
    assert [line.partition(" the desktop")[0] for line in lines] == ["connected to", "lost"]
    assert lines[1].endswith(": there are too many")


def test_pauses_grow() -> None:
    assert [pause_seconds(n, 0) for n in (0, 1, 2, 3, 4, 5, 9999)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert pause_seconds(0, 1) == 0.375


# ------------------------------------------------------------------------------------ orders


async def test_what_is_not_there_cannot_be_started(daemon: FakeDaemon, made: Launcher) -> None:
    async with running(made):
        await daemon.heard("offer")
        await daemon.say({"type": "start", "order": 3, "entry": "gone\x1b"})
        assert await daemon.heard("failed") == [
            {
                "type": "failed",
                "order": 3,
                "message": "cannot start gone : it is not installed any more",
                "hint": "another program of the menu",
            }
        ]


async def test_an_order_is_answered_to_who_gave_it(daemon: FakeDaemon, made: Launcher) -> None:
    async with running(made):
        await daemon.heard("offer")
        await daemon.say({"type": "start", "order": 1, "entry": "kate"})
        await until(lambda: daemon.leases_wanted == 1)
        await daemon.hang_up()  # the command fails with it
        await daemon.heard("offer", 2)
        await daemon.say({"type": "start", "order": 2, "entry": "none"})
        await daemon.heard("failed")
    assert [said["order"] for said in daemon.said if said["type"] == "failed"] == [2]


async def test_a_start_has_an_end(
    daemon: FakeDaemon, made: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "LIMIT_SECONDS", 0.5)
    async with running(made):
        await daemon.heard("offer")
        await daemon.say({"type": "start", "order": 1, "entry": "kate"})
        (failed,) = await daemon.heard("failed")
    assert failed["message"] == "cannot start Kate: it took longer than 0.5 s"
    assert not commands()


async def test_with_the_launcher_its_commands_end(daemon: FakeDaemon, made: Launcher) -> None:
    async with running(made):
        await daemon.heard("offer")
        await daemon.say({"type": "start", "order": 1, "entry": "kate"})
        await until(lambda: daemon.leases_wanted == 1)
        assert commands()
    assert not commands()


def commands() -> list[psutil.Process]:
    """The commands that run now to start programs."""
    return [p for p in psutil.Process().children() if "--detach" in p.cmdline()]

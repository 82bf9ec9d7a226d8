"""``vizproxy top``: once, in a terminal, and of a daemon that goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cli.running import VIZPROXY, environment, run, run_all
from tests.support import ROOT, Daemon, eventually
from tests.unit.looking import app, later, measured
from vizproxy.cli.top import look_once
from vizproxy.client import Client

UNAVAILABLE, USAGE = 69, 2
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
"""How a terminal is told to use its alternate screen, and to show again what was there before."""


# ---------------------------------------------------------------------------------------------- once


def test_once(shared: Daemon) -> None:
    with ThreadPoolExecutor() as pool:  # each of them waits for a reading
        wide, narrow = (
            pool.submit(run, "top", *once, "--runtime-dir", shared.directory, environ=environ)
            for once, environ in ((("--once",), {}), ((), {"COLUMNS": "60"}))
        )
    ended, no_terminal = wide.result(), narrow.result()
    assert (ended.code, ended.err) == (0, "")
    assert "\x1b" not in ended.out
    first, *lines = ended.out.splitlines()
    assert first.startswith("● the desktop is ready  plan software  vizproxy ")
    assert re.fullmatch(r"display   :\d+ 1600x900x24  \d+\.\d frames/s .*", lines[0])
    for label in ("viewers", "budget"):
        assert sum(line.startswith(f"{label} ") for line in lines) == 1
    for name in ("xorg", "wm", "x11vnc", "websockify"):
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        assert re.fullmatch(rf"{name} +ready .* \d+\.\d +\d+\.\d s +\d\S* MiB +0", line)
    assert max(map(len, lines)) <= 100
    assert (no_terminal.code, no_terminal.err) == (0, "")
    assert "\x1b" not in no_terminal.out
    assert max(map(len, no_terminal.out.splitlines())) <= 60


async def test_once_waits_until_it_is_known_what_uses_how_much(fake: Fake) -> None:
    fake.growth = 0.0
    async with Client(fake.socket) as client:
        course = await look_once(client, pause=0.01, limit=0.05)
        assert fake.asked >= 2
        assert not course.is_settled
        fake.growth, fake.asked = 0.5, 0
        course = await look_once(client, pause=0.01, limit=30)
        assert fake.asked == 2
        assert course.is_settled


def test_failures(tmp_path: Path) -> None:
    none, *wrong = run_all(
        [
            ("top", "--runtime-dir", tmp_path),
            ("top", "--interval", "often", "--runtime-dir", tmp_path),
            ("top", "--interval", "0", "--runtime-dir", tmp_path),
        ]
    )
    assert none.code == UNAVAILABLE
    assert "no daemon runs there" in none.sentence()
    for ended in wrong:
        assert ended.code == USAGE
        assert ended.sentence().startswith("cannot use --interval: ")


# ------------------------------------------------------------------------------------- in a terminal


class Fake:
    """A daemon that measures what it is told, on a socket that can be taken away."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.answer: dict[str, Any] = measured()
        self.asked = 0
        self.growth = 0.1
        """The seconds of CPU time that everything uses from one look to the next."""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        service = web.Application()
        service.router.add_get("/api/v1/measurements", self._measurements)
        self._runner = web.AppRunner(service)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.socket.unlink(missing_ok=True)

    async def _measurements(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.answer = later(1, self.answer, drawn__frames=60, daemon__cpu_seconds=self.growth)
        for users in ("components", "apps"):
            self.answer[users] = [
                user | {"cpu_seconds": user["cpu_seconds"] + self.growth}
                for user in self.answer[users]
            ]
        return web.json_response(self.answer)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[Fake]:
    made = Fake(tmp_path / "http.sock")
    await made.start()
    yield made
    await made.stop()


class Terminal:
    """A terminal in which ``vizproxy top`` runs, and all that was written to it."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self.master = master
        self.process = process
        self.written = b""

    def read(self) -> None:
        try:
            self.written += os.read(self.master, 65536)
        except OSError:  # Linux has no end of file there
            asyncio.get_running_loop().remove_reader(self.master)

    @property
    def text(self) -> str:
        return self.written.decode(errors="replace")

    async def until(self, *texts: str) -> None:
        """Wait until all of that was written since the last time."""

        async def check() -> bool:
            return all(text in self.text for text in texts)

        await eventually(check, timeout=20, of=lambda: self.text)

    async def until_picture(self, seen: Callable[[str], bool]) -> None:
        """Wait until the latest picture, as far as it was drawn, is such."""

        async def check() -> bool:
            return seen(self.text.rpartition("\x1b[H")[2])

        await eventually(check, timeout=20, of=lambda: self.text)

    def forget(self) -> None:
        self.written = b""

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def hang_up(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        self.master = -1

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 20)


@contextlib.asynccontextmanager
async def terminal(
    *arguments: str, errors: Path | None = None, **environ: str
) -> AsyncIterator[Terminal]:
    """A terminal of its own session, as a person's, in which ``vizproxy top`` runs."""
    master, slave = pty.openpty()
    took = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    go = f"{took}; os.execv(sys.argv[1], sys.argv[1:])"
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    own = {name: text for name, text in environment().items() if name not in {"COLUMNS", "LINES"}}
    with errors.open("wb") if errors is not None else os.fdopen(slave, "wb", closefd=False) as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-c", go, *VIZPROXY, "top", "--interval", "200ms", *arguments),
            env=own | {"TERM": "xterm", "NO_COLOR": ""} | environ,
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=sink,
            start_new_session=True,
        )
    os.close(slave)
    shown = Terminal(master, process)
    asyncio.get_running_loop().add_reader(master, shown.read)
    try:
        yield shown
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if shown.master >= 0:
            shown.hang_up()


def modes(shown: Terminal) -> Any:
    return termios.tcgetattr(shown.master)


async def test_a_screen_that_follows_until_a_key_ends_it(fake: Fake) -> None:
    async with terminal("--http-socket", str(fake.socket)) as shown:
        before = modes(shown)
        await shown.until("60.0 frames/s", "voreen", "q ends this", "\x1b[32m")
        assert shown.text.startswith(ENTER)
        assert not modes(shown)[3] & termios.ICANON
        fake.answer["apps"] = [app("[red]new\x1b[2J")]
        shown.forget()
        await shown.until(r"[red]new\x1b[2J")
        shown.press(b"x\x1b[A")  # keys that mean nothing
        shown.press(b"\x1bOQ")  # F2
        shown.forget()
        shown.resize(40, 20)
        await shown.until_picture(lambda text: "GRANTED" in text and "FRAMEBUFFER" not in text)
        shown.press(b"q")
        assert await shown.ended() == 0
        await shown.until(LEAVE)
        assert modes(shown) == before
        assert "Traceback" not in shown.text


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
async def test_a_signal_ends_it(fake: Fake, number: signal.Signals, code: int) -> None:
    async with terminal("--http-socket", str(fake.socket)) as shown:
        before = modes(shown)
        await shown.until("voreen")
        shown.process.send_signal(number)
        assert await shown.ended() == code
        await shown.until(LEAVE)
        assert modes(shown) == before


async def test_a_daemon_that_goes_away_and_comes_back(fake: Fake) -> None:
    async with terminal("--http-socket", str(fake.socket), NO_COLOR="1") as shown:
        await shown.until("60.0 frames/s")
        await fake.stop()
        await shown.until("cannot reach the desktop at", "it is asked again and again")
        assert "nodaemonrunsthere" in re.sub(r"\x1b\[[0-9;]*m|\s", "", shown.text)
        shown.forget()
        fake.answer = measured(5.0)
        await fake.start()
        await shown.until("the desktop is ready", "60.0 frames/s")
        assert not re.findall(r"\x1b\[(?:\d+;)*3\d[;m]", shown.text)
        shown.press(b"\x03")
        assert await shown.ended() == 0
        assert "Traceback" not in shown.text


async def test_a_terminal_that_is_closed(fake: Fake, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    async with terminal("--http-socket", str(fake.socket), errors=errors) as shown:
        await shown.until("voreen")
        shown.hang_up()
        assert await shown.ended() == 128 + signal.SIGHUP
    assert errors.read_text() == ""


async def test_stopped_and_going_on(fake: Fake) -> None:
    """Ctrl-Z in a shell: the terminal is given back meanwhile."""
    async with terminal("--http-socket", str(fake.socket)) as shown:
        before = modes(shown)
        await shown.until("voreen")
        shown.process.send_signal(signal.SIGTSTP)  # no shell waits here: it goes on at once
        await shown.until(LEAVE)
        shown.written = shown.written.partition(LEAVE.encode())[2]
        await shown.until(ENTER, "voreen")
        shown.press(b"Q")
        assert await shown.ended() == 0
        assert modes(shown) == before


async def test_a_terminal_that_nothing_can_be_drawn_over(fake: Fake) -> None:
    async with terminal("--http-socket", str(fake.socket), TERM="dumb") as shown:
        assert await shown.ended() == 0
        await shown.until("voreen")
        assert "\x1b" not in shown.text


def test_the_fake_is_like_the_daemon(shared: Daemon) -> None:
    """What the tests of the page are made of has the fields that the daemon gives."""

    async def ask() -> dict[str, Any]:
        async with Client(shared.socket) as client:

            async def check() -> dict[str, Any] | None:
                told = await client.measurements()
                return told if told["display"] and told["daemon"] else None

            return await eventually(check)

    real, imagined = asyncio.run(ask()), measured()
    assert real.keys() == imagined.keys()
    for section in ("display", "drawn", "framebuffer", "viewers", "daemon"):
        assert real[section].keys() == imagined[section].keys()
    assert real["components"][0].keys() == imagined["components"][0].keys()

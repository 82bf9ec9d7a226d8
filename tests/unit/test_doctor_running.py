"""Looking at a desktop whose X servers are not as they should be. Real ones: tests/api/test_checkup."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vizproxy.display import xauth
from vizproxy.doctor.case import PlanInForce
from vizproxy.doctor.running import look, plan_in_force
from vizproxy.facts.model import Place, RunningDesktop, known

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PATIENCE = 10.0


def status(directory: Path, **environment: str) -> dict[str, Any]:
    return {
        "state": "ready",
        "summary": "the desktop is ready",
        "plan": {"name": "virtualgl", "reason": "a GPU is there", "warning": ""},
        "environment": {
            "DISPLAY": ":7",
            "XAUTHORITY": str(directory / "Xauthority"),
            **environment,
        },
    }


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    cookie = tmp_path / "Xauthority"
    cookie.write_bytes(xauth.authority_file(xauth.new_cookie(), "box"))
    cookie.chmod(0o600)
    return tmp_path


@contextlib.asynccontextmanager
async def x_server(directory: Path, serve: Serve, number: int = 7) -> AsyncIterator[None]:
    """Something that listens where an X server would."""
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            done.set()

    server = await asyncio.start_unix_server(handle, str(directory / f"X{number}"))
    async with server:
        yield
        await done.wait()


async def seen(
    directory: Path, told: dict[str, Any] | None = None, *, patience: float = PATIENCE
) -> RunningDesktop:
    desktop = await look(
        told or status(directory),
        directory / "http.sock",
        x_sockets=directory,
        patience=patience,
    )
    assert desktop.value is not None
    return desktop.value


async def reason(directory: Path, *, patience: float = PATIENCE) -> str:
    (display,) = (await seen(directory, patience=patience)).displays
    assert display.dpms == display.shares_memory
    assert display.dpms.value is None
    return display.dpms.reason


async def test_no_x_server(directory: Path) -> None:
    assert await reason(directory) == "X7 does not accept connections (No such file or directory)"


async def test_an_x_server_that_hangs(directory: Path) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client is gone

    async with x_server(directory, hang):
        told = await reason(directory, patience=0.05)
    assert told == "the X server has not answered within 0.05 s"


async def test_an_x_server_that_goes_away(directory: Path) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(12)

    async with x_server(directory, leave):
        assert await reason(directory) == "X7 closed the connection"


async def test_an_x_server_that_refuses(directory: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(12)
        text = b"No protocol specified\n"
        padded = text + bytes(-len(text) % 4)
        writer.write(struct.pack("<BBHHH", 0, len(text), 11, 0, len(padded) // 4) + padded)
        await writer.drain()

    async with x_server(directory, refuse):
        assert await reason(directory) == ("the X server does not let us in: No protocol specified")


async def test_something_else_than_an_x_server(directory: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(struct.pack("<BBHHH", 1, 0, 11, 0, 0))  # accepted, and nothing said of it
        await writer.drain()

    async with x_server(directory, talk):
        assert (await reason(directory)).startswith("the X server cannot be asked: ")


class PowerSaving:
    """An X server as far as DPMS goes (dpms.xml), which the dummy driver's does not have."""

    def __init__(self, *, enabled: bool, timeouts: tuple[int, int, int]) -> None:
        info = struct.pack("<BxHIHB21x", 1, 0, 0, 0, enabled)
        times = struct.pack("<BxHIHHH18x", 1, 0, 0, *timeouts)
        self._replies = {(200, 7): info, (200, 2): times}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(12 + 20 + 16)  # the name of the cookie's protocol, the cookie
        writer.write(struct.pack("<BBHHH", 1, 0, 11, 0, 2) + bytes(8))
        while head := await reader.read(4):
            major, minor, words = struct.unpack("<BBH", head)
            body = await reader.readexactly(4 * (words - 1))
            if major == 98:  # QueryExtension
                there = body[4:].startswith(b"DPMS")
                writer.write(struct.pack("<BxHIBB22x", 1, 0, 0, there, 200 * there))
            else:
                writer.write(self._replies[major, minor])


@pytest.mark.parametrize(
    ("enabled", "timeouts", "sleeps"),
    [
        (True, (600, 0, 0), True),
        (True, (0, 0, 1), True),
        (True, (0, 0, 0), False),  # by itself it never does
        (False, (600, 600, 600), False),
    ],
)
async def test_a_screen_that_sleeps(
    directory: Path, timeouts: tuple[int, int, int], *, enabled: bool, sleeps: bool
) -> None:
    async with x_server(directory, PowerSaving(enabled=enabled, timeouts=timeouts).serve):
        (display,) = (await seen(directory, patience=5)).displays
    assert display.dpms == known(sleeps)
    assert display.shares_memory.reason == "the X server has no MIT-SHM"


async def test_both_servers_and_the_cookie(directory: Path) -> None:
    told = status(directory, VGL_DISPLAY=":8")
    desktop = await seen(directory, told)
    assert [display.name for display in desktop.displays] == [":7", ":8"]
    assert (desktop.state, desktop.summary) == ("ready", "the desktop is ready")
    assert desktop.plan == "virtualgl"
    cookie = str(directory / "Xauthority")
    assert desktop.cookie == known(Place(cookie, "0600", os.geteuid(), writable=True))


async def test_egl_is_no_x_server(directory: Path) -> None:
    desktop = await seen(directory, status(directory, VGL_DISPLAY="egl0"))
    assert [display.name for display in desktop.displays] == [":7"]


async def test_the_cookie_may_be_beside_the_socket(directory: Path) -> None:
    desktop = await seen(directory, status(directory, XAUTHORITY="/elsewhere/Xauthority"))
    assert desktop.cookie.value is not None
    assert desktop.cookie.value.path == str(directory / "Xauthority")


async def test_a_cookie_that_is_not_here(tmp_path: Path) -> None:
    desktop = await seen(tmp_path)
    assert desktop.cookie.value is None
    assert "neither" in desktop.cookie.reason


async def test_a_desktop_that_has_not_started(tmp_path: Path) -> None:
    told = {**status(tmp_path), "environment": {}, "state": "starting"}
    desktop = await seen(tmp_path, told)
    assert (desktop.displays, desktop.cookie.reason) == ((), "the desktop tells of none yet")


@pytest.mark.parametrize(
    "told",
    [{}, {"environment": 1}, {"environment": {}, "state": "ready", "summary": "", "plan": None}],
)
async def test_a_status_that_is_not_understood(told: dict[str, Any], tmp_path: Path) -> None:
    assert "not understood" in (await look(told, tmp_path / "http.sock")).reason
    assert plan_in_force(told) is None


def test_the_plan_in_force(tmp_path: Path) -> None:
    assert plan_in_force(status(tmp_path)) == PlanInForce("virtualgl", "a GPU is there", "")

"""The daemon's own X connection, against a real server."""

import asyncio
import os
import signal

import pytest
import pytest_asyncio

from tests.support import eventually
from vizproxy.errors import DisplayError
from vizproxy.x11 import windows
from vizproxy.x11.session import XSession


@pytest_asyncio.fixture
async def session(daemon, monkeypatch):
    """A second connection of the daemon's kind, in this process."""
    environment = await daemon.environment()
    monkeypatch.setenv("XAUTHORITY", environment["XAUTHORITY"])  # the session sets it, too
    session = XSession(daemon.directory / "Xauthority")
    await session.connect(environment["DISPLAY"])
    yield session
    await session.close()


@pytest.mark.parametrize(
    "job",
    [
        lambda d: d.get_keyboard_mapping(1, 5),  # BadValue: the lowest key code is 8
        lambda d: d.create_resource_object("window", 1).get_geometry(),  # BadDrawable
        lambda d: d.get_atom_name(0x7FFFFFFF),  # BadAtom
    ],
    ids=["BadValue", "BadDrawable", "BadAtom"],
)
async def test_an_error_of_the_server_reaches_the_caller_and_harms_nobody_else(session, job):
    with pytest.raises(DisplayError):
        await session.call(job)
    await session.call(windows.ping)


async def test_what_a_job_raises_reaches_its_caller(session):
    with pytest.raises(ZeroDivisionError):
        await session.call(lambda _: 1 / 0)
    await session.call(windows.ping)


async def test_many_calls_at_once(session):
    sizes = await asyncio.gather(
        *(session.call(lambda d: d.screen().root.get_geometry().width) for _ in range(200))
    )
    assert set(sizes) == {1600}


async def test_a_server_that_goes_away_is_noticed(daemon, session):
    os.kill((await daemon.pids())["xorg"], signal.SIGKILL)

    async def noticed():
        try:
            await session.call(windows.ping)
        except DisplayError:
            return True
        return False

    await eventually(noticed)


async def test_a_server_that_does_not_answer_is_given_up_in_time(daemon, session):
    pid = (await daemon.pids())["xorg"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(DisplayError, match="no answer within"):
            await session.call(windows.ping, timeout=0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    await session.call(windows.ping)

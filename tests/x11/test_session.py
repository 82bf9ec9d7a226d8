"""The daemon's own X connection, against a real server."""

import asyncio
import logging
import os
import signal

import pytest
import pytest_asyncio
from Xlib import X, Xatom

from tests.support import eventually
from tests.x11.watching import session_on
from vizproxy.errors import DisplayError
from vizproxy.x11 import windows


@pytest_asyncio.fixture
async def session(daemon):
    """A second connection of the daemon's kind, in this process."""
    async with session_on(daemon) as session:
        yield session


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


async def test_whoever_listens_is_told_of_the_end(daemon, session):
    lost = asyncio.Event()
    session.listen(lambda *_: None, lost=lost.set)
    os.kill((await daemon.pids())["xorg"], signal.SIGKILL)
    await asyncio.wait_for(lost.wait(), 5)
    with pytest.raises(DisplayError, match="not running"):
        session.listen(lambda *_: None, lost=lost.set)


async def test_a_listener_that_fails_costs_the_connection_only(session, caplog):
    lost = asyncio.Event()

    def fail(display, event):
        raise ZeroDivisionError(event)

    def touch(display):
        root = display.screen().root
        root.change_attributes(event_mask=X.PropertyChangeMask)
        root.change_text_property(display.get_atom("_TOUCHED"), Xatom.STRING, "")

    session.listen(fail, lost=lost.set)
    name = session.name
    await session.call(touch)
    await asyncio.wait_for(lost.wait(), 5)
    assert "is given up" in caplog.text
    await session.connect(name)
    await session.call(windows.ping)


async def test_errors_that_nobody_awaits_are_named_in_the_log(session, caplog):
    caplog.set_level(logging.DEBUG)

    def make_them(display):
        display.create_resource_object("window", 0x1234567).map()
        display.screen().root.change_property(Xatom.STRING, 0x7FFFFFFF, 8, b"")
        display.sync()

    await session.call(make_them)
    said = {(r.levelname, r.getMessage()) for r in caplog.records if r.name.startswith("vizproxy")}
    assert ("DEBUG", "window 0x1234567 vanished") in said
    warned = f"X error on {session.name}: BadAtom for ChangeProperty on 0x7fffffff"
    assert ("WARNING", warned) in said


async def test_a_server_that_does_not_answer_is_given_up_in_time(daemon, session):
    pid = (await daemon.pids())["xorg"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(DisplayError, match="no answer within"):
            await session.call(windows.ping, timeout=0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    await session.call(windows.ping)

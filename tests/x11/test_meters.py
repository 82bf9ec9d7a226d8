"""What is measured of the screen, by a real X server."""

import pytest
import pytest_asyncio
from Xlib import X
from Xlib.ext import xtest

from tests.support import eventually, window_on
from tests.x11.watching import session_on
from vizproxy.errors import DisplayError, InvalidRequestError
from vizproxy.x11 import randr
from vizproxy.x11.damage import DamageMeter
from vizproxy.x11.meters import read_meters
from vizproxy.x11.resources import read_clients
from vizproxy.x11.screen import Screen

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def session(shared):
    async with session_on(shared) as session:
        yield session


def screen_of(session, changed=lambda: None):
    return Screen(session, bound=(4000, 4000), dpi=96, changed=changed)


async def test_the_screen_as_the_server_has_it(session):
    read = await screen_of(session).meters()
    assert (read.width, read.height, read.depth) == (1600, 900, 24)
    assert read.framebuffer_bytes == 1600 * 900 * 4


async def test_the_clients_are_counted_but_for_our_own(shared, session):
    async def settled():
        """The daemon has both of its connections, the second one soon after it is ready."""
        clients = await session.call(read_clients)
        return sum(client.pid == shared.pid for client in clients) == 2

    await eventually(settled)
    before = (await session.call(read_meters)).clients
    meter = DamageMeter(shared.directory / "Xauthority", lost=lambda: None)
    await meter.attach(session.name)
    assert meter.counting
    assert (await session.call(read_meters)).clients == before
    async with window_on(shared):
        assert (await session.call(read_meters)).clients == before + 1
    await meter.close()

    async def gone():
        return (await session.call(read_meters)).clients == before

    await eventually(gone)


async def test_how_long_nobody_has_touched_it(session):
    async def rested():
        return ((await session.call(read_meters)).idle_seconds or 0) > 0.1

    def touch(display):
        xtest.fake_input(display, X.MotionNotify, x=10, y=10)
        xtest.fake_input(display, X.MotionNotify, x=20, y=20)
        display.sync()
        return read_meters(display)

    await eventually(rested)
    before = (await session.call(read_meters)).idle_seconds
    assert (await session.call(touch)).idle_seconds < before


async def test_real_changes_of_size_are_counted(session):
    changes = []
    screen = screen_of(session, changed=lambda: changes.append(1))
    first = await screen.size()
    try:
        await screen.resize(1001, 703)
        assert screen.resizes == 1
        assert (await screen.meters()).framebuffer_bytes == 1001 * 703 * 4
        await screen.resize(1001, 703)
        with pytest.raises(InvalidRequestError):
            await screen.resize(1, 1)
        await session.call(lambda d: randr.resize(d, 900, 700, dpi=96, bound=(4000, 4000)))
        await screen.restore()  # as after a restart of the server: no change for anybody
        assert ((await screen.meters()).width, screen.resizes) == (1001, 1)
    finally:
        await screen.resize(first.width, first.height)
    assert screen.resizes == 2


async def test_without_a_server_there_is_an_error(shared):
    async with session_on(shared) as session:
        screen = screen_of(session)
    with pytest.raises(DisplayError, match="not running"):
        await screen.meters()

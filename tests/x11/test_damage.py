"""What is drawn is counted, by a real X server."""

import asyncio
import contextlib
import os
import signal
import time

import pytest
import pytest_asyncio
from Xlib import X

from tests.process.scripts import write_script
from tests.support import eventually, running_daemon, window_on
from tests.x11.watching import session_on
from vizproxy.errors import DisplayError
from vizproxy.x11.damage import Damage, DamageMeter
from vizproxy.x11.meters import read_meters
from vizproxy.x11.session import XSession

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLACE = (200, 100, 40, 60)
AREA = 200 * 100


def nothing():
    pass


@contextlib.asynccontextmanager
async def metering(daemon, lost=nothing):
    """Count what is drawn on a daemon's desktop, which nobody else draws on."""
    async with session_on(daemon):  # it puts XAUTHORITY back
        meter = DamageMeter(daemon.directory / "Xauthority", lost=lost)
        await attach(meter, daemon)
        assert meter.counting
        yield meter
        await meter.close()


@pytest_asyncio.fixture(loop_scope="module")
async def meter(shared):
    async with metering(shared) as meter:
        yield meter


async def attach(meter, daemon):
    await meter.attach((await daemon.environment())["DISPLAY"])


async def counted(meter, pixels):
    """Wait until so many pixels were damaged, and not one more."""

    async def check():
        assert meter.damage.pixels == pixels
        return True

    await eventually(check)


def show(display):
    """A red window, and a context to draw on it."""
    width, height, x, y = PLACE
    root = display.screen().root
    window = root.create_window(
        *(x, y, width, height, 0),
        X.CopyFromParent,
        background_pixel=0xFF0000,
        override_redirect=True,
    )
    window.map()
    display.sync()
    return window, window.create_gc(foreground=0x00FF00)


async def test_what_is_drawn_is_counted_to_the_pixel(shared, meter):
    async with session_on(shared) as session:
        assert meter.damage == Damage()  # the screen that was there before is no frame
        window, context = await session.call(show)
        await counted(meter, AREA)
        before = meter.damage

        def overlapping(display):
            window.fill_rectangle(context, 10, 10, 30, 20)
            window.fill_rectangle(context, 20, 20, 30, 20)
            display.flush()

        await session.call(overlapping)
        await counted(meter, before.pixels + 2 * 30 * 20 - 20 * 10)
        assert meter.damage.events == before.events + 1

        def beyond_the_edge(display):
            window.fill_rectangle(context, 190, 90, 500, 500)
            display.flush()

        await session.call(beyond_the_edge)
        await counted(meter, before.pixels + 1000 + 100)

        def many(display):
            """A region of more rectangles than one packet holds."""
            for x in range(0, 200, 2):
                for y in range(0, 100, 2):
                    window.fill_rectangle(context, x, y, 1, 1)
            display.flush()

        await session.call(many)
        await counted(meter, before.pixels + 1100 + AREA // 4)
        await session.call(lambda d: window.destroy())
        await session.call(lambda d: d.sync())
        await counted(meter, before.pixels + 1100 + AREA // 4 + AREA)


async def test_no_more_frames_are_counted_than_sixty_a_second(shared, meter):
    began = time.monotonic()
    async with window_on(shared, "--moving", "--place", "200x100+40+60"):

        async def enough():
            return meter.damage.events > 25

        await eventually(enough)
        events, elapsed = meter.damage.events, time.monotonic() - began
    assert events <= 60 * elapsed + 1
    assert meter.damage.pixels % AREA == 0  # each frame is the whole window


async def test_counting_goes_on_with_the_next_server(tmp_path):
    ends = []
    async with (
        running_daemon(tmp_path) as daemon,
        metering(daemon, lost=lambda: ends.append(True)) as meter,
    ):
        async with session_on(daemon) as session:
            await session.call(show)
            await counted(meter, AREA)
            os.kill((await daemon.pids())["xorg"], signal.SIGKILL)

            async def noticed():
                return ends == [True] and not meter.counting

            await eventually(noticed)
        await daemon.until_component("xorg", "ready", after=0)
        assert meter.damage.pixels == AREA
        async with session_on(daemon) as session:
            await attach(meter, daemon)
            await session.call(show)
            await counted(meter, 2 * AREA)


async def test_without_the_extension_nothing_is_counted(tmp_path):
    xorg = write_script(
        tmp_path / "xorg",
        'exec /usr/lib/xorg/Xorg "$@" -extension DAMAGE -extension MIT-SCREEN-SAVER',
    )
    async with (
        running_daemon(tmp_path, VIZPROXY_PROGRAMS_XORG=str(xorg)) as daemon,
        session_on(daemon) as session,
    ):
        assert (await session.call(read_meters)).idle_seconds is None
        meter = DamageMeter(daemon.directory / "Xauthority", lost=nothing)
        with pytest.raises(DisplayError, match="the X server lacks DAMAGE or XFIXES"):
            await attach(meter, daemon)
        assert not meter.counting
        assert meter.damage is None, "what cannot be known is not 0"


class Hanging(XSession):
    """Has a server that accepts and then says no more."""

    name = ":5"

    async def connect(self, name):
        self.connected = True

    def listen(self, on_event, *, lost):
        pass

    async def call(self, job, *_):
        await asyncio.Event().wait()

    async def close(self):
        self.connected = False


async def test_who_gives_up_on_a_server_leaves_no_connection(tmp_path):
    meter = DamageMeter(tmp_path / "Xauthority", lost=nothing)
    meter._session = session = Hanging(tmp_path / "Xauthority")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await meter.attach(":5")
    assert not session.connected
    assert not meter.counting

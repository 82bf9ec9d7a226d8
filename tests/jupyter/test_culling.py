"""A real idle-culler: it ends the server of an idle desktop, though its picture moves; no used one, nor
one that nobody looks at and on which a program runs that was told to count."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.cli.running import VIZPROXY
from tests.e2e.viewer import BACKGROUND, Viewer
from tests.jupyter.hub import running_hub
from tests.support import Daemon, eventually, window_on

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

IDLE, BUSY, RENDERING = "ada", "zoë", "grace"
CULLER = ("--timeout=15", "--cull-every=1")
PAUSE_SECONDS = 1
MOVING = ("--moving", "--pause", "0.03", "--place", "300x200+100+100")


@contextlib.asynccontextmanager
async def in_use(viewer: Viewer) -> AsyncIterator[None]:
    """Use the desktop once in a while: by the pointer, and by a key."""

    async def use() -> None:
        while True:
            await viewer.click(500, 400)
            await viewer.page.keyboard.press("Shift")
            await asyncio.sleep(PAUSE_SECONDS)

    task = asyncio.create_task(use())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def a_program_that_counts(desktop: Daemon) -> AsyncIterator[None]:
    """Run a program whose running is use of the server, and which has nothing to show."""
    there = ("--http-socket", str(desktop.directory / "http.sock"))
    run = ("run", *there, "--detach", "--activity", "always", "sleep", "1000")
    app = await asyncio.to_thread(subprocess.check_output, (*VIZPROXY, *run), text=True)
    try:
        yield
    finally:
        stop = (*VIZPROXY, "apps", "stop", app.strip(), *there)
        await asyncio.to_thread(subprocess.check_call, stop)


async def moves(viewer: Viewer) -> None:
    """Wait until a pixel of the picture has been of several colours."""
    seen: set[object] = {None, BACKGROUND}

    async def check() -> bool:
        seen.add(await viewer.pixel(150, 150))
        return len(seen) > 4

    await eventually(check, timeout=20, of=lambda: str(seen))


async def test_the_idle_one_is_culled_and_the_used_one_is_not(
    browser: Browser, tmp_path: Path
) -> None:
    settings = {"VIZPROXY_VIEWER_IDLE_TIMEOUT": "3s"}
    async with (
        running_hub(tmp_path, IDLE, BUSY, RENDERING, culler=CULLER, **settings) as hub,
        hub.browsing(browser, IDLE) as idle_page,
        hub.browsing(browser, BUSY) as busy_page,
        contextlib.AsyncExitStack() as stack,
    ):

        async def on_the_desktop(viewer: Viewer, user: str) -> None:
            """Start a server, have a picture that moves on its desktop, and look at that."""
            await hub.start_server(user)
            await hub.embedded(user).ready()
            await stack.enter_async_context(window_on(hub.embedded(user), *MOVING))
            await viewer.open(hub.desktop(user))
            await moves(viewer)

        busy, idle = Viewer(busy_page), Viewer(idle_page)
        await hub.start_server(RENDERING)
        await hub.embedded(RENDERING).ready()
        await stack.enter_async_context(a_program_that_counts(hub.embedded(RENDERING)))
        await on_the_desktop(busy, BUSY)
        await stack.enter_async_context(in_use(busy))
        await on_the_desktop(idle, IDLE)
        await idle.reaches("paused")
        assert "paused" in (await idle.text("#title")).lower()

        async def culled() -> bool:
            assert await busy.state() == "connected"
            return set(await hub.running()) == {BUSY, RENDERING}

        await eventually(culled, timeout=60, of=hub.log.read_text)
        assert await busy.state() == "connected"

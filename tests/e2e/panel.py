"""The side panel, as a test sees it, and programs for it to show."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator

from playwright.async_api import Locator

from tests.e2e.viewer import Viewer
from tests.support import ROOT, Daemon, Program, eventually

CHORD = "Control+Alt+Shift+A"
SIZE = "300x200+0+0"
CORNER = "60 60"
"""Where the window manager is asked to put a window, so that pixel 200,200 is in it."""

IN_SIGHT = """panel => {
  const { right, bottom } = panel.getBoundingClientRect();
  return right <= innerWidth && bottom <= innerHeight;
}"""

_VIZPROXY = (sys.executable, "-m", "vizproxy.cli.main")


@contextlib.asynccontextmanager
async def app_on(
    daemon: Daemon, name: str, *options: str, framebuffer: str = "8MiB"
) -> AsyncIterator[Program]:
    """Run ``tests.xprogram`` by ``vizproxy run``, from the moment that its window is at its place."""
    run = ("run", "--wait", "--name", name, "--framebuffer", framebuffer)
    program = (sys.executable, "-m", "tests.xprogram", "--managed", "--place", SIZE, *options)
    process = await asyncio.create_subprocess_exec(
        *(*_VIZPROXY, *run, "--runtime-dir", str(daemon.directory), "--", *program),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    running = Program(process)
    try:
        first = await running.line()
        assert first == "shown", first + (await running.rest())
        await running.do(f"move {CORNER}")
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


class Panel:
    """The panel of a viewer's page."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.element = viewer.frame.locator("#panel")

    async def open(self) -> None:
        """Open it by the toolbar's button, until it is at its place."""
        await self.viewer.frame.locator("#handle").hover()
        await self.viewer.frame.locator("#apps-open").click()
        await self.is_open()
        await self.viewer.page.mouse.move(5, 400)

        async def in_sight() -> bool:
            return bool(await self.element.evaluate(IN_SIGHT))

        await eventually(in_sight)

    async def is_open(self, *, but: bool = False) -> None:
        """Wait until it is open, or closed."""
        value = str(not but).lower()
        frame = self.viewer.frame
        await frame.locator(f"#panel[data-open={value}]").wait_for(state="attached")

    def app(self, name: str) -> Locator:
        """The group of an app."""
        heading = self.viewer.frame.locator(".name").get_by_text(name, exact=True)
        return self.element.locator(".app").filter(has=heading)

    def window(self, title: str) -> Locator:
        """The row of a window."""
        text = self.viewer.frame.locator(".title").get_by_text(title, exact=True)
        return self.element.locator(".window").filter(has=text)

    async def press(self, row: Locator, button: str) -> None:
        """Press a button of a row that comes with the mouse."""
        await row.hover()
        await row.locator(button).click()

    async def focused(self) -> str:
        """The label, or the text, of what has the focus."""
        found: str = await self.viewer.frame.evaluate(
            "(document.activeElement.getAttribute('aria-label')"
            " ?? document.activeElement.textContent).trim()"
        )
        return found

    async def has_focus(self, label: str) -> None:
        """Wait until the element of this label has the focus."""

        seen = ""

        async def check() -> bool:
            nonlocal seen
            seen = await self.focused()
            return seen == label

        await eventually(check, of=lambda: f"{label!r} wanted, {seen!r} seen")

    async def gives_back_the_keyboard(self) -> None:
        """Wait until the keyboard is the desktop's."""
        await self.has_focus("Desktop")

"""The page in a browser tab, as a test sees it."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from PIL import Image
from playwright.async_api import ConsoleMessage, Frame, Locator, Page
from Xlib import XK

from tests.support import Daemon, Program, eventually, program_on

Colour = tuple[int, int, int]

RED: Colour = (255, 0, 0)
GREEN: Colour = (0, 160, 0)
BLUE: Colour = (0, 0, 255)
BACKGROUND: Colour = (0x2B, 0x30, 0x3B)

READ_PIXEL = """([selector, x, y]) => {
  const canvas = document.querySelector(selector);
  if (!canvas || x >= canvas.width || y >= canvas.height) return null;
  // Read off a copy: many reads of the canvas itself would make Chromium treat it differently.
  const copy = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, x, y, 1, 1, 0, 0, 1, 1);
  return [...copy.getImageData(0, 0, 1, 1).data];
}"""
READ_CANVAS = """() => {
  const canvas = document.querySelector('#screen canvas');
  if (!canvas) return null;
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return { pixels: [canvas.width, canvas.height], left, top, width, height };
}"""
RECORD_STATES = """(() => {
  window.seen = [];
  new MutationObserver(() => {
    const state = document.documentElement.dataset.state;
    const last = window.seen.at(-1);
    if (last?.state === state) return;
    const text = (id) => document.getElementById(id)?.textContent ?? '';
    const still = document.getElementById('still');
    window.seen.push({ state, title: text('title'), still: Boolean(still && !still.hidden) });
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-state'] });
})()"""
KNOWN = (
    "Canvas2D: Multiple readback operations",
    "An iframe which has both allow-scripts and allow-same-origin",
)
"""Chromium's warnings about how noVNC resizes its canvas, and about the frames of JupyterLab."""


class Viewer:
    """One tab that shows the desktop, or a frame in it, with a record of all that went wrong."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frame: Frame = page.main_frame
        self.requests: list[str] = []
        self.problems: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("console", self._on_console)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(KNOWN):
            self.problems.append(f"{message.type}: {message.text}")

    async def open(self, link: str, state: str = "connected") -> None:
        await self.page.add_init_script(RECORD_STATES)
        await self.page.goto(link)
        await self.reaches(state)

    async def reaches(self, state: str) -> None:
        """Wait until the page is in a state."""

        async def check() -> bool:
            return await self.state() == state

        await eventually(check, timeout=30, of=lambda: f"{state} wanted, {self.problems}")

    async def state(self) -> str | None:
        return await self.frame.locator("html").get_attribute("data-state")

    async def states(self) -> list[dict[str, Any]]:
        """Every state since the page was loaded, with the title that the card had then."""
        found: list[dict[str, Any]] = await self.frame.evaluate("window.seen")
        return found

    async def turns(self, after: int, state: str) -> list[str]:
        """Wait until the page turns to a state; return its states after the first so many."""

        async def check() -> list[str] | None:
            names = [seen["state"] for seen in (await self.states())[after:]]
            return names if names[-1:] == [state] else None

        return await eventually(check, timeout=30, of=lambda: str(self.problems))

    async def text(self, selector: str) -> str:
        return (await self.frame.locator(selector).inner_text()).strip()

    # the picture

    async def pixel(self, x: int, y: int, canvas: str = "#screen canvas") -> Colour | None:
        """The colour of a pixel of the desktop, as it is on the page's canvas."""
        found = await self.frame.evaluate(READ_PIXEL, [canvas, x, y])
        return None if found is None else (found[0], found[1], found[2])

    async def sees(self, colour: Colour, x: int, y: int) -> None:
        """Wait until a pixel of the desktop has a colour."""
        seen: object = None

        async def check() -> bool:
            nonlocal seen
            seen = await self.pixel(x, y)
            return seen == colour

        await eventually(check, timeout=20, of=lambda: f"{colour} wanted at {x},{y}, {seen} seen")

    async def canvas(self) -> dict[str, Any]:
        """Size of the picture in pixels, and its place in the page."""
        found: dict[str, Any] = await self.frame.evaluate(READ_CANVAS)
        assert found is not None, "there is no picture"
        return found

    async def click(self, x: int, y: int, **options: Any) -> None:
        """Click on a pixel of the desktop."""
        await self.page.mouse.click(*await self.place_of(x, y), **options)

    async def drag_from(self, element: Locator, x: int, y: int) -> None:
        """Press the mouse on an element of the page, and let go of it over a pixel of the desktop."""
        await element.hover()
        await self.page.mouse.down()
        await self.page.mouse.move(*await self.place_of(x, y), steps=3)
        await self.page.mouse.up()

    async def type_foreign(self, character: str) -> None:
        """Press a key that has this character on the visitor's keyboard, but not on a US one."""
        devtools = await self.page.context.new_cdp_session(self.page)
        for kind in ("keyDown", "keyUp"):
            event = {"type": kind, "key": character, "code": "KeyE", "windowsVirtualKeyCode": 69}
            await devtools.send("Input.dispatchKeyEvent", event)
        await devtools.detach()

    async def choose_mode(self, mode: str) -> None:
        """Press one of the toolbar's size buttons."""
        await self.frame.locator("#handle").hover()
        button = self.frame.locator(f"#modes [data-mode={mode}]")
        await button.click()
        assert await button.get_attribute("aria-checked") == "true"
        await self.page.mouse.move(*await self.place_of(1, 1))

    async def shot(self) -> Image.Image:
        """What the whole tab looks like, with every animation at its end."""
        png = await self.page.screenshot(animations="disabled")
        return Image.open(io.BytesIO(png)).convert("RGB")

    async def place_of(self, x: int, y: int) -> tuple[float, float]:
        """Where a pixel of the desktop is in the page."""
        canvas = await self.canvas()
        width, height = canvas["pixels"]
        return (
            canvas["left"] + (x + 0.5) * canvas["width"] / width,
            canvas["top"] + (y + 0.5) * canvas["height"] / height,
        )

    async def is_of_size(self, width: int, height: int) -> None:
        """Wait until the picture has so many pixels."""
        seen: object = None

        async def check() -> bool:
            nonlocal seen
            seen = await self.canvas()
            return bool(seen["pixels"] == [width, height])

        await eventually(check, timeout=20, of=lambda: f"{width}x{height} wanted, {seen} seen")


class Observer:
    """A running ``tests.e2e.xobserver`` and what it has told."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.told: list[dict[str, Any]] = []

    async def next(self, kind: str, limit: float = 10) -> dict[str, Any]:
        """The next event of a kind; what comes between is passed over."""
        async with asyncio.timeout(limit):
            while True:
                line = await self._program.line(limit=limit)
                assert line, f"the program ended; it told {self.told[-5:]}"
                told: dict[str, Any] = json.loads(line)
                self.told.append(told)
                if told["event"] == kind:
                    return told

    async def key(self, name: str) -> dict[str, Any]:
        """Wait for the press of a key; any other key pressed before is an error.

        Shift counts as part of the key: x11vnc presses it where the character wants it.
        """
        while True:
            told = await self.next("key")
            if told["down"] and not told["key"].startswith(("Shift", "ISO_Level3")):
                assert _keysym(told["key"]) == _keysym(name), self.told[-6:]
                return told


def _keysym(name: str) -> int | str:
    """A key by its number, for some have several names; a punctuation mark stays as it is."""
    return XK.string_to_keysym(name) or name


@asynccontextmanager
async def observer_on(daemon: Daemon, *arguments: str) -> AsyncIterator[Observer]:
    """Run the observer on the desktop, from the moment that its window is shown."""
    argv = (sys.executable, "-m", "tests.e2e.xobserver", *arguments)
    async with program_on(daemon, *argv) as program:
        observer = Observer(program)
        await observer.next("shown")
        yield observer


async def link_to(daemon: Daemon) -> str:
    """The link that ``vizproxy url`` prints."""
    printed = await vizproxy("url", "--runtime-dir", str(daemon.directory))
    return printed.split()[0]


async def vizproxy(*arguments: str) -> str:
    """Run a vizproxy command; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vizproxy.cli.main", *arguments, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed
    return printed.decode()

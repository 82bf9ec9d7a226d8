"""The notebook's side of the app menu, played by a test: it offers programs, and really starts them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from playwright.async_api import Locator

from tests.e2e.panel import Panel
from tests.support import ROOT, Daemon, eventually

ICON = (
    b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>"
    b"<rect x='2' y='2' width='28' height='28' rx='6' fill='#3d8aa3'/></svg>"
)
COVERING = ("--managed", "--place", "700x500+0+0")
"""Makes a window of ``tests.xprogram`` hold the middle of the desktop, wherever it is placed."""

MIDDLE = (500, 350)

_VIZPROXY = (sys.executable, "-m", "vizproxy.cli.main")


def window_program(title: str, colour: str = "ff0000", *options: str) -> tuple[str, ...]:
    """The command of a program with one window."""
    look = ("--title", title, "--colour", colour)
    return (sys.executable, "-m", "tests.xprogram", *COVERING, *look, *options)


def failing_program(*lines: str, code: int = 3) -> tuple[str, ...]:
    """The command of a program that prints lines and fails."""
    script = "".join(f"echo '{line}'; " for line in lines)
    return ("/bin/sh", "-c", f"{script}exit {code}")


@dataclass
class Offered:
    """A program in the menu."""

    id: str
    name: str
    program: tuple[str, ...]
    comment: str = ""
    categories: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    tile: bool = False
    icon: bool = False

    def as_json(self) -> dict[str, Any]:
        picture = {"type": "image/svg+xml", "data": base64.b64encode(ICON).decode()}
        return {
            "id": self.id,
            "name": self.name,
            "comment": self.comment,
            "categories": list(self.categories),
            "keywords": list(self.keywords),
            "tile": self.tile,
            "icon": picture if self.icon else None,
        }


@dataclass
class Launcher:
    """A connected launcher, and what it has started. Orders wait until it is ``free``."""

    daemon: Daemon
    socket: aiohttp.ClientWebSocketResponse
    offered: dict[str, Offered] = field(default_factory=dict)
    ordered: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    async def offer(self, *entries: Offered) -> None:
        """Offer these instead of what was offered before."""
        self.offered = {entry.id: entry for entry in entries}
        offers = [entry.as_json() for entry in entries]
        await self.socket.send_json({"type": "offer", "entries": offers})

    def hold(self) -> None:
        """Take orders, but carry none out."""
        self.free.clear()

    def go_on(self) -> None:
        """Carry them out."""
        self.free.set()

    async def serve(self) -> None:
        """Carry out orders until the connection ends."""
        async with asyncio.TaskGroup() as orders:
            async for message in self.socket:
                told = json.loads(message.data)
                if told["type"] == "start":
                    self.ordered.append(told["entry"])
                    orders.create_task(self._carry_out(told["order"], self.offered[told["entry"]]))

    async def _carry_out(self, order: int, entry: Offered) -> None:
        await self.free.wait()
        code, printed, said = await self._run(entry)
        if code == 0:
            self.started.append(printed)
            await self.socket.send_json({"type": "started", "order": order, "app": printed})
            return
        message, _, hint = said.removeprefix("vizproxy: ").partition("; try ")
        failed = {"type": "failed", "order": order, "message": message, "hint": hint}
        await self.socket.send_json(failed)

    async def _run(self, entry: Offered) -> tuple[int | None, str, str]:
        run = ("run", "--detach", "--name", entry.name, "--framebuffer", "8MiB")
        process = await asyncio.create_subprocess_exec(
            *(*_VIZPROXY, *run, "--http-socket", str(self.daemon.socket), "--", *entry.program),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, said = await process.communicate()
        return process.returncode, printed.decode().strip(), said.decode().strip()


@contextlib.asynccontextmanager
async def launcher_on(daemon: Daemon, *entries: Offered) -> AsyncIterator[Launcher]:
    """A launcher that offers programs; what it has started is ended with it."""
    async with daemon.session() as session:
        socket = await session.ws_connect("/api/v1/launcher")
        launcher = Launcher(daemon, socket)
        launcher.go_on()
        serving = asyncio.create_task(launcher.serve())
        try:
            await launcher.offer(*entries)
            yield launcher
        finally:
            await socket.close()
            await serving
            await _end_apps(session, launcher.started)


async def _end_apps(session: aiohttp.ClientSession, ids: list[str]) -> None:
    async def gone() -> bool:
        async with session.get("api/v1/apps") as answer:
            running = {app["id"] for app in (await answer.json())["apps"]}
        return not running & set(ids)

    for app in ids:
        async with session.delete(f"api/v1/apps/{app}"):
            pass
    await eventually(gone)


class Menu:
    """The app menu in the panel of a viewer's page."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.element = panel.viewer.frame.locator("#menu")
        self.search = self.element.locator("#menu-search")
        self.button = panel.viewer.frame.locator("#start")

    async def open(self) -> None:
        """Open it by the button of the open panel."""
        await self.button.click()
        await self.is_open()

    async def is_open(self, *, but: bool = False) -> None:
        """Wait until it is open, or closed."""
        view = "apps" if but else "menu"
        panel = self.panel.viewer.frame.locator(f"#panel[data-view={view}]")
        await panel.wait_for(state="attached")

    def entry(self, name: str) -> Locator:
        """The row of an entry."""
        text = self.panel.viewer.frame.locator(".name").get_by_text(name, exact=True)
        return self.element.locator(".entry").filter(has=text)

    async def sections(self) -> list[tuple[str, list[str]]]:
        """The titles of what is listed, with the names of their entries."""
        found: list[list[Any]] = await self.element.locator(".section").evaluate_all(
            """sections => sections.map((section) => [
              section.querySelector('h3').textContent,
              [...section.querySelectorAll('.name')].map((name) => name.textContent),
            ])"""
        )
        return [(title, names) for title, names in found]

    async def lists(self, *wanted: tuple[str, list[str]]) -> None:
        """Wait until exactly this is listed, with its icons: of what is gone, none can be had."""
        seen: object = None

        async def check() -> bool:
            nonlocal seen
            seen = await self.sections()
            return seen == list(wanted)

        await eventually(check, of=lambda: f"{seen} seen, {wanted} wanted")
        loading = self.panel.viewer.frame.locator(".entry:not([data-icon]) img:not([hidden])")

        async def loaded() -> bool:
            return await loading.count() == 0

        await eventually(loaded)

    async def picked(self) -> str:
        """The name of the entry that Enter would start, as a screen reader is told of it."""
        found: str = await self.search.evaluate(
            """search => {
              const id = search.getAttribute('aria-activedescendant');
              if (!id) return '';
              const option = document.getElementById(id);
              if (option.getAttribute('aria-selected') !== 'true') return 'not selected';
              return option.querySelector('.name').textContent;
            }"""
        )
        return found

    async def picks(self, name: str) -> None:
        """Wait until Enter would start this entry."""

        async def check() -> bool:
            return await self.picked() == name

        await eventually(check)

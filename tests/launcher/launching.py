"""A launcher as a Jupyter server runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.broker.desk import Desk, Json
from tests.support import eventually
from tests.unit.installing import Installed
from vizproxy.config import Tile
from vizproxy.errors import VersionError
from vizproxy.jupyter.launcher import Launcher


@dataclass
class Heard:
    """What a launcher has passed on."""

    desktops: list[tuple[Mapping[str, str], str | None]] = field(default_factory=list)
    activities: list[float] = field(default_factory=list)
    lost: int = 0
    versions: list[VersionError | None] = field(default_factory=list)

    def desktop(self, environment: Mapping[str, str], display: str | None) -> None:
        self.desktops.append((environment, display))

    def is_lost(self) -> None:
        self.lost += 1


@contextlib.asynccontextmanager
async def running(
    launcher: Launcher, until_there: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[None]:
    """Run a launcher; it must go on until it is cancelled, and end then."""
    task = asyncio.create_task(launcher.run(until_there))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.timeout(5):
                await task


class Launching:
    """A launcher, the container that it is in, and the desktop that it offers programs to."""

    def __init__(
        self, desk: Desk, installed: Installed, tiles: Sequence[Tile], environ: Mapping[str, str]
    ) -> None:
        self.desk = desk
        self.installed = installed
        self.heard = Heard()
        path = f"{installed.bin}:{os.environ['PATH']}"
        self.environ = {**desk.environment(**{**installed.environ, "PATH": path}), **environ}
        self.launcher = Launcher(
            desk.socket,
            tiles,
            on_desktop=self.heard.desktop,
            on_activity=self.heard.activities.append,
            on_lost=self.heard.is_lost,
            on_version=self.heard.versions.append,
            environ=self.environ,
        )

    async def entries(self) -> dict[str, Json]:
        """The menu's entries, by their ids without the launcher's number."""
        menu = await self.desk.get("menu")
        return {entry["id"].partition(".")[2]: entry for entry in menu["entries"]}

    async def offered(self, entry_id: str) -> Json:
        """Wait until an entry is in the menu; return it."""
        last: dict[str, Json] = {}

        async def check() -> Json | None:
            nonlocal last
            last = await self.entries()
            return last.get(entry_id)

        return await eventually(check, of=lambda: f"{entry_id} wanted: {last}")

    async def connected(self) -> None:
        """Wait until the daemon has told where the desktop is."""

        async def check() -> bool:
            return bool(self.heard.desktops)

        await eventually(check)

    async def lost(self, times: int) -> None:
        """Wait until it has told so many times that the daemon is lost."""

        async def check() -> bool:
            return self.heard.lost == times

        await eventually(check, of=lambda: self.heard)

    async def open(self, entry_id: str, body: object = None) -> tuple[int, Json]:
        """Choose an entry in the menu."""
        entry = await self.offered(entry_id)
        return await self.desk.ask("POST", f"menu/{entry['id']}/open", body)

    def xprogram(self, file: str, *arguments: str, name: str = "") -> None:
        """Install an application with a window."""
        program = self.installed.program(
            file, f"exec {sys.executable} -m tests.xprogram --managed --title {file} $*"
        )
        line = " ".join((str(program), *arguments))
        self.installed.application(file, Name=name or file, Exec=line)


@contextlib.asynccontextmanager
async def launching(
    desk: Desk,
    installed: Installed,
    tiles: Sequence[Tile] = (),
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Launching]:
    """Run a launcher for the desktop of a desk."""
    made = Launching(desk, installed, tiles, environ or {})
    async with running(made.launcher):
        yield made

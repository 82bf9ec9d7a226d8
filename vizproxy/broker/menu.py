"""The menu: programs that launchers offer to start, each on its own side.

A launcher is somebody who can start programs where they are installed, such as a Jupyter server in the
notebook's container. The daemon itself starts none: it passes on what a person chose.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from vizproxy.broker.snapshot import App, Snapshot
from vizproxy.changes import Changes
from vizproxy.errors import NoSuchEntryError, NotReadyError

MAX_LAUNCHERS: Final = 16
_REMEMBERED: Final = 32
"""How many apps of one entry are remembered; those that have ended are forgotten."""


@dataclass(frozen=True, slots=True)
class Icon:
    """A picture of a program, in a format that browsers know."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """What tells one picture from another."""
        return hashlib.sha256(self.data).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Offer:
    """A program that a launcher can start, in the words of the Desktop Entry Specification.

    ``id`` is unique to its launcher. ``tile`` marks what an admin has put into view.
    """

    id: str
    name: str
    comment: str = ""
    categories: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    tile: bool = False
    icon: Icon | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An offer in the menu: its unique ``id``, and the newest ``app`` of it that runs."""

    id: str
    offer: Offer
    app: App | None


class Launcher(Protocol):
    """Whoever can start what was offered."""

    async def start(self, offer: str) -> str:
        """Start a program; return the id of its app. Raises VizproxyError if that fails."""

    def look(self) -> None:
        """Ask for new programs, soon."""


class Menu:
    """What can be started, by whom, and what was.

    ``snapshot`` tells which apps there are; ``changes`` is bumped when the menu differs.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], changes: Changes) -> None:
        self._snapshot = snapshot
        self._changes = changes
        self._revision = 1
        self._launchers: dict[int, tuple[Launcher, dict[str, Offer]]] = {}
        self._started: dict[str, list[str]] = {}
        self._running: dict[str, str] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    # launchers

    def join(self, launcher: Launcher) -> int:
        """A launcher comes; return the number that it goes by.

        Raises:
            NotReadyError: there are too many.
        """
        for number in range(1, MAX_LAUNCHERS + 1):
            if number not in self._launchers:
                self._launchers[number] = (launcher, {})
                return number
        why = f"there are {MAX_LAUNCHERS} launchers already"
        raise NotReadyError("take programs into the menu", why, "ending one of them")

    def offer(self, number: int, offers: Iterable[Offer]) -> None:
        """A launcher tells all that it can start."""
        launcher, before = self._launchers[number]
        now = {offer.id: offer for offer in offers}
        if now != before:
            self._launchers[number] = (launcher, now)
            self._changed()

    def leave(self, number: int) -> None:
        """A launcher goes, and its programs with it."""
        _, offers = self._launchers.pop(number)
        if offers:
            self._changed()

    def _changed(self) -> None:
        self._revision += 1
        self._changes.bump()

    def look(self) -> None:
        """Ask all launchers for new programs."""
        for launcher, _ in self._launchers.values():
            launcher.look()

    # entries

    def revision(self) -> int:
        """A number that grows with every change of the entries, and of which of them run."""
        snapshot = self._snapshot()
        running = {
            entry_id: app.id
            for entry_id in self._started
            if (app := self._app_of(entry_id, snapshot)) is not None
        }
        if running != self._running:
            self._running = running
            self._revision += 1
        return self._revision

    def __len__(self) -> int:
        return len(self._offers())

    def _offers(self) -> dict[str, Offer]:
        """What is offered, by the entries' ids.

        Launchers in one container offer the same. That is listed once, as the first one's.
        """
        listed: dict[str, Offer] = {}
        same: set[Offer] = set()
        for number, (_, offers) in sorted(self._launchers.items()):
            listed |= {f"{number}.{o.id}": o for o in offers.values() if o not in same}
            same.update(offers.values())
        return listed

    def entries(self) -> tuple[Entry, ...]:
        """All entries: launcher by launcher, as they were offered."""
        snapshot = self._snapshot()
        return tuple(
            Entry(entry_id, offer, self._app_of(entry_id, snapshot))
            for entry_id, offer in self._offers().items()
        )

    def entry(self, entry_id: str) -> Entry:
        """The entry of an id; without the launcher's number, the first launcher's that has it.

        Raises:
            NoSuchEntryError: there is none.
        """
        entries = self.entries()
        found = [e for e in entries if e.id == entry_id]
        found = found or [e for e in entries if e.offer.id == entry_id]
        if not found:
            raise NoSuchEntryError(
                f"find {entry_id[:80]!r} in the menu",
                "nobody offers a program of that id",
                "the app menu",
            )
        return found[0]

    def _app_of(self, entry_id: str, snapshot: Snapshot) -> App | None:
        apps = (snapshot.app(app_id) for app_id in reversed(self._started.get(entry_id, ())))
        return next((app for app in apps if app is not None), None)

    async def open(self, entry_id: str, *, new: bool, tile: bool = False) -> tuple[App | None, str]:
        """Find the app that was started from an entry, unless a ``new`` one is wanted, or start it.

        With ``tile`` it has to be a tile: a link may open these, and nothing else. Returns the app that
        was found, if one was, and the app's id.

        Raises:
            NoSuchEntryError: there is no such entry.
            VizproxyError: it cannot be started.
        """
        entry = self.entry(entry_id)
        if tile and not entry.offer.tile:
            why = "it has no tile, and a link opens nothing else"
            raise NoSuchEntryError(f"open {entry.offer.name} by a link", why, "the app menu")
        if new:
            return None, await self._start(entry)
        # Two tabs that are restored at once shall not start two.
        async with self._opening.setdefault(entry.id, asyncio.Lock()):
            if (app := self.entry(entry.id).app) is not None:
                return app, app.id
            return None, await self._start(entry)

    async def _start(self, entry: Entry) -> str:
        number = int(entry.id.partition(".")[0])
        launcher, _ = self._launchers[number]
        app_id = await launcher.start(entry.offer.id)
        snapshot = self._snapshot()
        alive = [a for a in self._started.get(entry.id, ()) if snapshot.app(a) is not None]
        self._started[entry.id] = [*alive, app_id][-_REMEMBERED:]
        self._changes.bump()
        return app_id

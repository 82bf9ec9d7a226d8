"""The top-level windows, kept up to date from the server's events.

:class:`TopLevels` belongs to one connection and lives on its X thread. The first change of a window
makes it stale, and it is not listened to until it is read again: a program that changes its title
without end costs no more than one that does so once per reading. A reading asks for what is stale and
nothing else, with all requests of a batch on their way before the first answer is awaited.

While a window manager runs, the windows are those it lists (``_NET_CLIENT_LIST``); while none does,
the mapped children of the root that do not refuse to be managed.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from Xlib import X
from Xlib import error as xerror
from Xlib.display import Display
from Xlib.protocol import request

from vizproxy.x11 import properties, windows
from vizproxy.x11.properties import Atoms, Property
from vizproxy.x11.scene import Geometry, Window

log = logging.getLogger(__name__)

MAX_WINDOWS: Final = 500
"""More top-level windows than anybody can use; what is beyond is not looked at."""

MAX_EVENTS: Final = 16
"""After so many events of a window that are no news, it counts as stale, too."""

_BATCH: Final = 16
"""How many windows' requests are under way at once."""

_NOWHERE: Final = Geometry(0, 0, 0, 0)
_OF_ROOT: Final = ("_NET_CLIENT_LIST", "_NET_ACTIVE_WINDOW", windows.MANAGER_CHECK)
_WINDOW_MASK: Final = X.PropertyChangeMask | X.StructureNotifyMask
_MOVES: Final = frozenset({X.ConfigureNotify, X.ReparentNotify})
_COMING_AND_GOING: Final = frozenset(
    {X.MapNotify, X.UnmapNotify, X.ReparentNotify, X.DestroyNotify}
)


@dataclass(slots=True)
class _Known:
    """What is known of one window, and what of it is stale."""

    properties: dict[str, Property | None] = field(default_factory=dict)
    geometry: Geometry = _NOWHERE
    is_fresh: bool = False
    """Whether it was read after its last change. Only then are we told of the next."""
    events: int = 0


class TopLevels:
    """The top-level windows of one connection. ``stale`` is called when something is to be read."""

    def __init__(self, stale: Callable[[], None]) -> None:
        self._tell = stale
        self._due = True
        self._atoms: Atoms | None = None
        self._names: dict[int, str] = {}
        self._known: dict[int, _Known] = {}
        self._root_stale = True
        self._root_mask = 0
        self._root_events = 0
        self._manager: int | None = None
        self._active: int | None = None

    # events

    def note(self, display: Display, event: Any) -> None:
        """Take note of an event. Called on the X thread."""
        source = getattr(event, "event", None) or getattr(event, "window", None)
        if source is None:
            return  # of a kind that nobody selected
        root = display.screen().root.id
        if source.id == root:
            is_news = self._note_root(display, event)
        elif source.id == self._manager:
            is_news = event.type == X.DestroyNotify
            self._root_stale |= is_news
        else:
            is_news = self._note_window(display, source.id, event)
        if is_news and not self._due:
            self._due = True
            self._tell()

    def _note_root(self, display: Display, event: Any) -> bool:
        if event.type == X.PropertyNotify:
            is_news = self._names.get(event.atom) in _OF_ROOT
        else:
            is_news = event.type in _COMING_AND_GOING
        self._root_events += 1
        if self._root_events > MAX_EVENTS and self._root_mask:
            self._listen_to_root(display, 0)
            is_news = True
        self._root_stale |= is_news
        return is_news

    def _note_window(self, display: Display, window_id: int, event: Any) -> bool:
        known = self._known.get(window_id)
        if known is None:
            return False
        if event.type == X.DestroyNotify:
            del self._known[window_id]
            self._root_stale = True
            return True
        known.events += 1
        if event.type == X.PropertyNotify:
            is_news = self._names.get(event.atom) in properties.NAMES
        else:
            is_news = event.type in _MOVES
        if not known.is_fresh or not (is_news or known.events > MAX_EVENTS):
            return False
        known.is_fresh = False
        self._select(display, window_id, 0)
        return True

    # readings

    def read(self, display: Display, *, listing: bool) -> tuple[tuple[Window, ...], bool]:
        """Read what is stale. Returns all windows, and whether any may have come or gone.

        With ``listing`` the list of windows is read in any case. That is needed now and then: a window
        manager that lags behind may list a window that has gone, and when another comes to life with
        its id, nothing tells of it. Called on the X thread. After an error everything is stale again.
        """
        self._due = False
        listed = listing or self._root_stale
        try:
            atoms = self._prepared(display)
            if listed:
                self._read_root(display)
            self._read_windows(display)
        except BaseException:
            self._root_stale = True
            for known in self._known.values():
                known.is_fresh = False
            raise
        self._root_events = 0
        return tuple(self._described(display, atoms)), listed

    def _prepared(self, display: Display) -> Atoms:
        if self._atoms is None:
            names = (*properties.NAMES, *_OF_ROOT)
            self._names = {display.get_atom(name): name for name in names}
            self._atoms = properties.atoms_of(display)
        return self._atoms

    def _read_root(self, display: Display) -> None:
        root = display.screen().root.id
        self._listen_to_root(display, self._root_mask | X.PropertyChangeMask)
        pending = [
            properties.ask(display, root, name, words)
            for name, words in (("_NET_CLIENT_LIST", MAX_WINDOWS), ("_NET_ACTIVE_WINDOW", 1))
        ]
        self._manager = windows.window_manager(display, listen=True)
        listed, active = (properties.answer(reply) for reply in pending)
        if self._manager is not None and listed is not None:
            found: Iterable[int] = listed.numbers
            self._active = active.numbers[0] if active and active.numbers else None
            self._listen_to_root(display, X.PropertyChangeMask)
        else:
            self._listen_to_root(display, X.PropertyChangeMask | X.SubstructureNotifyMask)
            found = self._unmanaged(display)
            self._active = None
        own = {root, self._manager}  # anybody may write that list
        self._keep(display, [i for i in dict.fromkeys(found) if i not in own][:MAX_WINDOWS])
        self._root_stale = False

    def _listen_to_root(self, display: Display, mask: int) -> None:
        if self._root_mask != mask:
            self._root_mask = mask
            self._select(display, display.screen().root.id, mask)

    def _unmanaged(self, display: Display) -> list[int]:
        """Windows that a window manager would manage, the known ones first and in their order."""
        tree = request.QueryTree(display=display.display, window=display.screen().root.id)
        children = [child.id for child in tree.children]
        new = [child for child in children if child not in self._known]
        shown = []
        for batch in _batches([*(i for i in self._known if i in set(children)), *new]):
            pending = [
                request.GetWindowAttributes(display=display.display, defer=True, window=child)
                for child in batch
            ]
            for child, reply in zip(batch, pending, strict=True):
                try:
                    reply.reply()
                except xerror.XError:
                    _vanished(child)
                    continue
                is_shown = reply.map_state != X.IsUnmapped and reply.win_class == X.InputOutput
                if is_shown and not reply.override_redirect:
                    shown.append(child)
        return shown

    def _keep(self, display: Display, found: list[int]) -> None:
        """Know these windows and no others, in this order."""
        for window_id in self._known.keys() - set(found):
            self._select(display, window_id, 0)
        self._known = {window_id: self._known.get(window_id) or _Known() for window_id in found}

    def _read_windows(self, display: Display) -> None:
        stale = [window_id for window_id, known in self._known.items() if not known.is_fresh]
        for batch in _batches(stale):
            pending = [self._ask(display, window_id) for window_id in batch]
            for window_id, (replies, geometry) in zip(batch, pending, strict=True):
                known = self._known[window_id]
                try:
                    known.properties = {n: properties.answer(r) for n, r in replies.items()}
                    known.geometry = answer_geometry(geometry)
                    known.is_fresh = True
                except xerror.XError:
                    _vanished(window_id)
                    del self._known[window_id]
        for known in self._known.values():
            known.events = 0

    def _ask(self, display: Display, window_id: int) -> tuple[dict[str, Any], tuple[Any, Any]]:
        self._select(display, window_id, _WINDOW_MASK)
        pending = {name: properties.ask(display, window_id, name) for name in properties.NAMES}
        return pending, ask_geometry(display, window_id)

    def _described(self, display: Display, atoms: Atoms) -> Iterator[Window]:
        mask = ~display.display.info.resource_id_mask
        for window_id, known in self._known.items():
            if not properties.is_furniture(known.properties, atoms):
                yield properties.describe(
                    window_id,
                    known.properties,
                    known.geometry,
                    atoms,
                    client=window_id & mask,
                    active=window_id == self._active,
                )

    @staticmethod
    def _select(display: Display, window_id: int, mask: int) -> None:
        """Choose which events of a window we get; what other clients get is not touched by it."""
        request.ChangeWindowAttributes(
            display=display.display,
            onerror=xerror.CatchError(xerror.BadWindow),
            window=window_id,
            event_mask=mask,
        )


def ask_geometry(display: Display, window_id: int) -> tuple[Any, Any]:
    """Queue the requests for a window's place and size."""
    root = display.screen().root.id
    size = request.GetGeometry(display=display.display, defer=True, drawable=window_id)
    place = request.TranslateCoords(
        display=display.display, defer=True, src_wid=window_id, dst_wid=root, src_x=0, src_y=0
    )
    return size, place


def answer_geometry(pending: tuple[Any, Any]) -> Geometry:
    """The place, in root coordinates, and the size that were asked for."""
    size, place = pending
    size.reply()
    place.reply()
    return Geometry(place.x, place.y, size.width, size.height)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    numbers = iter(ids)
    while batch := list(itertools.islice(numbers, _BATCH)):
        yield batch


def _vanished(window_id: int) -> None:
    log.debug("window 0x%x vanished", window_id)

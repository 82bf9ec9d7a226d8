"""Giving windows their places on the screen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Final

from Xlib import error as xerror
from Xlib.display import Display

from vizproxy.x11 import manager, properties, tiling, xerrors
from vizproxy.x11.scene import Geometry
from vizproxy.x11.windows import has_window_manager

Extents = tuple[int, int, int, int]
"""How far a frame reaches beyond its window: left, right, top, bottom."""

_NO_FRAME: Final = (0, 0, 0, 0)
_LARGEST_EXTENT: Final = 500
"""Anybody may write the property that tells a frame's extents; nobody has such a frame."""

_PATIENCE_SECONDS: Final = 0.3
_POLL_SECONDS: Final = 0.005


def work_area(display: Display) -> Geometry:
    """The part of the screen that panels leave free."""
    root = display.screen().root
    size = root.get_geometry()
    screen = Geometry(0, 0, size.width, size.height)
    areas = properties.numbers(properties.read(display, root.id, "_NET_WORKAREA"))
    current = properties.numbers(properties.read(display, root.id, "_NET_CURRENT_DESKTOP"))
    first = 4 * (current[0] if current else 0)
    told = areas[first : first + 4]
    if len(told) < 4:
        return screen
    return tiling.intersection(screen, Geometry(*told)) or screen


def arrange(display: Display, places: Mapping[int, Geometry]) -> None:
    """Give windows, frames included, their places, un-maximising them first.

    The window manager keeps to each window's own limits; without one, they are placed all the same.
    A window that has gone is left out.
    """
    if not has_window_manager(display):
        for window_id, place in places.items():
            _configure(display, window_id, place)
        display.sync()
        return
    changing = {window_id for window_id in places if _make_normal(display, window_id)}
    used = {window_id: _place(display, window_id, place) for window_id, place in places.items()}
    # A window that was maximised gets another frame in a moment, and thus needs another size.
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while changing and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        for window_id in list(changing):
            place, extents = places[window_id], _frame_extents(display, window_id)
            if extents != used[window_id]:
                used[window_id] = _place(display, window_id, place)
            elif _has_size(display, window_id, _inside(place, extents)):
                changing.discard(window_id)
    display.sync()


def _configure(display: Display, window_id: int, place: Geometry) -> None:
    display.create_resource_object("window", window_id).configure(
        x=place.x,
        y=place.y,
        width=max(place.width, 1),
        height=max(place.height, 1),
        onerror=xerror.CatchError(),
    )


def _make_normal(display: Display, window_id: int) -> bool:
    """Un-maximise a window; tell whether that was needed."""
    special = {display.get_atom(state) for state in (*manager.MAXIMISED, *manager.FULLSCREEN)}
    with contextlib.suppress(*xerrors.VANISHED):
        states = properties.numbers(properties.read(display, window_id, "_NET_WM_STATE"))
        if special.isdisjoint(states):
            return False
        manager.ask_to_remove(display, window_id, manager.FULLSCREEN)
        manager.ask_to_remove(display, window_id, manager.MAXIMISED)
        return True
    return False


def _place(display: Display, window_id: int, place: Geometry) -> Extents:
    """Ask for the frame's place; return the frame that was reckoned with."""
    extents = _frame_extents(display, window_id)
    manager.ask_to_place(display, window_id, _inside(place, extents))
    return extents


def _inside(place: Geometry, extents: Extents) -> Geometry:
    """The corner of the frame, and the size of the window in it."""
    left, right, top, bottom = extents
    return Geometry(place.x, place.y, place.width - left - right, place.height - top - bottom)


def _frame_extents(display: Display, window_id: int) -> Extents:
    with contextlib.suppress(*xerrors.VANISHED):
        told = properties.numbers(properties.read(display, window_id, "_NET_FRAME_EXTENTS"))
        if len(told) >= 4 and max(told[:4]) <= _LARGEST_EXTENT:
            left, right, top, bottom = told[:4]
            return left, right, top, bottom
    return _NO_FRAME


def _has_size(display: Display, window_id: int, wanted: Geometry) -> bool:
    """Whether a window has its size; one that has gone needs no more."""
    with contextlib.suppress(*xerrors.VANISHED):
        size = display.create_resource_object("window", window_id).get_geometry()
        return (size.width, size.height) == (wanted.width, wanted.height)
    return True

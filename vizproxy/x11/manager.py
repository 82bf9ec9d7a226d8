"""Requests to the window manager, which it obeys a moment later or, if it has reasons, not at all.

They are client messages to the root window: Extended Window Manager Hints 1.5; ICCCM 4.1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from Xlib import X, Xutil
from Xlib.display import Display
from Xlib.protocol import event

from vizproxy.x11.scene import Geometry

MAXIMISED: Final = ("_NET_WM_STATE_MAXIMIZED_VERT", "_NET_WM_STATE_MAXIMIZED_HORZ")
FULLSCREEN: Final = ("_NET_WM_STATE_FULLSCREEN",)

_FROM_THE_USER: Final = 2
"""Source indication of a pager: the request is the user's own wish."""

_REMOVE: Final = 0
_ADD: Final = 1
_NORTH_WEST: Final = 1
_ALL_OF_GEOMETRY: Final = 0b1111 << 8


def ask_to_activate(display: Display, window_id: int) -> None:
    """Raise a window, give it the focus, and bring it back if it is minimised."""
    _tell(display, window_id, "_NET_ACTIVE_WINDOW", [_FROM_THE_USER, X.CurrentTime, 0])


def ask_to_minimise(display: Display, window_id: int) -> None:
    """Put a window away."""
    _tell(display, window_id, "WM_CHANGE_STATE", [Xutil.IconicState])


def ask_to_add(display: Display, window_id: int, states: Sequence[str]) -> None:
    """Add one or two states to a window, such as :data:`MAXIMISED`."""
    _change_state(display, window_id, _ADD, states)


def ask_to_remove(display: Display, window_id: int, states: Sequence[str]) -> None:
    """Take one or two states from a window."""
    _change_state(display, window_id, _REMOVE, states)


def ask_to_place(display: Display, window_id: int, place: Geometry) -> None:
    """Put the corner of a window's frame there, and give the window itself that size."""
    how = _NORTH_WEST | _ALL_OF_GEOMETRY | _FROM_THE_USER << 12
    size = (max(place.width, 1), max(place.height, 1))
    _tell(display, window_id, "_NET_MOVERESIZE_WINDOW", [how, place.x, place.y, *size])


def _change_state(display: Display, window_id: int, how: int, states: Sequence[str]) -> None:
    first, second, *_ = (*(display.get_atom(state) for state in states), 0)
    _tell(display, window_id, "_NET_WM_STATE", [how, first, second, _FROM_THE_USER])


def _tell(display: Display, window_id: int, kind: str, numbers: Sequence[int]) -> None:
    data = [*numbers, 0, 0, 0, 0, 0][:5]
    message = event.ClientMessage(
        window=window_id,
        client_type=display.get_atom(kind),
        data=(32, [number & 0xFFFFFFFF for number in data]),
    )
    mask = X.SubstructureRedirectMask | X.SubstructureNotifyMask
    display.screen().root.send_event(message, event_mask=mask)

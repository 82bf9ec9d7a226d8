"""Facts about the root window: the window manager, and how an empty desktop looks."""

from __future__ import annotations

from typing import Any, Final

from Xlib import Xatom
from Xlib import error as xerror
from Xlib.display import Display

from vizproxy.errors import DisplayError

_XC_LEFT_PTR: Final = 68
"""The plain arrow in the X cursor font (X11/cursorfont.h)."""


def has_window_manager(display: Display) -> bool:
    """Whether a window manager runs.

    A manager announces itself with ``_NET_SUPPORTING_WM_CHECK`` on the root window, which names a
    child window that carries the same property naming itself (Extended Window Manager Hints 1.5).
    The second look tells a living manager from the trace of a dead one.
    """
    check = display.intern_atom("_NET_SUPPORTING_WM_CHECK")
    try:
        on_root = display.screen().root.get_full_property(check, Xatom.WINDOW)
        if on_root is None or len(on_root.value) != 1:
            return False
        window = display.create_resource_object("window", on_root.value[0])
        on_window = window.get_full_property(check, Xatom.WINDOW)
        return on_window is not None and list(on_window.value) == [window.id]
    except xerror.BadWindow:
        return False


def prepare_root(display: Display, colour: str) -> None:
    """Give the root window a plain background and an arrow for a cursor.

    ``colour`` is ``#rrggbb``. Without this the root window is black with an X-shaped cursor.
    """
    screen = display.screen()
    red, green, blue = (int(colour[i : i + 2], 16) * 257 for i in (1, 3, 5))
    pixel = screen.default_colormap.alloc_color(red, green, blue).pixel
    font: Any = display.open_font("cursor")  # the stubs know no font methods
    if font is None:
        raise DisplayError("prepare the desktop", "the X server has no cursor font")
    cursor = font.create_glyph_cursor(
        font, _XC_LEFT_PTR, _XC_LEFT_PTR + 1, (0, 0, 0), (65535, 65535, 65535)
    )
    screen.root.change_attributes(background_pixel=pixel, cursor=cursor)
    screen.root.clear_area(0, 0, 0, 0, False)
    display.sync()


def ping(display: Display) -> None:
    """Make one round trip to the server."""
    display.get_input_focus()

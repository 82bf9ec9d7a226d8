"""Facts about the root window: the window manager, and how an empty desktop looks."""

from __future__ import annotations

from typing import Any, Final

from Xlib import X
from Xlib import error as xerror
from Xlib.display import Display

from vizproxy.errors import DisplayError
from vizproxy.x11 import properties

_XC_LEFT_PTR: Final = 68
"""The plain arrow in the X cursor font (X11/cursorfont.h)."""


MANAGER_CHECK: Final = "_NET_SUPPORTING_WM_CHECK"
"""The property by which a window manager announces itself."""


def window_manager(display: Display, *, listen: bool = False) -> int | None:
    """The window by which a window manager shows that it runs, None while none does.

    A manager announces itself with ``_NET_SUPPORTING_WM_CHECK`` on the root window, which names a
    child window that carries the same property naming itself (Extended Window Manager Hints 1.5).
    The second look tells a living manager from the trace of a dead one. With ``listen``, its end
    comes as an event of that window.
    """
    try:
        named = _named_by(display, display.screen().root.id)
        if named is None:
            return None
        if listen:
            display.create_resource_object("window", named).change_attributes(
                onerror=xerror.CatchError(xerror.BadWindow), event_mask=X.StructureNotifyMask
            )
        return named if _named_by(display, named) == named else None
    except xerror.BadWindow:
        return None


def _named_by(display: Display, window_id: int) -> int | None:
    """The window that the announcement on a window names. Anybody may write anything there."""
    found = properties.read(display, window_id, MANAGER_CHECK)
    return found.numbers[0] if found is not None and len(found.numbers) == 1 else None


def has_window_manager(display: Display) -> bool:
    """Whether a window manager runs."""
    return window_manager(display) is not None


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

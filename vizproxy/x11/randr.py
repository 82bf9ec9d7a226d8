"""The size of the desktop: RandR 1.2 requests through python-xlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from Xlib.display import Display
from Xlib.ext import randr

from vizproxy.errors import DisplayError, InvalidRequestError

MIN_SIDE: Final = 64
"""The smallest width or height in pixels that is of use to anybody."""

_REFRESH_HZ: Final = 60
_MAX_CARD32: Final = 2**32 - 1
_MM_PER_INCH: Final = 25.4
_MODE_PREFIX: Final = "vizproxy-"


@dataclass(frozen=True, slots=True)
class ScreenSize:
    """The size of the desktop and its limits, in pixels."""

    width: int
    height: int
    min_width: int
    min_height: int
    max_width: int
    max_height: int


def screen_size(display: Display, bound: tuple[int, int]) -> ScreenSize:
    """Ask the server for the size of the screen and the range that it allows.

    ``bound`` is the largest width and height that we allow ourselves.
    """
    root = display.screen().root
    limits = randr.get_screen_size_range(root)
    geometry = root.get_geometry()
    return ScreenSize(
        width=geometry.width,
        height=geometry.height,
        min_width=max(limits.min_width, MIN_SIDE),
        min_height=max(limits.min_height, MIN_SIDE),
        max_width=min(limits.max_width, bound[0]),
        max_height=min(limits.max_height, bound[1]),
    )


def check_size(width: int, height: int, limits: ScreenSize) -> None:
    """Check a wanted size.

    Raises:
        InvalidRequestError: it is outside the limits.
    """
    fits = (
        limits.min_width <= width <= limits.max_width
        and limits.min_height <= height <= limits.max_height
    )
    if not fits:
        raise InvalidRequestError(
            f"resize the desktop to {width}x{height}",
            "the size is out of range",
            f"between {limits.min_width}x{limits.min_height} and "
            f"{limits.max_width}x{limits.max_height} pixels",
        )


def resize(
    display: Display, width: int, height: int, *, dpi: int, bound: tuple[int, int]
) -> ScreenSize:
    """Give the screen a new size, exact to the pixel, and return what the server has then.

    A mode is made for the size and set on the connected output. The screen must never be smaller
    than a CRTC on it, so the CRTC is off while the screen changes; the server is grabbed meanwhile,
    so that a client sees one change. Modes of former resizes are removed.

    Raises:
        InvalidRequestError: the size is outside the limits.
        DisplayError: the server has no connected output or refuses the mode.
    """
    before = screen_size(display, bound)
    check_size(width, height, before)
    if (before.width, before.height) == (width, height):
        return before
    resources = randr.get_screen_resources(display.screen().root)
    output, crtc = _connected_output(display, resources)
    former_mode = randr.get_crtc_info(display, crtc, resources.config_timestamp).mode
    mode = _create_mode(display, output, width, height)
    status = _switch(display, (output, crtc, mode), width, height, dpi)
    if status != randr.SetConfigSuccess:
        # The picture is off now: back to what it was.
        _switch(display, (output, crtc, former_mode), before.width, before.height, dpi)
        raise DisplayError(
            f"resize the desktop to {width}x{height}",
            f"the X server refused the mode (RandR status {status})",
        )
    _remove_other_modes(display, output, mode)
    return screen_size(display, bound)


def _switch(
    display: Display, target: tuple[int, int, int], width: int, height: int, dpi: int
) -> int:
    """Set the screen's size, and ``target`` (output, CRTC, mode) on it; return RandR's status."""
    output, crtc, mode = target
    root = display.screen().root
    stamp = randr.get_screen_resources(root).config_timestamp
    millimetres = [round(side * _MM_PER_INCH / dpi) for side in (width, height)]
    display.grab_server()
    try:
        randr.set_crtc_config(display, crtc, stamp, 0, 0, 0, randr.Rotate_0, [])
        randr.set_screen_size(root, width, height, *millimetres)
        reply = randr.set_crtc_config(display, crtc, stamp, 0, 0, mode, randr.Rotate_0, [output])
        status: int = reply.status
        return status
    finally:
        display.ungrab_server()
        display.sync()


def _connected_output(display: Display, resources: Any) -> tuple[int, int]:
    for output in resources.outputs:
        info = randr.get_output_info(display, output, resources.config_timestamp)
        if info.connection == randr.Connected and info.crtcs:
            return output, info.crtc or info.crtcs[0]
    raise DisplayError("resize the desktop", "the X server has no connected output")


def _create_mode(display: Display, output: int, width: int, height: int) -> int:
    root = display.screen().root
    name = f"{_MODE_PREFIX}{width}x{height}"
    for known, known_name in _named_modes(display):
        if known_name == name:  # left by a resize that failed half-way
            return known
    # No blanking: a virtual head has no beam to send back. The order and the name's length are
    # those of RRModeInfo (RandR 1.5, section 5); a zero length would make every name empty.
    timing = (width, width, width, 0, height, height, height)
    mode_info = (
        0,
        width,
        height,
        min(width * height * _REFRESH_HZ, _MAX_CARD32),
        *timing,
        len(name),
        0,
    )
    mode: int = randr.create_mode(root, mode_info, name).mode
    randr.add_output_mode(display, output, mode)
    return mode


def _remove_other_modes(display: Display, output: int, keep: int) -> None:
    for mode, name in _named_modes(display):
        if name.startswith(_MODE_PREFIX) and mode != keep:
            randr.delete_output_mode(display, output, mode)
            randr.destroy_mode(display, mode)
    display.sync()


def _named_modes(display: Display) -> list[tuple[int, str]]:
    """The server's modes with their names, which it sends as one string without separators."""
    resources = randr.get_screen_resources(display.screen().root)
    named, names = [], resources.mode_names
    for mode in resources.modes:
        named.append((mode.id, names[: mode.name_length]))
        names = names[mode.name_length :]
    return named

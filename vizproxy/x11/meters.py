"""What is read of the screen now and then: its size and depth, and since when nobody has touched it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from Xlib.display import Display
from Xlib.ext import res, screensaver

from vizproxy.errors import DisplayError

_SERVER: Final = 0
"""The base under which the server lists itself."""


@dataclass(frozen=True, slots=True)
class ScreenMeters:
    """The screen at one moment.

    ``width`` and ``height`` in pixels, ``depth`` in bits, ``framebuffer_bytes`` by the server's own
    format for that depth; ``clients`` is how many X clients are connected, but for our own connections;
    ``idle_seconds`` is since when the server had no input (MIT-SCREEN-SAVER), None if it does not tell.
    """

    width: int
    height: int
    depth: int
    framebuffer_bytes: int
    clients: int
    idle_seconds: float | None


def read_meters(display: Display) -> ScreenMeters:
    """Read the screen, on the thread that owns the display. Takes four round trips.

    Raises:
        DisplayError: the server has no X-Resource extension.
    """
    root = display.screen().root
    geometry = root.get_geometry()
    width, height, depth = geometry.width, geometry.height, geometry.depth
    return ScreenMeters(
        width=width,
        height=height,
        depth=depth,
        framebuffer_bytes=_image_bytes(display.display.info.pixmap_formats, width, height, depth),
        clients=_others(display),
        idle_seconds=_idle_seconds(display),
    )


def _image_bytes(formats: Iterable[Any], width: int, height: int, depth: int) -> int:
    """The size of an image as the server keeps it: whole pixels, and lines filled up.

    X11 protocol, section 8 ("Connection Setup"): every depth has a format with bits per pixel, and the
    bits of which a line is a multiple.
    """
    form = next(form for form in formats if form.depth == depth)
    line: int = -(-width * form.bits_per_pixel // form.scanline_pad) * form.scanline_pad
    return line // 8 * height


def _others(display: Display) -> int:
    """How many X clients there are but for those of this process."""
    if not display.has_extension(res.extname):
        raise DisplayError(
            "count the X clients",
            f"the X server has no {res.extname} extension",
            "a server configuration that does not disable it",
        )
    info = display.display.info
    listed = {client.resource_base for client in res.query_clients(display).clients}
    identified = res.query_client_ids(display, [(0, res.LocalClientPIDMask)]).ids
    ours = {
        entry.spec.client & ~info.resource_id_mask
        for entry in identified
        if list(entry.value) == [os.getpid()]
    }
    return len(listed - ours - {info.resource_id_base, _SERVER})


def _idle_seconds(display: Display) -> float | None:
    if not display.has_extension(screensaver.extname):
        return None
    milliseconds: int = screensaver.query_info(display.screen().root).idle
    return milliseconds / 1000

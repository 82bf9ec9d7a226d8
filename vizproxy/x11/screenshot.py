"""Pictures of the desktop."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image
from Xlib import X
from Xlib.display import Display

from vizproxy.errors import DisplayError

_DEPTH: Final = 24
_BYTES_PER_PIXEL: Final = 4
_ALL_PLANES: Final = 0xFFFFFFFF
_STRIP_BYTES: Final = 256 * 1024
"""How much is copied by one request: python-xlib's time grows with the square of a reply's size."""


@dataclass(frozen=True, slots=True)
class RawImage:
    """Pixels as the X server keeps them: rows of 4-byte blue, green, red, unused."""

    width: int
    height: int
    pixels: bytes


def grab_root(display: Display) -> RawImage:
    """Copy the whole root window, with all that is on it.

    The server is not held meanwhile: what moves may be caught between two of its frames.

    Raises:
        DisplayError: the screen is not of 24 bits a pixel.
    """
    root = display.screen().root
    geometry = root.get_geometry()
    if geometry.depth != _DEPTH:
        raise DisplayError(
            "take a screenshot", f"the screen has depth {geometry.depth}, not {_DEPTH}"
        )
    width, height = geometry.width, geometry.height
    rows = max(_STRIP_BYTES // (width * _BYTES_PER_PIXEL), 1)
    strips = []
    for y in range(0, height, rows):
        part = min(rows, height - y)
        strips.append(root.get_image(0, y, width, part, X.ZPixmap, _ALL_PLANES).data)
    return RawImage(width, height, b"".join(strips))


def encode_png(image: RawImage) -> bytes:
    """Encode as PNG. CPU-bound: some 100 ms for a full HD screen, so keep it off the event loop."""
    size = (image.width, image.height)
    picture = Image.frombuffer("RGB", size, image.pixels, "raw", "BGRX", 0, 1)
    target = io.BytesIO()
    picture.save(target, format="PNG", compress_level=3)
    return target.getvalue()

"""The X server's configuration, filled in from a template in ``xorg-configs/``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vizproxy.config import Size
from vizproxy.errors import FileSystemError

_PLACEHOLDER: Final = re.compile(r"\$\{([a-z_]+)\}")
_MM_PER_INCH: Final = 25.4
_BYTES_PER_PIXEL: Final = 4
_REFRESH_HZ: Final = 60
_H_SYNC: Final = 16
"""Pixels from the picture's edge to the sync pulse, of the pulse, and after it. Xorg wants some."""


def render(template: Path, values: Mapping[str, str]) -> str:
    """Fill in a template's ``${name}`` placeholders.

    Raises:
        FileSystemError: the template cannot be read, or names a placeholder that is not known.
    """
    try:
        text = template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not utf-8" if isinstance(error, UnicodeError) else error.strerror or str(error)
        raise FileSystemError(
            f"read the template {template}", why.lower(), "installing vizproxy again"
        ) from error

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            known = ", ".join(f"${{{name}}}" for name in sorted(values)) or "a template without any"
            raise FileSystemError(
                f"fill in the template {template}", f"${{{name}}} is not known", known
            )
        return values[name]

    return _PLACEHOLDER.sub(fill, text)


def gpu_values(bus_id: str, *, shown: bool) -> dict[str, str]:
    """The placeholders of a server that draws on a GPU; ``shown`` if its screen is the desktop."""
    monitor = ("ConnectedMonitor", "DFP") if shown else ("UseDisplayDevice", "none")
    return {
        "bus_id": f'BusID "{bus_id}"' if bus_id else "",
        "monitor": 'Option "{}" "{}"'.format(*monitor),
    }


def screen_values(size: Size, max_size: Size, dpi: int) -> dict[str, str]:
    """The placeholders of a screen: sizes in pixels, memory in KiB, timing, millimetres."""
    width, height = size.width, size.height
    h_total, v_total = width + 3 * _H_SYNC, height + 3
    memory = max_size.width * max_size.height * _BYTES_PER_PIXEL
    values: dict[str, object] = {
        "width": width,
        "height": height,
        "max_width": max_size.width,
        "max_height": max_size.height,
        "video_ram": memory // 1024 + 1,  # the driver refuses a screen that fills it
        "mode_clock": f"{h_total * v_total * _REFRESH_HZ / 1e6:.3f}",
        "h_sync_start": width + _H_SYNC,
        "h_sync_end": width + 2 * _H_SYNC,
        "h_total": h_total,
        "v_sync_start": height + 1,
        "v_sync_end": height + 2,
        "v_total": v_total,
        "width_mm": round(width * _MM_PER_INCH / dpi),
        "height_mm": round(height * _MM_PER_INCH / dpi),
    }
    return {name: str(value) for name, value in values.items()}

"""The icons of programs, as a browser can show them.

They are looked up as the Icon Theme specification says, or read from where a path leads. What stands
there may be anything: only regular files are read, so much of them and no more, and pixels are decoded
before they are believed. An SVG is passed on as it is; whoever serves it must not let it run scripts.
"""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image
from xdg.IconTheme import IconTheme

from vizproxy.jupyter.entries import data_directories, home

log = logging.getLogger(__name__)

MAX_BYTES: Final = 128 * 1024
"""The largest icon that is given out. An image beyond it is shrunk; an SVG is not."""

MAX_SIDE: Final = 128
"""Pixels: 64 on a screen with two for each."""

SIZE: Final = 48
"""The size that is looked for in a theme. It is the one that most programs have."""

THEMES: Final = ("hicolor", "Adwaita", "breeze", "gnome")
"""Where is looked, in this order. A program's own icon is in the first, and icons that many share
(``utilities-terminal``) are in the others."""

_SUFFIXES: Final = (".png", ".svg", ".xpm")
_FORMATS: Final = ("PNG", "XPM", "JPEG", "GIF", "ICO")
_MAX_INDEX_BYTES: Final = 1024 * 1024
_MAX_SOURCE_BYTES: Final = 8 * 1024 * 1024
_MAX_SOURCE_SIDE: Final = 4096


class Icon(NamedTuple):
    """A picture, and of which kind it is: ``image/png`` or ``image/svg+xml``."""

    media_type: str
    data: bytes


def load(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, Icon]:
    """Load the icons of these names and absolute paths, as far as there are any. Blocks."""
    icons = {}
    for name, path in _find(set(names), environ).items():
        try:
            icons[name] = read(path)
        except Exception as error:  # noqa: BLE001 - by design: a decoder meets what anybody wrote
            log.debug("the icon %r is left out: %r", str(path), error)
    return icons


def read(path: Path) -> Icon:
    """Read an icon from a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no icon. As a decoder of images finds that out, anything else may be raised.
    """
    data = _bytes(path)
    if b"<svg" in data[:4096] and b"\0" not in data[:4096]:
        if len(data) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 1024} KiB")
        return Icon("image/svg+xml", data)
    return Icon("image/png", _png(data))


# where they are


def _find(names: set[str], environ: Mapping[str, str]) -> dict[str, Path]:
    """Find the files of icons: a path is its own, a name is looked for in the themes."""
    bases = {name: _base(name) for name in names if name and "/" not in name}
    places = _places(environ)
    missing = set(bases.values())
    found: dict[str, Path] = {}
    for theme in (*THEMES, None):
        if not missing:
            break
        found |= _in(places if theme is None else _of_theme(theme, places), missing)
        missing -= found.keys()
    paths = {name: Path(name) for name in names if name.startswith("/")}
    return paths | {name: found[base] for name, base in bases.items() if base in found}


def _base(name: str) -> str:
    """A name without a suffix, which it should not have, and often has."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - it is no path
    return stem if suffix in _SUFFIXES else name


def _places(environ: Mapping[str, str]) -> list[Path]:
    """The directories that have themes in them, and icons without one."""
    places = [home(environ) / ".icons"]
    for data in data_directories(environ):
        places += [data / "icons", data / "pixmaps"]
    return places


def _in(directories: Iterable[Path], names: set[str]) -> dict[str, Path]:
    """Of each name, the first file that is an icon of it."""
    found: dict[str, Path] = {}
    for directory in directories:
        if found.keys() >= names:
            break
        try:
            files = set(os.listdir(directory))  # noqa: PTH208 - names are compared, thousands of them
        except OSError:
            continue
        for name in names - found.keys():
            for suffix in _SUFFIXES:
                if name + suffix in files:
                    found[name] = directory / (name + suffix)
                    break
    return found


def _of_theme(name: str, places: Sequence[Path]) -> list[Path]:
    """The directories of a theme, those first whose icons are nearest to the size that is wanted."""
    parts = [place / name for place in places if (place / name).is_dir()]
    for part in parts:
        index = part / "index.theme"
        try:
            found = index.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_INDEX_BYTES:
                continue
            theme = IconTheme()
            theme.parse(str(index))
            inside = sorted(theme.getDirectories(), key=lambda each: _distance(theme, each))
        except FileNotFoundError:
            continue
        except Exception as error:  # noqa: BLE001 - by design: whoever wrote it, others go on
            log.debug("the theme %r is left out: %r", str(index), error)
            continue
        return [part / directory for directory in inside for part in parts]
    return []


def _distance(theme: IconTheme, directory: str) -> tuple[bool, int]:
    """How far a directory's icons are from the size that is wanted, as the specification has it.

    But those that are too small come after all others: a larger one can be shrunk.
    """
    scale, size = theme.getScale(directory), theme.getSize(directory)
    match theme.getType(directory):
        case "Scalable":
            # what is not given comes as 0
            least, most = theme.getMinSize(directory) or size, theme.getMaxSize(directory) or size
        case "Fixed":
            least = most = size
        case _:
            tolerance = theme.getThreshold(directory) or 2
            least, most = size - tolerance, size + tolerance
    return most * scale < SIZE, max(least * scale - SIZE, SIZE - most * scale, 0)


# what they are


def _bytes(path: Path) -> bytes:
    # Without waiting: to open a pipe would take until somebody writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        data = file.read(_MAX_SOURCE_BYTES + 1)
    if len(data) > _MAX_SOURCE_BYTES:
        raise ValueError("it is too large")
    return data


def _png(data: bytes) -> bytes:
    """An image as PNG; the very bytes, if it is one already and not too large."""
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        if max(image.size) > _MAX_SOURCE_SIDE:
            raise ValueError("it has too many pixels")
        image.load()
        if image.format == "PNG" and max(image.size) <= MAX_SIDE and len(data) <= MAX_BYTES:
            return data
        shown = image.convert("RGBA")
        shown.thumbnail((MAX_SIDE, MAX_SIDE))
        written = io.BytesIO()
        shown.save(written, "PNG", optimize=True)
        return written.getvalue()

"""The files that vizproxy ships beside its code: X server templates, the page, noVNC.

In an installed wheel all of them lie inside the package. In a checkout (an editable install)
``xorg-configs/`` is at the top of the tree and noVNC is where npm put it.
"""

from __future__ import annotations

from pathlib import Path

from vizproxy.errors import MissingProgramError

_PACKAGE = Path(__file__).resolve().parent


def xorg_configs() -> Path:
    """The directory of the X server and window manager templates."""
    return _first(
        "the X server's configuration templates",
        _PACKAGE / "xorg-configs",
        _PACKAGE.parent / "xorg-configs",
        marker="dummy.conf",
        hint="installing vizproxy again",
    )


def web() -> Path:
    """The directory of the viewer page."""
    return _PACKAGE / "web"


def novnc(configured: Path | None = None) -> Path:
    """The directory of noVNC: ``configured``, or the packaged one.

    Raises:
        MissingProgramError: there is no noVNC.
    """
    if configured is not None:
        hint = "another web.novnc_dir, or none to use the packaged noVNC"
        return _first("noVNC", configured, marker="core/rfb.js", hint=hint)
    return _first(
        "noVNC",
        _PACKAGE / "web" / "novnc",
        _PACKAGE / "web" / "node_modules" / "@novnc" / "novnc",
        marker="core/rfb.js",
        hint="`npm ci` in vizproxy/web, or installing the wheel",
    )


def _first(what: str, *candidates: Path, marker: str, hint: str) -> Path:
    for directory in candidates:
        if (directory / marker).is_file():
            return directory
    places = " or ".join(str(c) for c in candidates)
    raise MissingProgramError(f"find {what}", f"there is no {marker} in {places}", hint)

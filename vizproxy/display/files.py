"""Writing the files that the display stack starts from, and checking that its programs are there."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from vizproxy.config import Config
from vizproxy.display import xauth, xorgconf
from vizproxy.display.plan import Facts, RenderingPlan
from vizproxy.errors import FileSystemError, MissingProgramError, system_reason
from vizproxy.runtime import Layout, cannot, write_private

X11_SOCKETS: Final = Path("/tmp/.X11-unix")  # noqa: S108 - where every X client looks
_STICKY: Final = 0o1777

PACKAGES: Final = {
    "xorg": "xserver-xorg-core",
    "window_manager": "openbox",
    "x11vnc": "x11vnc",
    "setpriv": "util-linux",
}
"""The Debian package of each program, for the hint when it is missing."""


def find_programs(config: Config, path: str) -> dict[str, str]:
    """Return the absolute path of each configured program, by its name under ``programs``.

    ``path`` is a search path as in the environment variable PATH.

    Raises:
        MissingProgramError: one or more are not there; the text names them all.
    """
    found: dict[str, str] = {}
    missing: list[str] = []
    for name in PACKAGES:
        program = getattr(config.programs, name)
        absolute = shutil.which(program, path=path)
        if absolute is None:
            missing.append(name)
        else:
            found[name] = absolute
    if missing:
        raise MissingProgramError(
            "start the desktop",
            _list(f"{getattr(config.programs, n)} (programs.{n})" for n in missing)
            + (" is not installed" if len(missing) == 1 else " are not installed"),
            "`apt-get install " + " ".join(PACKAGES[n] for n in missing) + "`, or other paths in "
            "the configuration",
        )
    return found


def _list(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def prepare_socket_directory() -> None:
    """Make the directory in which X servers listen, if it is not there.

    Raises:
        FileSystemError: it cannot be made.
    """
    try:
        with contextlib.suppress(FileExistsError):
            X11_SOCKETS.mkdir()
            X11_SOCKETS.chmod(_STICKY)
    except OSError as error:
        raise FileSystemError(
            f"make {X11_SOCKETS}", system_reason(error), "making /tmp writable"
        ) from error


def write_files(
    config: Config, plan: RenderingPlan, facts: Facts, layout: Layout, templates: Path
) -> None:
    """Write everything that the children read: cookie, X servers' and window manager's settings.

    Raises:
        FileSystemError: a template cannot be read or a file cannot be written.
    """
    hostname = socket.gethostname()
    write_private(layout.xauthority, xauth.authority_file(xauth.new_cookie(), hostname))
    write_xorg_conf(config, plan, facts, layout, templates)
    _write_openbox(layout, templates / "openbox")


def write_xorg_conf(
    config: Config, plan: RenderingPlan, facts: Facts, layout: Layout, templates: Path
) -> None:
    """Write the X servers' settings alone, as for a plan that takes the place of another.

    Raises:
        FileSystemError: a template cannot be read or a file cannot be written.
    """
    desktop = xorgconf.desktop_conf(config, plan, facts, templates)
    three_d = xorgconf.gpu_conf(config, plan, facts, templates)
    write_private(layout.xorg_conf, desktop.encode())
    if three_d is not None:
        write_private(layout.xorg3d_conf, three_d.encode())


def _write_openbox(layout: Layout, templates: Path) -> None:
    # openbox reads its theme from the user's data directory and its menu from an absolute path.
    theme = layout.home / ".local" / "share" / "themes" / "vizproxy" / "openbox-3"
    try:
        if layout.home.is_symlink():  # not ours: it would lead elsewhere
            layout.home.unlink()
        theme.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot(f"make {theme}", error) from error
    menu = layout.home / "menu.xml"
    write_private(menu, xorgconf.render(templates / "menu.xml", {}).encode())
    write_private(theme / "themerc", xorgconf.render(templates / "themerc", {}).encode())
    settings = xorgconf.render(templates / "rc.xml", {"menu": str(menu)})
    write_private(layout.openbox, settings.encode())

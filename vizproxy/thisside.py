"""What is true on this side: in a container that shares some directories with the daemon's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vizproxy.config import SETTINGS, LoadedConfig
from vizproxy.config.load import DEFAULT_SOURCE
from vizproxy.errors import FileSystemError
from vizproxy.virtualgl import display_here

SOCKET_VARIABLE: Final = "VIZPROXY_SOCKET"
"""Names the daemon's socket."""

SOCKET_NAME: Final = "http.sock"
"""What it is called in the daemon's runtime directory, unless it is put elsewhere."""

SHARED_DIRECTORY: Final = Path("/run/vizproxy")
"""What a sidecar shares, if nothing else was said: its runtime directory, or a volume that has it."""

IN_VOLUME: Final = "desktop"
"""The runtime directory in a volume that is not the user's own, as those of Kubernetes are not."""

TEMPORARY: Final = Path("/tmp")  # noqa: S108 - directories there are made with 0700
EMBEDDED: Final = "vizproxy-jupyter-{pid}"
EMBEDDED_IN_TEMPORARY: Final = "vizproxy-{uid}-jupyter-{pid}"
"""The runtime directory of a desktop that a Jupyter server has started for itself: in the user's own
runtime directory (XDG_RUNTIME_DIR), and where there is none. A number may follow."""

PAGE_VARIABLE: Final = "VIZPROXY_PAGE"
"""Names the page that shows the desktop, as a path on the Jupyter server that started this process."""


COMMAND: Final = (sys.executable, "-P", "-m", "vizproxy.cli.main")
"""Our own command, for a process of its own. With ``-P`` no module is taken from the directory that it
is started in: a file such as random.py there must not take the place of Python's own."""

SPEAKER: Final = "vizproxy: "
"""What the command's sentences on standard error begin with."""


def without_hint(sentence: str) -> tuple[str, str]:
    """Split what an error says into its sentence and its hint, which may be empty."""
    message, separator, hint = sentence.rpartition("; try ")
    return (message, hint) if separator else (hint, "")


def shared_socket(directory: Path, *, uid: int | None, user: int) -> Path:
    """The socket of a sidecar that shares ``directory``, which belongs to ``uid`` (None: to nobody).

    A runtime directory is the user's own (``user``), so what is another's is a volume that has one.
    """
    return (directory if uid in {user, None} else directory / IN_VOLUME) / SOCKET_NAME


_PLACES: Final = ("http.socket", "runtime.dir")
"""The settings that say where the daemon's socket is."""


def is_told(loaded: LoadedConfig) -> bool:
    """Whether anybody has said where the daemon's socket is; else it can only be guessed."""
    by_variable = bool(os.environ.get(SOCKET_VARIABLE))
    return by_variable or any(loaded.sources[path] != DEFAULT_SOURCE for path in _PLACES)


def socket_of(loaded: LoadedConfig) -> Path:
    """The daemon's socket: by a flag, else VIZPROXY_SOCKET, else as configured, else the usual place.

    The variable says where this very process belongs; a configuration is for all that read it.
    """
    by_flag = any(loaded.sources[path] == SETTINGS[path].flag for path in _PLACES)
    variable = os.environ.get(SOCKET_VARIABLE)
    return Path(variable) if variable and not by_flag else loaded.config.http_socket


def on_this_side(environment: Mapping[str, str], socket: Path) -> dict[str, str]:
    """The desktop's environment as it is true here, where the daemon's socket is ``socket``.

    The daemon's runtime directory may be mounted elsewhere in this container; the cookie is then
    beside the socket.

    Raises:
        FileSystemError: the cookie cannot be read from here.
    """
    env = dict(environment)
    if (display := env.get("VGL_DISPLAY")) is not None:
        env["VGL_DISPLAY"] = display_here(display)
    if (told := env.get("XAUTHORITY")) is not None:
        for path in (Path(told), socket.absolute().parent / Path(told).name):
            if os.access(path, os.R_OK):
                env["XAUTHORITY"] = str(path)
                return env
        raise FileSystemError(
            "open the display",
            f"its cookie is neither {told} nor beside {socket} for this user",
            "mounting the daemon's runtime directory here",
        )
    return env

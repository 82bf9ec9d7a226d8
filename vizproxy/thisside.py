"""What is true on this side: in a container that shares some directories with the daemon's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vizproxy.config import SETTINGS, LoadedConfig
from vizproxy.errors import FileSystemError

SOCKET_VARIABLE: Final = "VIZPROXY_SOCKET"
"""Names the daemon's socket."""

PAGE_VARIABLE: Final = "VIZPROXY_PAGE"
"""Names the page that shows the desktop, as a path on the Jupyter server that started this process."""


def socket_of(loaded: LoadedConfig) -> Path:
    """The daemon's socket: by a flag, else VIZPROXY_SOCKET, else as configured, else the usual place.

    The variable says where this very process belongs; a configuration is for all that read it.
    """
    places = ("http.socket", "runtime.dir")
    by_flag = any(loaded.sources[path] == SETTINGS[path].flag for path in places)
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

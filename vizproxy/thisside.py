"""What the daemon tells, as it is true here: in a container that shares some directories with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vizproxy.errors import FileSystemError


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

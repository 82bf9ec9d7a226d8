"""Where the daemon is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from vizproxy.config import LoadedConfig

SOCKET_VARIABLE: Final = "VIZPROXY_SOCKET"


def socket_of(loaded: LoadedConfig) -> Path:
    """The daemon's socket: as configured, else VIZPROXY_SOCKET, else the default place."""
    told = {"http.socket", "runtime.dir"} & {k for k, v in loaded.sources.items() if v != "default"}
    variable = os.environ.get(SOCKET_VARIABLE)
    return Path(variable) if variable and not told else loaded.config.http_socket

"""``vizproxy serve``."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from vizproxy.config import Config
from vizproxy.daemon import Daemon

PRIVATE_UMASK: Final = 0o077


def run(config: Config) -> int:
    """Serve the desktop until told to end; return the exit code."""
    os.umask(PRIVATE_UMASK)  # sockets and files are the user's alone from the moment they exist

    async def serve() -> int:
        return await Daemon(config, os.environ, out=sys.stdout, err=sys.stderr).run()

    return asyncio.run(serve())

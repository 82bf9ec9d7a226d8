"""``vizproxy serve``."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from vizproxy.config import LoadedConfig
from vizproxy.daemon import Daemon

PRIVATE_UMASK: Final = 0o077

SWITCH_SECONDS: Final = 0.001
"""How long Python lets one thread work while others wait, instead of 5 ms: what is done beside the
event loop, such as writing metrics, must not hold up a viewer's frames."""


def run(loaded: LoadedConfig) -> int:
    """Serve the desktop until told to end; return the exit code."""
    sys.setswitchinterval(SWITCH_SECONDS)
    os.umask(PRIVATE_UMASK)  # sockets and files are the user's alone from the moment they exist

    async def serve() -> int:
        daemon = Daemon(
            loaded.config,
            os.environ,
            out=sys.stdout,
            err=sys.stderr,
            env_command=env_command(loaded, sys.argv[0]),
        )
        return await daemon.run()

    return asyncio.run(serve())


def env_command(loaded: LoadedConfig, program: str) -> str:
    """The command that prints this desktop's environment, as another terminal has to type it.

    ``program`` is how this one was started.
    """
    known = shutil.which("vizproxy")
    if known is not None and Path(known).resolve() == Path(program).resolve():
        words = ["vizproxy", "env"]
    elif Path(program).name == "vizproxy":
        words = [str(Path(program).absolute()), "env"]
    else:
        words = [sys.executable, "-m", "vizproxy.cli.main", "env"]
    if {loaded.sources["runtime.dir"], loaded.sources["http.socket"]} != {"default"}:
        words += ["--http-socket", str(loaded.config.http_socket)]
    return shlex.join(words)

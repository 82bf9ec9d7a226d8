"""Servers of a test's own: an environment apart from the machine's, and nothing left of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import psutil

from tests.support import children_of, eventually, gone, own_plan

SCRIPTS = Path(sys.executable).parent

_NOT_PASSED_ON = (
    *("JUPYTER", "IPYTHON", "KUBE", "VIZPROXY"),
    *("VGL_", "XDG_", "PYTEST", "COVERAGE"),
)
_NOR = {"DISPLAY", "XAUTHORITY", "PYTHONPATH", "VIRTUAL_ENV", "BASH_ENV", "PROMPT_COMMAND"}
_MARK = "TEST_BELONGS_TO"
"""A variable that all programs inherit which are started in one of these environments."""


def free_ports(count: int) -> list[int]:
    """So many TCP ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def environment(directory: Path, **more: str) -> dict[str, str]:
    """An environment that has its home in ``directory`` and nothing of the machine's users."""
    home = directory / "home"
    home.mkdir(parents=True, exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOR and not name.startswith(_NOT_PASSED_ON)
    }
    return {
        **kept,
        "HOME": str(home),
        "SHELL": "/bin/bash",
        "IPYTHONDIR": str(home / ".ipython"),
        "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
        "JUPYTER_DATA_DIR": str(home / ".local" / "share" / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(directory / "jupyter-runtime"),
        _MARK: str(directory),
        **own_plan(more),
        **more,
    }


def programs_of(directory: Path) -> list[psutil.Process]:
    """The living programs that were started in the environment of ``directory``."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == str(directory):
                found.append(process)
    return found


def desktops_of(directory: Path, home: Path | None = None) -> list[Path]:
    """The runtime directories of the daemons that Jupyter servers of ours run, or those of a home."""
    found = []
    for process in programs_of(directory):
        with contextlib.suppress(psutil.Error):
            argv = process.cmdline()
            if home is not None and process.environ().get("HOME") != str(home):
                continue
            if "vizproxy.cli.main" in argv and "serve" in argv:
                found.append(Path(argv[argv.index("--runtime-dir") + 1]))
    return found


@contextlib.asynccontextmanager
async def serving(
    directory: Path, *argv: str | Path, environ: Mapping[str, str], limit: float = 40
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    """Run a server; yield it and its log. Afterwards none of its processes and files may be left."""
    log = directory / "log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *map(str, argv),
            env=dict(environ),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        yield process, log
    finally:
        desktops = desktops_of(directory)
        family = children_of(process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), limit)
        finally:
            await _nothing_is_left(directory, process, family)
    assert not [left for left in desktops if left.exists()], log.read_text()


async def _nothing_is_left(
    directory: Path, process: asyncio.subprocess.Process, family: list[psutil.Process]
) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    known = {one.pid for one in family}
    others = [one for one in programs_of(directory) if one.pid not in known]
    await gone(family + others)


async def answers(
    url: str, process: asyncio.subprocess.Process, log: Path, *, limit: float = 60
) -> None:
    """Wait until somebody accepts connections at ``url``, and fail as soon as the process ends."""
    host, _, port = url.split("/")[2].partition(":")

    async def check() -> bool:
        if process.returncode is not None:
            raise RuntimeError(log.read_text())
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        await writer.wait_closed()
        return True

    await eventually(check, timeout=limit, of=log.read_text)

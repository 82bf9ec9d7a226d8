"""Starting a program on the desktop, by the command ``vizproxy run``.

The command does it in a process of its own: the program gets a lease, is no child of ours, and goes on
when the Jupyter server ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vizproxy import virtualgl
from vizproxy.errors import (
    EXIT_NOT_FOUND,
    InternalError,
    NotReadyError,
    RefusedError,
    VizproxyError,
    system_reason,
)
from vizproxy.jupyter.entries import Entry, home
from vizproxy.thisside import COMMAND, SPEAKER, without_hint

log = logging.getLogger(__name__)

LIMIT_SECONDS: Final = 60.0
"""How long a start may take. ``vizproxy run`` gives up before, and says why."""

MAX_NAME_CHARS: Final = 40
"""The longest name that ``vizproxy run --name`` takes."""

_MISSING: Final = "installing it"
_MISSING_TILE: Final = "installing it, or another command in [[jupyter.tile]]"
_OF_A_DESKTOP: Final = frozenset(
    {"DISPLAY", "VGL_DISPLAY", "VIZPROXY_APP", "WAYLAND_DISPLAY", "XAUTHORITY"}
)
"""Variables that say on which desktop a program is to appear: that is told by ``vizproxy run``."""


async def start(entry: Entry, socket: Path, environ: Mapping[str, str]) -> str:
    """Start a program on the desktop behind ``socket``; return the app's id.

    Raises:
        VizproxyError: it was not started.
    """
    process = await _spawn(entry, socket, environ)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        why = f"it took longer than {LIMIT_SECONDS:g} s"
        raise NotReadyError(f"start {entry.name}", why, "the status of the desktop") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = err.decode("utf-8", "replace").splitlines()
    app = out.decode("utf-8", "replace").strip()
    if process.returncode == 0 and app:
        for line in told:
            log.info("about %s: %s", app, line.removeprefix(SPEAKER))
        return app
    raise _refusal(entry, process.returncode, told)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of programs: the server's own, without what leads them to a desktop."""
    env = virtualgl.without(environ)
    return {name: value for name, value in env.items() if name not in _OF_A_DESKTOP}


def app_name(name: str) -> str:
    """What an app is called whose entry has this name."""
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1].rstrip() + "…"


async def _spawn(
    entry: Entry, socket: Path, environ: Mapping[str, str]
) -> asyncio.subprocess.Process:
    directory = entry.directory or home(environ)
    command = (*COMMAND, "run", "--detach")
    options = (f"--http-socket={socket}", f"--name={app_name(entry.name)}")
    try:
        return await asyncio.create_subprocess_exec(
            *(*command, *options, "--", *entry.argv),
            env=environment(environ),
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the server, which may go on
        )
    except OSError as error:
        why = system_reason(error)
        if str(error.filename) == str(directory):
            why = f"it is to run in {directory}: {why}"
        raise NotReadyError(f"start {entry.name}", why, "`vizproxy run` in a terminal") from error


def _refusal(entry: Entry, status: int | None, told: list[str]) -> VizproxyError:
    """The error that a failed command has told, or one that says how it has failed."""
    name = entry.name
    sentences = [line for line in told if line.startswith(SPEAKER + "cannot ")]
    if not sentences or not all(line.startswith(SPEAKER) for line in told):
        log.error("`vizproxy run` could not start %s:\n%s", name, "\n".join(told))
    if not sentences:
        why = f"`vizproxy run` exited with status {status}"
        return InternalError(f"start {name}", why, "the Jupyter server's log")
    message, hint = without_hint(sentences[-1].removeprefix(SPEAKER))
    if status == EXIT_NOT_FOUND:  # the command's hint is for a terminal, not for a menu
        hint = _MISSING_TILE if entry.tile else _MISSING
    return RefusedError(message, hint, 1)

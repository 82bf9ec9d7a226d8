"""The desktop of a sidecar: what is the matter when it cannot be reached."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vizproxy.client import unreachable
from vizproxy.errors import VersionError
from vizproxy.jupyter.explain import Explanation, Phase, as_sentence
from vizproxy.runtime import Layout

MAX_FAILURE_BYTES: Final = 4096
PATIENCE_SECONDS: Final = 60.0
"""How long a sidecar of which there is no sign may just be slow, from the start of the server."""


class SidecarDesktop:
    """The desktop behind ``socket``, whose daemon somebody else starts."""

    def __init__(self, socket: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.socket = socket
        self.misfit: Explanation | None = None
        """Why its desktop cannot be used although it answers."""
        self._clock = clock
        self._began = clock()

    def wanted(self) -> None:
        """Somebody looks for the desktop: a sidecar does nothing about that."""

    async def explain(self, error: BaseException) -> Explanation:
        """Say why the daemon could not be reached, after ``error``."""
        directory = self.socket.parent
        failure = await asyncio.to_thread(read_failure, directory)
        starting = await asyncio.to_thread(is_starting, directory, time.time())
        message = unreachable(self.socket, error).message
        if starting and isinstance(error, FileNotFoundError):
            return _starting(self.socket, message)
        if failure is not None:
            return _told(failure, message)
        match error:
            case FileNotFoundError() if self._clock() - self._began < PATIENCE_SECONDS:
                return _starting(self.socket, message)
            case FileNotFoundError():
                return _absent(self.socket, message)
            case ConnectionRefusedError():
                return _dead(self.socket, message)
            case PermissionError():
                return _forbidden(self.socket, message)
            case _:
                return silent(message)


def other_version(error: VersionError) -> Explanation:
    """A daemon whose version and ours do not work together."""
    return Explanation(
        Phase.FAILED,
        "The desktop and this server do not fit together",
        as_sentence(error.why),
        error.message,
        error.hint,
        advice="Your administrator will want to know this:",
        report=f"vizproxy: {error}",
    )


def silent(message: str) -> Explanation:
    """A daemon that is there and does not answer."""
    return Explanation(
        Phase.FAILED,
        "The desktop does not answer",
        "Its daemon runs, but it took too long to answer, or closed the connection.",
        message,
    )


def _starting(socket: Path, message: str) -> Explanation:
    return Explanation(
        Phase.STARTING,
        "Waiting for the desktop",
        f"Its container is being started. It is not listening at {socket} yet.",
        message,
        "again in a moment",
    )


def _absent(socket: Path, message: str) -> Explanation:
    return Explanation(
        Phase.ABSENT,
        "There is no desktop in this session",
        f"Nothing listens at {socket}. A container beside this one is expected to run it, and to share "
        f"the directory {socket.parent}.",
        message,
        "asking an administrator",
        advice="Your administrator will want to know this:",
        report=f"vizproxy: no socket at {socket} in the notebook container (uid {os.getuid()}). Does "
        "the sidecar run, and do both containers mount that directory?",
    )


def _dead(socket: Path, message: str) -> Explanation:
    return Explanation(
        Phase.FAILED,
        "The desktop has ended",
        "Its daemon was killed: the socket is there, and nobody answers on it. It usually comes back "
        "by itself, when its container is started again.",
        message,
        "again in a moment",
        advice="If it does not, your administrator will want to know this:",
        report=f"vizproxy: the daemon behind {socket} is dead. What does the log of its container say?",
    )


def _forbidden(socket: Path, message: str) -> Explanation:
    return Explanation(
        Phase.FAILED,
        "The desktop belongs to another user",
        f"The user of this session (uid {os.getuid()}) may not open {socket}.",
        message,
        "running both containers as the same user",
        advice="Your administrator will want to know this:",
        report=f"vizproxy: uid {os.getuid()} may not open {socket}. Do the notebook container and the "
        "sidecar run as the same user (runAsUser)?",
    )


def _told(failure: tuple[str, str], message: str) -> Explanation:
    why, hint = failure
    return Explanation(
        Phase.FAILED,
        "The desktop could not be started",
        as_sentence(why),
        why or message,
        hint,
        advice=f"Try {hint}." if hint else "",
    )


def read_failure(directory: Path) -> tuple[str, str] | None:
    """What a daemon that failed has left: the sentence, and what to try. Blocks."""
    try:
        with Layout(directory).failure.open("rb") as file:
            lines = file.read(MAX_FAILURE_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    if not lines or not lines[0].strip():
        return None
    return lines[0].strip(), lines[1].strip() if len(lines) > 1 else ""


def is_starting(directory: Path, now: float) -> bool:
    """Whether a daemon has taken the runtime directory lately, and not failed since. Blocks.

    Its lock is not tried: to hold it, be it for a moment, would keep a daemon from starting.
    """
    layout = Layout(directory)
    try:
        taken = layout.lock.lstat().st_mtime
    except OSError:
        return False
    try:
        failed = layout.failure.lstat().st_mtime
    except OSError:
        failed = 0.0
    return taken >= failed and now - taken < PATIENCE_SECONDS

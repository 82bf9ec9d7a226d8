"""What is to be run, and what the daemon answers to it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vizproxy import virtualgl
from vizproxy.compatibility import OURS
from vizproxy.config import Activity, Plan
from vizproxy.errors import (
    CannotExecuteError,
    InvalidRequestError,
    NoSuchProgramError,
    VizproxyError,
    system_reason,
)
from vizproxy.runner.tree import MARK_VARIABLE
from vizproxy.runtime import Layout
from vizproxy.thisside import on_this_side

MAX_NAME_CHARS: Final = 40


@dataclass(frozen=True, slots=True)
class Order:
    """A program to be run on the desktop behind ``socket``.

    ``framebuffer`` is in bytes; without it the app gets the usual share. ``mark`` is unique to this
    run. ``virtualgl_dir`` is where VirtualGL is, if that is configured.
    """

    argv: tuple[str, ...]
    socket: Path
    mark: str
    name: str = ""
    framebuffer: int | None = None
    plan: Plan | None = None
    activity: Activity | None = None
    detach: bool = False
    virtualgl_dir: Path | None = None

    @property
    def share(self) -> Path:
        """Where the desktop publishes what programs may lack in their containers."""
        return Layout(self.socket.parent).share

    def request(self, pids: frozenset[int], *, again: bool = False) -> dict[str, Any]:
        """The message that asks the daemon for a lease; ``again``, for an app that runs already."""
        program = Path(self.argv[0]).name
        return {
            "type": "request",
            **OURS.told(),
            "name": self.name or _printable(program)[:MAX_NAME_CHARS],
            "program": _printable(program)[:255],
            "framebuffer": self.framebuffer,
            "plan": self.plan.value if self.plan is not None else None,
            "activity": self.activity.value if self.activity is not None else None,
            "virtualgl": virtualgl.find(self.virtualgl_dir, os.environ, share=self.share)
            is not None,
            "machine": socket.gethostname(),
            "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
            "pids": sorted(pids),
            "again": again,
        }


@dataclass(frozen=True, slots=True)
class Start:
    """How to start the program: its command line, its environment, and what to tell the user."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    warning: str = ""


def own_environment() -> Mapping[str, str]:
    """Our environment as we were given it: without a locale, Python adds LC_CTYPE (PEP 538)."""
    env = dict(os.environ)
    try:
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return env
    if not any(entry.startswith(b"LC_CTYPE=") for entry in given):
        env.pop("LC_CTYPE", None)
    return env


def start_for(order: Order, granted: Mapping[str, Any], environ: Mapping[str, str]) -> Start:
    """Put the daemon's answer and this side's facts together.

    Raises:
        FileSystemError: the cookie cannot be read from here.
        MissingProgramError: VirtualGL is needed, and is not here.
    """
    wanted = on_this_side(granted["environment"], order.socket)
    own = {"VIZPROXY_SOCKET": str(order.socket), MARK_VARIABLE: order.mark}
    env = {**virtualgl.without(environ), **wanted, **own}
    argv = order.argv
    if (told := granted["virtualgl_display"]) is not None:
        display = virtualgl.display_here(told)
        here = virtualgl.get(order.virtualgl_dir, environ, share=order.share)
        argv, env = here.command(display, argv), here.environment(display, env)
    return Start(argv, env, str(granted["warning"]))


def through_shell(argv: tuple[str, ...], path: str) -> tuple[str, ...]:
    """The command line for a script without a ``#!`` line, which execvp(3), and so ``env``, runs."""
    return ("/bin/sh", shutil.which(argv[0], path=path) or argv[0], *argv[1:])


def not_executable(program: str, error: OSError) -> VizproxyError:
    """The error for a program that could not be executed, with the exit code that a shell gives."""
    if isinstance(error, FileNotFoundError):
        if "/" in program and Path(program).exists():
            why, hint = "what its first line names is not there", "`head -1` to see what it is"
            return NoSuchProgramError(f"run {program}", why, hint)
        return NoSuchProgramError(f"run {program}", "there is no such program", "another PATH")
    why = "it may not be executed" if isinstance(error, PermissionError) else system_reason(error)
    return CannotExecuteError(f"run {program}", why, "`ls -l` to see what it is")


def check_name(name: str) -> str:
    """Return a name for an app that people can read in a list.

    Raises:
        InvalidRequestError: it is too long, or has something in it that cannot be printed.
    """
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise InvalidRequestError(
            f"call the app {name[:60]!r}",
            f"a name has 1 to {MAX_NAME_CHARS} printable characters",
            "another --name",
        )
    return name


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text) or "app"

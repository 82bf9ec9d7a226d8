"""Starting a program from Python: by ``vizproxy run --detach``, in a process of its own.

A kernel must not fork: it has threads, sockets and a GPU's context, and none of them outlives that.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vizproxy.errors import (
    EXIT_BUSY,
    EXIT_INTERNAL,
    EXIT_NOT_EXECUTABLE,
    EXIT_NOT_FOUND,
    EXIT_USAGE,
    CannotExecuteError,
    InternalError,
    InvalidRequestError,
    NoSuchProgramError,
    RefusedError,
    VizproxyError,
    exit_reason,
    system_reason,
)
from vizproxy.notebook.failures import NoRoomError, in_python
from vizproxy.thisside import COMMAND, SPEAKER, without_hint

RUN: Final = (*COMMAND, "run", "--detach")

_IS_WAITING: Final = "waiting for the desktop"
_INLINE_BACKEND: Final = "module://matplotlib_inline"

_ERRORS: Final[Mapping[int, type[VizproxyError]]] = {
    EXIT_USAGE: InvalidRequestError,
    EXIT_BUSY: NoRoomError,
    EXIT_INTERNAL: InternalError,
    EXIT_NOT_EXECUTABLE: CannotExecuteError,
    EXIT_NOT_FOUND: NoSuchProgramError,
}


@dataclass(frozen=True, slots=True)
class Started:
    """A program that was started: its app's id, and what its user should know."""

    app: str
    warnings: tuple[str, ...]


def words(command: str | Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    """The program and its arguments; a text is split as a shell does it.

    Raises:
        InvalidRequestError: it cannot be split, or names no program.
    """
    try:
        found = tuple(shlex.split(command) if isinstance(command, str) else _texts(command))
    except ValueError:
        raise InvalidRequestError(
            f"run {command!r}", "a quotation has no end", 'a list: ["program", "an argument"]'
        ) from None
    if not found or not found[0]:
        raise InvalidRequestError(
            "run a program", "none was named", '`desktop.run("glxgears")`, say'
        )
    if any("\0" in word for word in found):
        raise InvalidRequestError(
            f"run {found[0]!r}", "an argument has a NUL character in it", "another one"
        )
    return found


def _texts(command: Sequence[str | os.PathLike[str]]) -> Iterator[str]:
    return (os.fspath(word) for word in command)


async def start(
    argv: Sequence[str],
    options: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
) -> Started:
    """Start a program with a lease, by the options of ``vizproxy run``.

    Raises:
        VizproxyError: it was refused, or cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(*RUN, *options, "--", *argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment(os.environ, env or {}),
            start_new_session=True,  # an interrupt of the kernel is for the kernel
        )
    except OSError as error:
        if cwd is not None and error.filename == os.fspath(cwd):
            action, hint = f"run {argv[0]} in {os.fspath(cwd)}", "another `cwd`"
        else:
            action, hint = f"run {argv[0]}", "other arguments"
        raise CannotExecuteError(action, system_reason(error), hint) from None
    except ValueError as error:
        raise InvalidRequestError(f"run {argv[0]}", str(error), "other arguments") from None
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.send_signal(signal.SIGTERM)
        await process.wait()
        raise
    code, told = process.returncode or 0, err.decode(errors="replace")
    if code:
        raise failure(argv[0], code, told)
    return Started(out.decode().strip(), warnings(told))


def environment(own: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """This process's environment and what is added, without what is meant for the kernel alone."""
    env = dict(own)
    if env.get("MPLBACKEND", "").startswith(_INLINE_BACKEND):
        del env["MPLBACKEND"]  # a program's plots are to be windows
    return env | dict(added)


def warnings(told: str) -> tuple[str, ...]:
    """What ``vizproxy run`` has said on standard error that its user should know."""
    said = [line.removeprefix(SPEAKER) for line in told.splitlines() if line.startswith(SPEAKER)]
    return tuple(in_python(line) for line in said if line != _IS_WAITING)


def failure(program: str, code: int, told: str) -> VizproxyError:
    """The error for what ``vizproxy run`` said on standard error before it failed."""
    _, spoke, sentence = f"\n{told}".partition(f"\n{SPEAKER}cannot ")
    if not spoke:
        ended = exit_reason(code)
        return InternalError(f"run {program}", f"`vizproxy run` {ended}\n{told}".rstrip())
    text, hint = without_hint(in_python(sentence.strip()))
    action, _, why = text.partition(": ")
    if code == EXIT_NOT_FOUND and "/" not in program:
        hint = "its full path"
    if kind := _ERRORS.get(code):
        return kind(action, why, hint)
    return RefusedError(f"cannot {text}", hint, code)

"""Starting a program as ``env`` and ``nice`` do: in the place of the command itself.

The typed command forks off a keeper, which obtains the lease, and then executes the program. So the
program has the PID, the terminal, the signals, the parent and the exit code that it would have had
without us; there is nothing between it and the shell that would have to pass them on. The keeper is
no child of the program either, which would be puzzled by one that it has not made.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from vizproxy.errors import (
    EXIT_INTERNAL,
    CannotExecuteError,
    InternalError,
    RefusedError,
    VizproxyError,
)
from vizproxy.runner.order import Order, not_executable, own_environment, start_for, through_shell
from vizproxy.runner.tree import KEEPER_NAME

_STANDARD_DESCRIPTORS: Final = 3
_OUT_OF_THE_WAY: Final = 10
"""From here on up are our own descriptors, even where the caller has closed the standard ones."""

_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_PATIENCE_SECONDS: Final = 2.0
"""After how long the user is told what is waited for."""


def run(order: Order, warn: Callable[[str], None]) -> str:
    """Run a program with a lease; ``warn`` is given what the user should know.

    Returns the app's id if it was detached. Otherwise it doesn't return: the program takes the place
    of this process.

    Raises:
        VizproxyError: there is no lease, or the program cannot be executed.
    """
    path = os.environ.get("PATH", os.defpath)
    check_executable(order.argv[0], path)
    answer = _fork_keeper(order, warn)
    if "granted" not in answer:
        if answer["warning"]:
            warn(answer["warning"])
        return str(answer["started"])
    start = start_for(order, answer["granted"], own_environment())
    if start.warning:
        warn(start.warning)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # the caller may have closed it
            stream.flush()
    for number in _IGNORED_BY_PYTHON:  # else they would be ignored in the program, too
        signal.signal(number, signal.SIG_DFL)
    try:
        try:
            os.execvpe(start.argv[0], start.argv, start.environment)  # noqa: S606 - as env does
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            script = through_shell(start.argv, path)
            os.execve(script[0], script, start.environment)  # noqa: S606 - as env does
    except OSError as error:
        raise not_executable(start.argv[0], error) from error


def check_executable(program: str, path: str) -> None:
    """Check that there is a program of a name, before anything is asked of the daemon.

    Raises:
        VizproxyError: there is none, or it cannot be executed; exit code 127 or 126, as of a shell.
    """
    if shutil.which(program, path=path) is not None:
        return
    there = "/" in program and Path(program).exists()
    raise not_executable(program, PermissionError() if there else FileNotFoundError())


def _fork_keeper(order: Order, warn: Callable[[str], None]) -> Mapping[str, Any]:
    """Fork off the keeper, as nobody's child, and return its answer."""
    root, directory = os.getpid(), _working_directory(order)
    reader, writer = (_moved_up(end) for end in os.pipe())
    child = os.fork()
    if child == 0:
        _become_keeper(order, root, directory, writer)
    os.close(writer)
    with contextlib.suppress(ChildProcessError):  # the caller ignores SIGCHLD: nothing to reap
        os.waitpid(child, 0)
    if not select.select([reader], [], [], _PATIENCE_SECONDS)[0]:
        warn("waiting for the desktop")
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    answer: Mapping[str, Any] = json.loads(text) if text else {"bug": "it left without a word"}
    if "refused" in answer:
        refused = answer["refused"]
        raise RefusedError(refused["message"], refused["hint"], refused["exit_code"])
    if "bug" in answer:
        raise InternalError("keep the lease", f"a bug in vizproxy\n{answer['bug']}")
    return answer


def _working_directory(order: Order) -> Path:
    """Where a detached program is to be started. Any other one stays where it is."""
    if not order.detach:
        return Path("/")
    try:
        return Path.cwd()
    except OSError as error:
        raise CannotExecuteError(
            f"run {order.argv[0]}", "the current directory is not there any more", "another one"
        ) from error


def _moved_up(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    os.close(descriptor)
    return moved


def _become_keeper(order: Order, root: int, directory: Path, writer: int) -> NoReturn:
    """Turn this fork into the keeper: no terminal, no parent, no descriptor but the answer's."""
    status = EXIT_INTERNAL
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _let_go(writer)
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(KEEPER_NAME, encoding="ascii")
        _keep(order, root, directory, writer)
        status = 0
    finally:
        os._exit(status)


def _let_go(writer: int) -> None:
    """Close all that was inherited but the answer's descriptor: whoever reads the other end waits."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(_STANDARD_DESCRIPTORS):
        os.dup2(null, standard)
    os.closerange(_STANDARD_DESCRIPTORS, writer)
    os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")


def _keep(order: Order, root: int, directory: Path, writer: int) -> None:
    answered = False

    def answer(told: Mapping[str, Any]) -> None:
        nonlocal answered
        if not answered:
            answered = True
            try:
                os.write(writer, json.dumps(told).encode())
            except OSError:
                pass  # the command was ended meanwhile
            os.close(writer)

    try:
        # Not before the fork: the program's own process has no use for an HTTP library.
        from vizproxy.cgroups import MemoryWatch, OwnAccounts
        from vizproxy.runner.app import App, Detached, Foreground
        from vizproxy.runner.keeper import Keeper

        app: App = Detached(order, directory, answer, MemoryWatch(OwnAccounts()))
        if not order.detach:
            app = Foreground(order, root, answer)
            app.tree.pin()
        asyncio.run(Keeper(order, app).keep())
    except VizproxyError as error:
        refusal = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        answer({"refused": refusal})
    except Exception:  # noqa: BLE001 - the main boundary of the keeper
        answer({"bug": traceback.format_exc()})

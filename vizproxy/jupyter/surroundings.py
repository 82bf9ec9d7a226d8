"""What terminals and notebooks find in their environment, so that their programs are on the desktop.

Kernels get the environment of the server's process, terminals that and what their manager adds. Both
are read when a kernel or terminal is started: one that was started before the desktop was up has no
DISPLAY. There `vizproxy run` works all the same, since where the daemon is to be found is known
from the beginning.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Final

from vizproxy.config import VirtualGLFor
from vizproxy.errors import FileSystemError
from vizproxy.thisside import PAGE_VARIABLE, SOCKET_VARIABLE, on_this_side
from vizproxy.virtualgl import VirtualGL, display_here

log = logging.getLogger(__name__)

PROGRAM: Final = "vizproxy"

Environment = MutableMapping[str, str]


class Surroundings:
    """Keeps the environment of kernels and terminals up to date.

    ``process`` is the server's own environment, ``terminals`` what is added to it for terminals, if
    there are any. ``overrides`` tells whether the desktop takes the place of a DISPLAY that the server
    was started with. ``find_virtualgl`` looks for VirtualGL in this container.
    """

    def __init__(
        self,
        *,
        process: Environment,
        terminals: Environment | None,
        socket: Path,
        overrides: bool,
        virtualgl_for: VirtualGLFor,
        find_virtualgl: Callable[[], VirtualGL | None],
    ) -> None:
        self._process = _Changed(process)
        self._terminals = None if terminals is None else _Changed(terminals)
        self._socket = socket
        self._virtualgl_for = virtualgl_for
        self._find_virtualgl = find_virtualgl
        self._own_display = None if overrides else process.get("DISPLAY") or None

    def begin(self, page: str | None, scripts: Path) -> None:
        """Set what is known at once. ``page`` is the path of the desktop's page on this server.

        ``scripts`` is where our own commands are, for terminals that do not find them.
        """
        self._process.set({SOCKET_VARIABLE: str(self._socket), PAGE_VARIABLE: page})
        if self._own_display is not None:
            log.info(
                "DISPLAY is %s already, which is left to terminals and notebooks; "
                "`vizproxy run` starts programs on the desktop",
                self._own_display,
            )
        path = self._process.get("PATH") or os.defpath
        unknown = shutil.which(PROGRAM, path=path) is None and (scripts / PROGRAM).exists()
        if self._terminals is not None and unknown:
            self._terminals.set({"PATH": f"{path}:{scripts}"})

    def desktop_is(self, environment: Mapping[str, str], virtualgl_display: str | None) -> None:
        """The desktop is up, or is another now."""
        if self._own_display is not None:
            return
        try:
            display = on_this_side(environment, self._socket)
        except FileSystemError as error:
            log.warning("terminals and notebooks have no desktop: %s", error)
            return
        drawn = {} if virtualgl_display is None else self._through_virtualgl(virtualgl_display)
        wanted = self._virtualgl_for
        self._process.replace({**display, **(drawn if wanted is VirtualGLFor.ALL else {})})
        if self._terminals is not None:
            self._terminals.replace(drawn if wanted is VirtualGLFor.TERMINALS else {})

    def end(self) -> None:
        """Undo it all, for the sake of another server in this process."""
        self._process.undo()
        if self._terminals is not None:
            self._terminals.undo()

    def _through_virtualgl(self, display: str) -> dict[str, str]:
        """The variables that send the OpenGL of every program through VirtualGL."""
        found = None if self._virtualgl_for is VirtualGLFor.NEVER else self._find_virtualgl()
        if found is None or found.libraries is None:
            return {}
        # Without a script, all is in the environment: there is no command to put the script before.
        preloaded = dataclasses.replace(found, vglrun=None)
        before = self._process.original
        after = preloaded.environment(display_here(display), before)
        return {name: value for name, value in after.items() if before.get(name) != value}


class _Changed:
    """An environment, and what was changed in it."""

    def __init__(self, environ: Environment) -> None:
        self._environ = environ
        self._before: dict[str, str | None] = {}
        self._replaceable: frozenset[str] = frozenset()

    @property
    def original(self) -> dict[str, str]:
        """The environment without our changes."""
        original = {k: v for k, v in self._environ.items() if k not in self._before}
        return original | {k: v for k, v in self._before.items() if v is not None}

    def get(self, name: str) -> str | None:
        return self._environ.get(name)

    def set(self, variables: Mapping[str, str | None]) -> None:
        """Set variables; those that are None are removed."""
        for name, value in variables.items():
            self._before.setdefault(name, self._environ.get(name))
            self._put(name, value)

    def replace(self, variables: Mapping[str, str]) -> None:
        """Set variables in the place of those that were set so the last time."""
        for name in self._replaceable - variables.keys():
            self._put(name, self._before.pop(name))
        self.set(variables)
        self._replaceable = frozenset(variables)

    def undo(self) -> None:
        for name, value in self._before.items():
            self._put(name, value)
        self._before.clear()
        self._replaceable = frozenset()

    def _put(self, name: str, value: str | None) -> None:
        if value is None:
            self._environ.pop(name, None)
        else:
            self._environ[name] = value

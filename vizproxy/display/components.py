"""The children of the display stack: their command lines, probes and dependencies.

The graph::

    xorg ── wm
        ├── x11vnc
        └── xorg3d   (plan "virtualgl" only)
    websockify

The 3D server waits for the desktop's only so that the numbers are given in one order: choosing one by
itself, it might take the number that the desktop's server is configured for. When the desktop's server
dies, every program under VirtualGL dies with it, so a fresh 3D server then takes nothing from anyone.
When the 3D server dies, the programs under VirtualGL die (VirtualGL exits), but the desktop and every
other program live on: nothing depends on it, and it is no part of the picture.

websockify needs nobody to listen: it reaches x11vnc per connection. So its start (Python, NumPy: the
slowest of all) runs beside the others', and it survives a restart of x11vnc.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from vizproxy.config import Config
from vizproxy.display import confined, xauth, xprobe
from vizproxy.display.numbers import DisplayAddress, remember, socket_path
from vizproxy.errors import DisplayError, FileSystemError
from vizproxy.runtime import FILE_MODE, Layout
from vizproxy.supervise.graph import Component
from vizproxy.supervise.probes import ProbeError, http_server, rfb_server
from vizproxy.supervise.process import REPORT_FD, Child, ProcessSpec
from vizproxy.x11 import windows
from vizproxy.x11.screen import Screen
from vizproxy.x11.session import XSession

log = logging.getLogger(__name__)

_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
"""What children keep of the daemon's environment. Anything else might be a secret or a surprise."""

SOCKET_UMASK: Final = 0o177
"""For a child that makes nothing but a socket: mode 0600."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Builds the components of the display stack.

    ``programs`` maps the names under ``programs`` in the configuration to absolute paths;
    ``environ`` is the daemon's own environment. ``attach`` is awaited with each new connection to the
    X server, before the server counts as ready. There is a 3D server if it has an ``address_3d``.
    """

    config: Config
    layout: Layout
    programs: Mapping[str, str]
    environ: Mapping[str, str]
    session: XSession
    screen: Screen
    address: DisplayAddress
    attach: Callable[[], Awaitable[object]]
    address_3d: DisplayAddress | None = None

    def components(self) -> tuple[Component, ...]:
        """The graph, in the order in which people read it."""
        layout = self.layout
        return (
            Component(
                "xorg",
                "X server",
                self.xorg,
                ready=self._xorg_ready,
                healthy=self._xorg_healthy,
                restart_when_ill=False,  # all windows would go; it may be held by a grab
                abandoned=self.address.abandon,
            ),
            *self._xorg3d_component(),
            Component(
                "wm",
                "window manager",
                self.window_manager,
                ready=self._window_manager_there,
                healthy=self._window_manager_there,
                after=("xorg",),
                shows_picture=False,
            ),
            Component(
                "x11vnc",
                "VNC server",
                self.x11vnc,
                ready=rfb_server(layout.x11vnc_socket),
                healthy=rfb_server(layout.x11vnc_socket),
                after=("xorg",),
            ),
            Component(
                "websockify",
                "WebSocket bridge",
                self.websockify,
                ready=http_server(layout.websockify_socket),
                healthy=http_server(layout.websockify_socket),
            ),
        )

    def _xorg3d_component(self) -> Iterator[Component]:
        if self.address_3d is not None:
            yield Component(
                "xorg3d",
                "3D X server",
                partial(self.xorg3d, self.address_3d),
                ready=partial(self._xorg3d_ready, self.address_3d),
                healthy=partial(self._xorg3d_healthy, self.address_3d),
                after=("xorg",),
                restart_when_ill=False,  # all programs under VirtualGL would go
                shows_picture=False,
                abandoned=self.address_3d.abandon,
            )

    # command lines

    def xorg(self) -> ProcessSpec:
        """The desktop's X server."""
        layout = self.layout
        return self._x_server("xorg", self.address, layout.xorg_conf, layout.xorg_log)

    def xorg3d(self, address: DisplayAddress) -> ProcessSpec:
        """The X server that programs draw on through VirtualGL. It has its own log and display."""
        layout = self.layout
        return self._x_server("xorg3d", address, layout.xorg3d_conf, layout.xorg3d_log)

    def _x_server(self, name: str, address: DisplayAddress, conf: Path, log: Path) -> ProcessSpec:
        """An X server. It reports its display number once it accepts clients (Xserver(1)).

        It must keep its abstract socket (no ``-nolisten local``): choosing a number by itself, it
        takes no lock file, and the abstract socket is all that tells it that a number is taken.
        """
        number = address.starts()
        display = () if number is None else (f":{number}",)
        argv = (
            self.programs["xorg"],
            *display,
            *("-displayfd", REPORT_FD),
            *("-config", str(conf)),
            *("-auth", str(self.layout.xauthority)),
            *("-logfile", str(log)),
            "-noreset",
            *("-nolisten", "tcp"),
            "-novtswitch",
            *("-sharevts", "vt7"),
            *("-s", "0"),
            "-dpms",
        )
        return self._spec(name, argv, log)

    def window_manager(self) -> ProcessSpec:
        """openbox with our configuration, without session management, and confined."""
        argv = (
            *(sys.executable, "-I", "-S", confined.__file__),
            self.programs["window_manager"],
            "--sm-disable",
            *("--config-file", str(self.layout.openbox)),
        )
        return self._spec("wm", argv)

    def x11vnc(self) -> ProcessSpec:
        """x11vnc on a unix socket, tuned for a picture that moves.

        ``-wait``, ``-defer`` and ``-fs`` give 43 frames a second of a 60 Hz full HD source instead
        of 28. ``-rfbportv6 0`` is needed beside ``-rfbport 0``: without it TCP port 5900 opens all
        the same. ``-threads`` must not be used: it never accepts on a unix socket. Selections are
        exchanged both ways, as is x11vnc's default: whoever may see the desktop may control it.
        """
        layout = self.layout
        argv = (
            self.programs["x11vnc"],
            *("-display", self.address.name or ""),
            *("-auth", str(layout.xauthority)),
            *("-unixsock", str(layout.x11vnc_socket)),
            *("-rfbport", "0", "-rfbportv6", "0"),
            *("-forever", "-shared", "-nopw"),
            *("-wait", "5", "-defer", "5", "-fs", "0.2"),
            *("-sb", "0"),  # else an idle desktop is looked at every 1.5 s only
            "-noncache",
            "-xrandr",
            *("-xkb", "-nobell"),
            *("-safer", "-noremote", "-nocmds", "-norc", "-nolookup"),
            *("-desktop", "vizproxy"),
            "-quiet",
        )
        spec = self._spec("x11vnc", argv, layout.x11vnc_socket)
        return replace(spec, umask=SOCKET_UMASK)

    def websockify(self) -> ProcessSpec:
        """websockify from its unix socket to x11vnc's."""
        layout = self.layout
        argv = (
            sys.executable,
            *("-m", "websockify"),
            *("--unix-listen", str(layout.websockify_socket)),
            *("--unix-target", str(layout.x11vnc_socket)),
        )
        return self._spec("websockify", argv, layout.websockify_socket)

    def _spec(self, name: str, argv: tuple[str, ...], *creates: Path) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            argv=argv,
            env=self._environment(),
            setpriv=self.programs["setpriv"],
            creates=creates,
        )

    def _environment(self) -> dict[str, str]:
        env = {name: self.environ[name] for name in _INHERITED if name in self.environ}
        env["HOME"] = str(self.layout.home)
        env["XAUTHORITY"] = str(self.layout.xauthority)
        env["OPENBLAS_NUM_THREADS"] = "1"  # websockify imports NumPy; no thread pool for that
        if self.address.name is not None:
            env["DISPLAY"] = self.address.name
        return env

    # probes

    async def _xorg_ready(self, child: Child) -> None:
        await self._started(self.address, child)
        try:
            await self._connect()
        except DisplayError as error:
            raise ProbeError(error.why) from error
        # Xorg makes its log readable for all, whatever the umask.
        await asyncio.to_thread(self.layout.xorg_log.chmod, FILE_MODE)

    async def _started(self, address: DisplayAddress, child: Child) -> None:
        """An X server tells its number, which is written down."""
        address.started(await _reported_number(child))
        numbers = {"xorg": self.address.number}
        if self.address_3d is not None:
            numbers["xorg3d"] = self.address_3d.number
        try:
            await asyncio.to_thread(remember, self.layout, numbers)
        except FileSystemError as error:
            log.warning("%s", error)

    async def _xorg_healthy(self, child: Child) -> None:
        del child
        try:
            if self.session.name is None:  # it was lost, and the server lives
                await self._connect()
            await self.session.call(windows.ping)
        except DisplayError as error:
            raise ProbeError(error.why) from error

    async def _connect(self) -> None:
        """Connect to the desktop's X server, and make the desktop ours. Raises DisplayError."""
        await self.session.connect(f":{self.address.number}")
        await self.session.call(lambda d: windows.prepare_root(d, self.config.display.background))
        await self.screen.restore()
        await self.attach()

    async def _xorg3d_ready(self, address: DisplayAddress, child: Child) -> None:
        await self._started(address, child)
        await self._xorg3d_healthy(address, child)
        await asyncio.to_thread(self.layout.xorg3d_log.chmod, FILE_MODE)

    async def _xorg3d_healthy(self, address: DisplayAddress, child: Child) -> None:
        del child
        authority = await asyncio.to_thread(self.layout.xauthority.read_bytes)
        if address.number is None:
            raise ProbeError("has not told its display number")
        await xprobe.check_glx(socket_path(address.number), xauth.cookie_in(authority))

    async def _window_manager_there(self, child: Child) -> None:
        del child
        try:
            there = await self.session.call(windows.has_window_manager)
        except DisplayError as error:
            raise ProbeError(error.why) from error
        if not there:
            raise ProbeError("has not announced itself on the root window")


async def _reported_number(child: Child) -> int:
    """The display number that an X server reports once it accepts clients."""
    # shield: a probe's time-out must not cancel the future itself
    text = await asyncio.shield(child.report)
    try:
        return int(text)
    except ValueError as error:
        raise ProbeError(f"reported {text!r} instead of a display number") from error

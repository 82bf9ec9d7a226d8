"""Looking at the desktop that runs, as its programs see it: its X servers and their cookie.

What the X servers allow is asked of the servers themselves, with the cookie that programs use, from
where programs are started; so a container that does not share what it must is found out.
"""

from __future__ import annotations

import asyncio
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from vizproxy.compatibility import OURS, Side
from vizproxy.display import xauth, xprobe
from vizproxy.display.files import X11_SOCKETS
from vizproxy.doctor.case import PlanInForce
from vizproxy.doctor.sharing import shares_memory
from vizproxy.errors import FileSystemError, system_reason
from vizproxy.facts.model import Fact, Place, RunningDesktop, XDisplay, known, unknown
from vizproxy.supervise.probes import ProbeError
from vizproxy.thisside import on_this_side

PATIENCE_SECONDS: Final = 5.0
"""How long an X server may take to answer. It does in a millisecond, unless a program holds it."""

_DISPLAY: Final = re.compile(r":(\d{1,5})(?:\.\d+)?")
_DPMS_GET_TIMEOUTS: Final = 2
_DPMS_INFO: Final = 7
"""Minor opcodes of the extension DPMS (X11's dpms.xml)."""

_MAX_AUTHORITY_BYTES: Final = 65536


async def look(
    status: Mapping[str, Any],
    socket: Path,
    *,
    x_sockets: Path = X11_SOCKETS,
    patience: float = PATIENCE_SECONDS,
) -> Fact[RunningDesktop]:
    """Look at the desktop whose ``status`` the API gave on ``socket``. Never raises.

    ``x_sockets`` is where X servers listen, and ``patience`` how many seconds each may take.
    """
    try:
        environment = {str(k): str(v) for k, v in status["environment"].items()}
        state, summary = str(status["state"]), str(status["summary"])
        plan = str(status["plan"]["name"])
    except (AttributeError, KeyError, TypeError):
        return unknown("what answers there tells a status that is not understood")
    cookie, authority = await asyncio.to_thread(_authority, environment, socket)
    names = (environment.get(variable, "") for variable in ("DISPLAY", "VGL_DISPLAY"))
    displays = [
        await _display(name, x_sockets / f"X{number[1]}", authority, patience)
        for name in names
        if (number := _DISPLAY.fullmatch(name)) is not None
    ]
    version = Side.of(status)
    return known(
        RunningDesktop(state, summary, plan, tuple(displays), cookie, version=version, beside=OURS)
    )


def plan_in_force(status: Mapping[str, Any]) -> PlanInForce | None:
    """What a status says of the rendering plan; None if it is not understood."""
    try:
        plan = status["plan"]
        return PlanInForce(str(plan["name"]), str(plan["reason"]), str(plan["warning"]))
    except (KeyError, TypeError):
        return None


def _authority(environment: Mapping[str, str], socket: Path) -> tuple[Fact[Place], bytes]:
    """The file with the cookie, as it is here, and its content; empty if it cannot be read."""
    try:
        told = on_this_side(environment, socket).get("XAUTHORITY")
    except FileSystemError as error:
        return unknown(error.why), b""
    if told is None:
        return unknown("the desktop tells of none yet"), b""
    try:
        with Path(told).open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_AUTHORITY_BYTES)
    except OSError as error:
        return unknown(system_reason(error)), b""
    mode = f"{status.st_mode & 0o7777:04o}"
    return known(Place(told, mode, status.st_uid, os.access(told, os.W_OK))), content


async def _display(name: str, socket: Path, authority: bytes, patience: float) -> XDisplay:
    """An X server as its clients see it."""
    try:
        async with (
            asyncio.timeout(patience),
            xprobe.client(socket, xauth.cookie_in(authority)) as server,
        ):
            return XDisplay(name, await _sleeps(server), await shares_memory(server))
    except ProbeError as error:
        said = str(error)
        reason = said if said.startswith(socket.name) else f"the X server {said}"
    except TimeoutError:
        reason = f"the X server has not answered within {patience:g} s"
    except (OSError, struct.error) as error:
        reason = f"the X server cannot be asked: {error}"
    return XDisplay(name, unknown(reason), unknown(reason))


async def _sleeps(server: xprobe.XClient) -> Fact[bool]:
    """Whether the X server puts its screen to sleep after a while: DPMS is on and has a time set."""
    opcode = await server.extension(b"DPMS")
    if opcode is None:
        return known(value=False)
    info = await server.ask(struct.pack("<BBH", opcode, _DPMS_INFO, 1))
    timeouts = await server.ask(struct.pack("<BBH", opcode, _DPMS_GET_TIMEOUTS, 1))
    return known(bool(info[10]) and any(struct.unpack_from("<HHH", timeouts, 8)))

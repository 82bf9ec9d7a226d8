"""The far end of ``vizproxy run``: a WebSocket that holds a lease for as long as it is open.

Messages are JSON objects with a ``type``. The runner begins with ``request`` and is answered with
``granted`` or ``refused``; then it tells ``pids`` whenever they change, now and then ``use`` (what
its processes use, if it can tell), and at the end ``ended``. What else it tells is not listened to. The
daemon may say ``look`` (tell the PIDs now), ``stop`` (end the app) and ``ended`` (the lease is over).
``request`` and ``granted`` tell the version of who sends them (:mod:`vizproxy.compatibility`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from aiohttp import WSMsgType, web

from vizproxy import compatibility
from vizproxy.api.messages import Reader
from vizproxy.api.requests import check_websocket
from vizproxy.api.services import SERVICES, Services
from vizproxy.broker.broker import LOOK_SECONDS
from vizproxy.broker.leases import MAX_NAME_CHARS, Lease, Wish
from vizproxy.compatibility import OURS, Side
from vizproxy.config import Activity, Plan
from vizproxy.errors import InvalidRequestError, VizproxyError

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 256 * 1024
REQUEST_SECONDS: Final = 10.0
READY_SECONDS: Final = 20.0
"""How long an app waits for a desktop that is still starting."""

SEND_SECONDS: Final = 1.0
"""How long a runner may take no message. What it is told is short, so it is stuck then."""

MAX_PIDS: Final = 4096
_MAX_PID: Final = 2**22
_MAX_TEXT: Final = 255
_MAX_FRAMEBUFFER: Final = 2**50
_MAX_CPU_SECONDS: Final = 2**40
_MAX_RESIDENT: Final = 2**60
_MAX_LINES: Final = 20
_MAX_LINE_CHARS: Final = 300
_READER: Final = Reader("grant a lease")


@dataclass(frozen=True, slots=True)
class Ending:
    """How an app has ended; ``output`` is what it said last, line by line, if it failed."""

    reason: str = "its runner has gone away"
    failed: bool = False
    output: tuple[str, ...] = ()


class Session:
    """One runner: the :class:`vizproxy.broker.broker.Holder` behind a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, services: Services) -> None:
        self._socket = socket
        self._services = services
        self._reported = asyncio.Event()
        self._is_deaf = False
        self._released = ""

    async def look(self) -> None:
        """Ask for the PIDs; return when they were reported, or when it takes too long."""
        if self._is_deaf:
            return  # once is enough: all others wait meanwhile
        self._reported.clear()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._send({"type": "look"})
                await self._reported.wait()
        except TimeoutError:
            log.debug("a runner did not tell its PIDs in time")
            self._is_deaf = True

    async def stop(self, grace: float) -> None:
        """Tell the app to end; what has not ended after ``grace`` seconds is to be killed."""
        await self._send({"type": "stop", "grace": grace})

    async def release(self, reason: str) -> None:
        """Say that the lease has ended."""
        self._released = reason
        await self._send({"type": "ended", "reason": reason})
        await self._socket.close()

    async def run(self) -> None:
        """Grant a lease, or refuse it, and hold it until the runner leaves."""
        broker = self._services.broker
        lease: Lease | None = None
        try:
            told = await self._first()
            _check_version(Side.of(told))  # first: of another version, it may speak otherwise
            wish, pids = parse_request(told)
            await self._services.desktop.ready_for_apps(READY_SECONDS)
            lease = await broker.admit(wish, self, pids=pids)
            if not wish.again:
                self._services.idleness.used()
            granted = self._granted(lease)
        except VizproxyError as error:
            if lease is not None:
                broker.end(lease.id, "it could not be used")
            await self._send(_refusal(error))
            return
        end = Ending()
        try:
            await self._send(granted)
            end = await self._follow(lease)
        except InvalidRequestError as error:
            log.warning("the runner of %s speaks nonsense: %s", lease.id, error)
            end = Ending("its runner spoke nonsense")
        finally:
            self._reported.set()
            broker.end(lease.id, self._released or end.reason, failed=end.failed, output=end.output)

    async def _follow(self, lease: Lease) -> Ending:
        """Take reports until the app's end; return how it ended."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                break
            told = _READER.json_object(message.data)
            if told.get("type") == "pids":
                alive = told.get("root_alive") is True
                self._services.broker.report(lease.id, _pids(told), root_alive=alive)
                self._reported.set()
                self._is_deaf = False
            elif told.get("type") == "use":
                self._services.broker.report_use(lease.id, *_use(told))
            elif told.get("type") == "ended":
                reason = _READER.text(told, "reason", _MAX_TEXT)
                told = {"output": [], **told}
                output = _READER.texts(told, "output", _MAX_LINES, _MAX_LINE_CHARS)
                return Ending(reason, told.get("failed") is True, output)
        return Ending("the desktop ends") if self._services.sockets.is_ending else Ending()

    def _granted(self, lease: Lease) -> dict[str, Any]:
        environment = self._services.desktop.environment_for(lease.plan)
        return {
            "type": "granted",
            **OURS.told(),
            "id": lease.id,
            "plan": lease.plan.value,
            "framebuffer": lease.granted,
            "environment": dict(environment.variables),
            "virtualgl_display": environment.virtualgl_display,
            "warning": self._services.desktop.downgrade(lease.wish, lease.plan),
        }

    async def _first(self) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                message = await self._socket.receive()
        except TimeoutError:
            raise _READER.bad("nothing was asked for in time") from None
        if message.type is not WSMsgType.TEXT:
            raise _READER.bad("the first message is no text")
        return _READER.json_object(message.data)

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_str(json.dumps(message))
        except (ConnectionError, RuntimeError, TimeoutError):
            log.debug("a runner has left, or is stuck, and was not told %s", message["type"])


def _check_version(program: Side) -> None:
    """Check that a runner is of a version that works with this one.

    Raises:
        VersionError: it is not.
    """
    if program != OURS:
        log.debug("a runner is of version %s", program.version)
    compatibility.check(desktop=OURS, program=program, action="run a program on the desktop")


def _refusal(error: VizproxyError) -> dict[str, Any]:
    return {
        "type": "refused",
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


async def lease(request: web.Request) -> web.StreamResponse:
    """The WebSocket that holds a lease."""
    check_websocket(request, "hold a lease")
    services = request.app[SERVICES]
    async with services.sockets.accept(request, max_message=MAX_MESSAGE_BYTES) as socket:
        await Session(socket, services).run()
    return socket


def parse_request(told: Mapping[str, Any]) -> tuple[Wish, frozenset[int]]:
    """Read a runner's first message: what its app wants, and the PIDs that it has already.

    Raises:
        InvalidRequestError: it makes no sense.
    """
    if told.get("type") != "request":
        raise _READER.bad("the first message is no request")
    plan, framebuffer = told.get("plan"), told.get("framebuffer")
    if plan is not None and (not isinstance(plan, str) or plan not in set(Plan)):
        raise _READER.bad("there is no such plan")
    activity = told.get("activity")
    if activity is not None and (not isinstance(activity, str) or activity not in set(Activity)):
        raise _READER.bad("there is no such 'activity'")
    if framebuffer is not None and not _is_int(framebuffer, 1, _MAX_FRAMEBUFFER):
        raise _READER.bad("'framebuffer' is no number of bytes")
    wish = Wish(
        name=_READER.text(told, "name", MAX_NAME_CHARS),
        program=_READER.text(told, "program", _MAX_TEXT),
        framebuffer=framebuffer,
        plan=None if plan in {None, Plan.AUTO} else Plan(plan),
        machine=_READER.text(told, "machine", _MAX_TEXT),
        pid_namespace=_READER.text(told, "pid_namespace", _MAX_TEXT),
        virtualgl=told.get("virtualgl") is True,
        activity=None if activity is None else Activity(activity),
        again=told.get("again") is True,
    )
    return wish, _pids(told)


def _pids(told: Mapping[str, Any]) -> frozenset[int]:
    pids = told.get("pids")
    if not isinstance(pids, list) or len(pids) > MAX_PIDS:
        raise _READER.bad("'pids' is not a list of PIDs")
    if not all(_is_int(pid, 1, _MAX_PID) for pid in pids):
        raise _READER.bad("'pids' has something that is no PID")
    return frozenset(pids)


def _use(told: Mapping[str, Any]) -> tuple[float, int]:
    """The CPU time in seconds and the resident memory in bytes that an app's processes use."""
    cpu_seconds, resident = told.get("cpu_seconds"), told.get("resident_bytes")
    if isinstance(cpu_seconds, bool) or not isinstance(cpu_seconds, int | float):
        raise _READER.bad("'cpu_seconds' is no number")
    if not 0 <= cpu_seconds <= _MAX_CPU_SECONDS:  # nor is NaN
        raise _READER.bad("'cpu_seconds' is no CPU time")
    if not _is_int(resident, 0, _MAX_RESIDENT):
        raise _READER.bad("'resident_bytes' is no number of bytes")
    return float(cpu_seconds), resident


def _is_int(value: object, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

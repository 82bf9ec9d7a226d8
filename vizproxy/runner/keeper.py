"""The keeper: holds the lease of one app for as long as the app lives.

It is a process of its own, in a session of its own, so that the app can take the place of the command
that was typed (see :mod:`vizproxy.runner.launch`). It obtains the lease, tells the daemon the PIDs of
the app and what they use, and ends the app when the daemon says so. If the daemon goes away and comes
back, it asks for a lease again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import aiohttp

from vizproxy import compatibility
from vizproxy.client import unreachable
from vizproxy.compatibility import OURS, Side
from vizproxy.errors import NotRunningError, RefusedError, VersionError
from vizproxy.runner.app import App
from vizproxy.runner.order import Order
from vizproxy.runner.use import Use

LOOK_SECONDS: Final = (0.3, 1.0, 5.0)
"""When new processes are looked for if nothing asks for it; the last one repeats.

What they use is told no more often."""

REQUEST_SECONDS: Final = 40.0
"""How long the daemon may take to answer: it waits for a desktop that is still starting."""

AGAIN_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)
"""Waits before a lost connection is tried again; the last one repeats."""

REFUSED_SECONDS: Final = 60.0
"""The same where a lease was refused, since there is no room now."""

STOP_SECONDS: Final = 5.0
"""How long an app has to end if the daemon does not say."""

HEARTBEAT_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 1.0

Socket = aiohttp.ClientWebSocketResponse


class Keeper:
    """Keeps the lease of one app, which it starts when the daemon has granted one."""

    def __init__(self, order: Order, app: App) -> None:
        self._order = order
        self._app = app
        self._socket: Socket | None = None
        self._told: tuple[frozenset[int], bool] | None = None
        self._use_told: Use | None = None
        self._use_due = 0.0
        self._asked = asyncio.Event()
        self._gone = asyncio.Event()

    async def keep(self) -> None:
        """Obtain the lease, start the app, and return when the app or the lease has ended.

        Raises:
            VizproxyError: there is no lease, or the app cannot be started.
        """
        async with self._leased(self._order.request(frozenset())) as (socket, granted):
            await self._app.start(granted)
            holding = asyncio.create_task(self._hold(socket), name="hold")
            living = asyncio.create_task(self._live(), name="live")
            tasks = {holding, living}
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if living in done:
                    end = await self._app.ending()
                    await self._send({"type": "ended", **asdict(end)})
                elif self._app.needs_keeper:
                    await living
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    # the app

    async def _live(self) -> None:
        """Follow the app's processes until none is left."""
        waits = _repeating_the_last(LOOK_SECONDS)
        while pids := self._app.tree.look(afresh=self._asked.is_set()):
            root_alive = self._app.tree.root in pids
            if self._asked.is_set() or self._told != (pids, root_alive):
                self._asked.clear()
                await self._tell(pids, root_alive)
            wait = next(waits)
            await self._tell_use(wait)
            awaited = {self._app.tree.root} if root_alive else pids
            await self._first_of(self._app.tree.any_ended(awaited), limit=wait)
        self._gone.set()

    async def _first_of(self, ended: Coroutine[None, None, None], limit: float) -> None:
        """Wait until a process has ended, the daemon asks, or the time is over."""
        tasks = {asyncio.create_task(ended), asyncio.create_task(self._asked.wait())}
        try:
            await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, pids: frozenset[int], root_alive: bool) -> None:
        self._told = (pids, root_alive)
        await self._send({"type": "pids", "pids": sorted(pids), "root_alive": root_alive})

    async def _tell_use(self, pause: float) -> None:
        """Tell what the app uses, if that has changed; not again before ``pause`` seconds are over."""
        now = asyncio.get_running_loop().time()
        if self._use_told is not None and now < self._use_due:
            return
        self._use_due = now + pause
        use = self._app.tree.use()
        if self._use_told is None or use.differs(self._use_told):
            self._use_told = use
            await self._send({"type": "use", **asdict(use)})

    async def _stop(self, grace: float) -> None:
        """End the app politely, then by force."""
        self._app.tree.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self._gone.wait()
        except TimeoutError:
            self._app.tree.signal(signal.SIGKILL)

    # the daemon

    async def _hold(self, socket: Socket) -> None:
        """Do what the daemon says until it ends the lease; connect again when it is lost."""
        async with asyncio.TaskGroup() as tasks:
            if await self._listen(socket, tasks):
                return
            waits = _repeating_the_last(AGAIN_SECONDS)
            wait = next(waits)
            while True:
                await asyncio.sleep(wait)
                try:
                    request = self._order.request(self._app.tree.look(), again=True)
                    async with self._leased(request) as (again, _):
                        self._use_told = None  # the new lease is to know all
                        self._asked.set()
                        if await self._listen(again, tasks):
                            return
                    waits = _repeating_the_last(AGAIN_SECONDS)
                    wait = next(waits)
                except NotRunningError:
                    wait = next(waits)
                except (RefusedError, VersionError):
                    wait = REFUSED_SECONDS  # the app goes on without a lease for now

    async def _listen(self, socket: Socket, tasks: asyncio.TaskGroup) -> bool:
        """Carry out messages until the connection is lost; True if the lease has ended."""
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            told = json.loads(message.data)
            match told.get("type"):
                case "look":
                    self._asked.set()
                case "stop":
                    tasks.create_task(self._stop(float(told.get("grace", STOP_SECONDS))))
                case "ended":
                    return True
        return False

    @contextlib.asynccontextmanager
    async def _leased(
        self, request: Mapping[str, Any]
    ) -> AsyncIterator[tuple[Socket, Mapping[str, Any]]]:
        """Connect and obtain a lease, which lasts as long as the context."""
        connector = aiohttp.UnixConnector(str(self._order.socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    socket = await session.ws_connect(
                        "http://vizproxy/api/v1/lease",
                        heartbeat=HEARTBEAT_SECONDS,
                        timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                    )
                    await socket.send_str(json.dumps(request))
                    answer = _checked(await socket.receive())
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise unreachable(self._order.socket, error) from error
            async with socket:
                if answer["type"] == "refused":
                    raise RefusedError(answer["message"], answer["hint"], answer["exit_code"])
                action = "run a program on the desktop"
                compatibility.check(desktop=Side.of(answer), program=OURS, action=action)
                self._socket = socket
                try:
                    yield socket, answer
                finally:
                    self._socket = None

    async def _send(self, message: Mapping[str, Any]) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):  # it is being lost
                await self._socket.send_str(json.dumps(message))


def _repeating_the_last(waits: Sequence[float]) -> Iterator[float]:
    return itertools.chain(waits, itertools.repeat(waits[-1]))


_ANSWERS: Final[Mapping[str, Mapping[str, type]]] = {
    "granted": {"id": str, "environment": dict, "warning": str},
    "refused": {"message": str, "hint": str, "exit_code": int},
}
"""What the daemon may answer to a request, and what must be in it."""


def _checked(message: aiohttp.WSMessage) -> dict[str, Any]:
    """The daemon's answer to the request.

    Raises:
        aiohttp.ServerDisconnectedError: it has hung up instead.
        NotRunningError: it is of a version that speaks otherwise.
    """
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise aiohttp.ServerDisconnectedError
    try:
        answer = json.loads(message.data)
        wanted = _ANSWERS[answer["type"]]
        if all(isinstance(answer[key], kind) for key, kind in wanted.items()):
            return dict(answer)
    except (ValueError, KeyError, TypeError):
        pass
    raise NotRunningError(
        "obtain a lease",
        "the daemon speaks otherwise than this vizproxy",
        "the same version on both sides",
    )

"""A stand-in for the daemon, which says to launchers whatever a test wants it to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from tests.broker.desk import Json
from tests.support import eventually


class FakeDaemon:
    """Says to launchers what a test wants it to, and keeps what they say."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.said: list[Json] = []
        self.connections = 0
        self.leases_wanted = 0
        self.status = 0
        self.reason = ""
        self._open: set[web.WebSocketResponse] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[FakeDaemon]:
        """Listen, until the end of the context."""
        app = web.Application()
        app.router.add_get("/api/v1/launcher", self._launcher)
        app.router.add_get("/api/v1/lease", self._lease)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(self.socket)).start()
        try:
            yield self
        finally:
            await self.hang_up()
            await runner.cleanup()

    @property
    def connected(self) -> bool:
        """Whether somebody hears what is said."""
        return bool(self._open)

    async def _launcher(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        if self.status:
            return web.Response(status=self.status)
        socket = web.WebSocketResponse(max_msg_size=8 * 1024**2)
        await socket.prepare(request)
        if self.reason:
            await socket.close(code=1013, message=self.reason.encode())
        self._open.add(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.said.append(json.loads(message.data))
        self._open.discard(socket)
        return socket

    async def _lease(self, request: web.Request) -> web.StreamResponse:
        """Never say anything to who wants a program to be started."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._open.add(socket)
        async for _ in socket:
            self.leases_wanted += 1
        self._open.discard(socket)
        return socket

    async def say(self, *messages: object) -> None:
        """Say something to every launcher: a text as it is, anything else as JSON."""
        for socket in tuple(self._open):
            for message in messages:
                text = message if isinstance(message, str) else json.dumps(message)
                await socket.send_str(text)

    async def hang_up(self, reason: str = "") -> None:
        """Close every connection, as a daemon does that ends."""
        for socket in tuple(self._open):
            await socket.close(code=1001, message=reason.encode())

    async def heard(self, kind: str, number: int = 1) -> list[Any]:
        """Wait for so many messages of a kind; return them."""

        async def check() -> list[Any] | None:
            found = [message for message in self.said if message["type"] == kind]
            return found if len(found) >= number else None

        return await eventually(check, of=lambda: self.said)

    async def offered(self) -> list[str]:
        """The ids that were offered last."""
        return [entry["id"] for entry in (await self.heard("offer"))[-1]["entries"]]

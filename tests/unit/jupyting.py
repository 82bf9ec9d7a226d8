"""A real Jupyter server with vizproxy in it, and a daemon in its place that does as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.support import eventually, own_plan
from vizproxy.compatibility import OURS

TOKEN = "secret"
BASE = "/user/zo%C3%AB"
EXTENSIONS = {
    "jupyter_server_proxy": True,
    "jupyter_server_terminals": True,
    "vizproxy.jupyter": True,
    "jupyterlab": False,
    "jupyter_lsp": False,
    "notebook_shim": False,
}


@dataclass
class Server:
    """A running Jupyter server."""

    process: asyncio.subprocess.Process
    socket: Path
    log: Path
    token: str = TOKEN

    def session(self, *, token: str | None = TOKEN, **headers: str) -> aiohttp.ClientSession:
        """A client of the server; paths start below its base URL."""
        if token is not None:
            headers["Authorization"] = f"token {token}"
        return aiohttp.ClientSession(
            f"http://localhost{BASE}/",
            connector=aiohttp.UnixConnector(str(self.socket)),
            headers=headers,
        )

    async def answers(self) -> None:
        async def check() -> bool:
            assert self.process.returncode is None
            async with self.session() as session, session.get("api") as response:
                return response.status == 200

        await eventually(check, timeout=30.0, of=self.log.read_text)

    async def last_activity(self) -> datetime:
        """The server's last activity, of which this question is none."""
        asked = "api/status?no_track_activity=1"
        async with self.session() as session, session.get(asked) as response:
            return datetime.fromisoformat((await response.json())["last_activity"])

    async def in_terminal(self, command: str) -> str:
        """What a command prints in a fresh terminal."""
        async with self.session() as session:
            async with session.post("api/terminals") as response:
                name = (await response.json())["name"]
            text = ""
            async with session.ws_connect(f"terminals/websocket/{name}") as terminal:
                await terminal.send_json(["stdin", f"{command}; echo the e''nd\r"])
                async with asyncio.timeout(20.0):
                    async for message in terminal:
                        kind, *rest = json.loads(message.data)
                        text += rest[0] if kind == "stdout" else ""
                        if "the end" in text:  # as it is typed, it has quotation marks in it
                            break
            async with session.delete(f"api/terminals/{name}"):
                return text

    def tracebacks(self) -> list[str]:
        """Where the log has something that no administrator wants to read."""
        return [
            line
            for line in self.log.read_text().splitlines()
            if re.search(r"Traceback|Uncaught|never retrieved|\[E ", line)
        ]


@contextlib.asynccontextmanager
async def jupyter_server(
    directory: Path,
    environ: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
    extensions: Mapping[str, bool] | None = None,
) -> AsyncIterator[Server]:
    """Start a server whose files are all in ``directory``."""
    directory.mkdir(exist_ok=True)
    settings = {
        "ServerApp": {"jpserver_extensions": {**EXTENSIONS, **(extensions or {})}},
        **(config or {}),
    }
    (directory / "jupyter_server_config.json").write_text(json.dumps(settings))
    kept = ("PATH", "LANG", "VIRTUAL_ENV", "PYTHONPATH")
    log = directory / "server.log"
    socket = directory / "jupyter.sock"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jupyter_server",
            "--allow-root",
            "--no-browser",
            f"--ServerApp.sock={socket}",
            f"--ServerApp.base_url={BASE}/",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={directory}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={
                **{name: os.environ[name] for name in kept if name in os.environ},
                "HOME": str(directory),
                "SHELL": "/bin/sh",
                "JUPYTER_CONFIG_DIR": str(directory),
                "JUPYTER_DATA_DIR": str(directory / "data"),
                "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
                **own_plan(environ),
                **environ,
            },
        )
    server = Server(process, socket, log)
    try:
        await server.answers()
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(15.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise


@dataclass
class FakeDaemon:
    """Listens where the daemon would. What it was asked is in ``asked``."""

    socket: Path
    launcher: bool = False
    asked: list[web.Request] = field(default_factory=list)
    activity: float | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: {"DISPLAY": ":77"})
    version: Mapping[str, str] = field(default_factory=OURS.told)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/api/v1/launcher", self._launch)
        app.router.add_get("/ws/{what}", self._websocket)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        self.socket.unlink(missing_ok=True)
        await web.UnixSite(self._runner, str(self.socket)).start()

    async def stop(self, *, leave_socket: bool = False) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.socket.unlink(missing_ok=True)
        if leave_socket:
            server = await asyncio.start_unix_server(lambda *_: None, str(self.socket))
            server.close()
            await server.wait_closed()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FakeDaemon]:
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        match request.path:
            case "/die":
                assert request.transport is not None
                request.transport.abort()
            case "/half":
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b"half")
                assert request.transport is not None
                request.transport.abort()
            case "/hang":
                await self.hold.wait()
        return web.Response(text=f"{request.method} {request.path}", content_type="text/html")

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        match request.match_info["what"]:
            case "refused":
                return web.json_response({"message": "no"}, status=403)
            case "paused":
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                await socket.close(code=4001, message=b"nothing was typed")
            case "killed":
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                assert request.transport is not None
                request.transport.abort()
            case "stream":
                socket = web.WebSocketResponse(compress=False)
                await socket.prepare(request)
                with contextlib.suppress(ConnectionError):
                    while not socket.closed:
                        await socket.send_bytes(b"x" * 65536)
                        await asyncio.sleep(0)
            case _:
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                async for message in socket:
                    await socket.send_str(f"{message.data}!")
        return socket

    async def _launch(self, request: web.Request) -> web.StreamResponse:
        if not self.launcher:
            return web.json_response({"code": "no", "message": "no", "hint": ""}, status=404)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", **self.version})
        environment = dict(self.environment)
        await socket.send_json(
            {"type": "desktop", "environment": environment, "virtualgl_display": None}
        )
        told: float | None = None
        listening = asyncio.create_task(_drain(socket))
        try:
            while not listening.done():
                if self.activity != told:
                    told = self.activity
                    await socket.send_json({"type": "activity", "last": told})
                await asyncio.wait((listening,), timeout=0.02)
        finally:
            listening.cancel()
        return socket


async def _drain(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass

"""Nothing that the daemon does holds up its event loop, not even while it mends the desktop."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
from pathlib import Path
from typing import Any

import aiohttp
from blockbuster import blockbuster_ctx

from tests.support import eventually, own_plan
from vizproxy.config import load
from vizproxy.daemon import Daemon


def session(socket: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession("http://vizproxy/", connector=aiohttp.UnixConnector(str(socket)))


async def status(socket: Path) -> dict[str, Any]:
    async with session(socket) as client, client.get("api/v1/status") as response:
        answer: dict[str, Any] = await response.json()
        assert response.status == 200, answer
        return answer


async def ready(socket: Path, *, restarts: dict[str, int] | None = None) -> dict[str, int]:
    """Wait for the desktop, with each component restarted that often; return their PIDs."""

    async def check() -> dict[str, int] | None:
        answer = await status(socket)
        parts = {c["name"]: c for c in answer["components"]}
        again = all(parts[name]["restarts"] >= n for name, n in (restarts or {}).items())
        pids = {name: part["pid"] for name, part in parts.items()}
        return pids if again and answer["state"] == "ready" else None

    return await eventually(check, timeout=20)


async def measured_within(socket: Path, seconds: float) -> bool:
    """Whether processes and the screen were read in the latest seconds; a reading that fails is not."""
    async with session(socket) as client, client.get("metrics") as response:
        text = await response.text()
    age = r'^vizproxy_collector_age_seconds{collector="(?:process|display)"} (.+)$'
    first, second = re.findall(age, text, re.MULTILINE)
    return max(float(first), float(second)) < seconds


async def test_no_call_blocks_the_event_loop(tmp_path: Path) -> None:
    flags = {"runtime.dir": str(tmp_path / "run"), "supervision.backoff_initial": "50ms"}
    loaded = load(file=None, env=own_plan(), flags=flags)
    log = io.StringIO()
    daemon = Daemon(loaded.config, os.environ, out=io.StringIO(), err=log, env_command="")
    running = asyncio.create_task(daemon.run())
    socket = loaded.config.http_socket
    try:
        pids = await ready(socket)
        with blockbuster_ctx("vizproxy"):
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with session(socket) as client:
                for path in ("", "viewer.js", "api/v1/display/screenshot", "readyz"):
                    async with client.get(path) as response:
                        assert response.status == 200, path
                size = {"width": 801, "height": 601}
                async with client.put("api/v1/display", json=size) as response:
                    assert response.status == 200
            os.kill(pids["x11vnc"], signal.SIGKILL)
            pids = await ready(socket, restarts={"x11vnc": 1})
            os.kill(pids["xorg"], signal.SIGKILL)
            await ready(socket, restarts={"xorg": 1, "wm": 1})

            async def measured() -> bool:
                return await measured_within(socket, loop.time() - began)

            # A reading that blocks fails, which is no error of the daemon's.
            await eventually(measured, timeout=20)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(running, 10) == 0, log.getvalue()
    finally:
        running.cancel()

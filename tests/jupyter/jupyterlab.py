"""A real ``jupyter lab``, under a base URL as a hub gives one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from tests.jupyter.processes import SCRIPTS, answers, desktops_of, environment, free_ports, serving
from tests.support import Daemon, eventually, own_display

BASE_URL = "/user/zo%C3%AB/"
"""/user/zoë/, as a hub tells it to a server."""

QUIET = {
    "disabledExtensions": {
        "@jupyterlab/apputils-extension:announcements": True,
        "@jupyterlab/terminal-extension:announcements": True,
    }
}
CONFIG = """
c.ServerApp.terminado_settings = {{"shell_command": ["/bin/bash"]}}
c.ServerApp.open_browser = False
c.ServerApp.shutdown_no_activity_timeout = 0
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.ServerProxy.servers = {servers!r}
"""


@dataclass
class JupyterLab:
    """A running JupyterLab."""

    process: Process
    directory: Path
    url: str
    token: str
    log: Path

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def page(self) -> str:
        """The address of the desktop's page."""
        return self.url + "desktop/"

    @contextlib.asynccontextmanager
    async def asked(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for something below the base URL."""
        address = URL(self.url + path, encoded=True)
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"token {self.token}"}) as session,
            session.request(method, address, **options) as response,
        ):
            yield response

    def get(
        self, path: str, **options: Any
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self.asked("GET", path, **options)

    async def terminal(self, command: str) -> str:
        """What a command prints in a new terminal."""
        async with self.asked("POST", "api/terminals") as response:
            name = (await response.json())["name"]
        address = URL(f"{self.url}terminals/websocket/{name}", encoded=True)
        # What is typed is shown, too: there, the sign of the end has quotes in it.
        typed = f"stty -echo; echo be''gin; {command}; echo e''nd\r"
        seen = ""
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"token {self.token}"}) as session,
            session.ws_connect(address) as socket,
            asyncio.timeout(20),
        ):
            await socket.send_json(["stdin", typed])
            while "end\r\n" not in seen:
                kind, text = await socket.receive_json()
                seen += text if kind == "stdout" else ""
        async with self.asked("DELETE", f"api/terminals/{name}"):
            pass
        return seen.partition("begin\r\n")[2].partition("end\r\n")[0]

    def embedded(self) -> Daemon:
        """The daemon that this server runs for itself."""
        found = desktops_of(self.directory)
        assert len(found) == 1, found
        return Daemon(self.process, found[0], self.log)


async def lab_is_configured(home: Path, servers: Mapping[str, object] | None = None) -> None:
    """Write the configuration of the Jupyter servers of a home directory."""
    config = home / ".jupyter"
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    (config / "labconfig" / "page_config.json").write_text(json.dumps(QUIET))
    (config / "jupyter_server_config.py").write_text(CONFIG.format(servers=dict(servers or {})))


@contextlib.asynccontextmanager
async def running_lab(
    directory: Path,
    *,
    servers: Mapping[str, object] | None = None,
    sidecar: Path | None = None,
    **environ: str,
) -> AsyncIterator[JupyterLab]:
    """Run JupyterLab with its home in ``directory``, from the moment that it answers.

    ``servers`` are entries of jupyter-server-proxy, ``sidecar`` is the socket of a daemon beside it.
    """
    token, (port,) = secrets.token_hex(16), free_ports(1)
    if sidecar is not None:
        environ["VIZPROXY_SOCKET"] = str(sidecar)
    env = environment(directory, **own_display(), **environ)
    work = directory / "home" / "work"
    work.mkdir(exist_ok=True)
    await lab_is_configured(directory / "home", servers)
    command = (
        *(SCRIPTS / "jupyter-lab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={work}"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.base_url={BASE_URL}"),
    )
    async with serving(directory, *command, environ=env) as (process, log):
        url = f"http://127.0.0.1:{port}{BASE_URL}"
        await answers(url, process, log)
        lab = JupyterLab(process, directory, url, token, log)

        async def ready() -> bool:
            async with lab.get("api/status") as response:
                return response.status == 200

        await eventually(ready, timeout=30, of=log.read_text)
        yield lab

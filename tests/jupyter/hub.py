"""A real JupyterHub: its proxy, users who sign in by name, and servers as processes of this machine."""

from __future__ import annotations

import contextlib
import secrets
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from playwright.async_api import Browser, BrowserContext, Page
from yarl import URL

from tests.jupyter.jupyterlab import lab_is_configured
from tests.jupyter.labpage import SIZE
from tests.jupyter.processes import SCRIPTS, answers, desktops_of, environment, free_ports, serving
from tests.support import ROOT, Daemon, eventually, own_display

PROXY = ROOT / "tests" / "jupyter" / "node_modules" / ".bin" / "configurable-http-proxy"
CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///{directory}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{directory}/cookie-secret"
c.JupyterHub.last_activity_interval = 1
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.auth_token = "{secret}"
c.ConfigurableHTTPProxy.pid_file = "{directory}/proxy.pid"
c.JupyterHub.services = {services!r}
c.JupyterHub.load_roles = {roles!r}
"""
PROCESSES = """
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{directory}/home/{{username}}"
c.Spawner.cmd = ["{scripts}/jupyterhub-singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = {environ!r}
c.Spawner.pre_spawn_hook = lambda spawner: spawner.environment.update(
    {own!r}.get(spawner.user.name, {{}}), HOME=spawner.home_dir
)
"""
ADMIN = {
    "name": "tests",
    "services": ["tests"],
    "scopes": ["admin:users", "admin:servers", "list:users", "access:servers", "tokens"],
}
CULLER = {
    "name": "culler",
    "services": ["culler"],
    "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
}


@dataclass
class Hub:
    """A running JupyterHub."""

    process: Process
    directory: Path
    url: str
    token: str
    log: Path

    @contextlib.asynccontextmanager
    async def asked(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask the hub's API."""
        headers = {"Authorization": f"token {self.token}"}
        address = URL(f"{self.url}hub/api/{path}", encoded=True)
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, address, **options) as response,
        ):
            yield response

    def server(self, user: str) -> str:
        """The address of a user's server."""
        return f"{self.url}user/{quote(user)}/"

    def desktop(self, user: str) -> str:
        """The address of the desktop's page on a user's server."""
        return self.server(user) + "desktop/"

    async def running(self) -> dict[str, dict[str, Any]]:
        """The servers that run and are ready, by user."""
        async with self.asked("GET", "users") as response:
            assert response.status == 200, await response.text()
            users = await response.json()
        servers = {user["name"]: user["servers"].get("") for user in users}
        return {user: server for user, server in servers.items() if server and server["ready"]}

    async def add(self, *users: str) -> None:
        """Let the hub know users before they sign in."""
        for user in users:
            async with self.asked("POST", f"users/{quote(user)}") as response:
                assert response.status == 201, await response.text()

    async def start_server(self, *users: str) -> None:
        """Start the servers of users, until they are ready."""
        for user in users:
            async with self.asked("POST", f"users/{quote(user)}/server") as response:
                assert response.status in {201, 202}, await response.text()

        async def ready() -> bool:
            return set(users) <= set(await self.running())

        await eventually(ready, timeout=60, of=self.log.read_text)

    async def stop_server(self, user: str) -> None:
        """Stop a user's server, until it is gone."""
        async with self.asked("DELETE", f"users/{quote(user)}/server") as response:
            assert response.status in {202, 204}, await response.text()

        async def gone() -> bool:
            async with self.asked("GET", f"users/{quote(user)}") as response:
                return not (await response.json())["servers"]

        await eventually(gone, timeout=60, of=self.log.read_text)

    async def signed_in(self, context: BrowserContext, user: str) -> Page:
        """Sign in by the form, in a new tab."""
        page = await context.new_page()
        await page.goto(f"{self.url}hub/login?next={quote('/hub/home')}")
        await page.locator("#username_input").fill(user)
        await page.locator("#password_input").fill("any")
        await page.locator("#login_submit").click()
        await page.wait_for_url("**/hub/home")
        return page

    @contextlib.asynccontextmanager
    async def browsing(self, browser: Browser, user: str) -> AsyncIterator[Page]:
        """A browser of its own in which a user is signed in."""
        async with await browser.new_context(viewport=SIZE) as context:  # type: ignore[arg-type]
            yield await self.signed_in(context, user)

    async def token_of(self, user: str) -> str:
        """A token with which programs act as a user."""
        async with self.asked("POST", f"users/{quote(user)}/tokens") as response:
            assert response.status == 201, await response.text()
            return str((await response.json())["token"])

    def embedded(self, user: str) -> Daemon:
        """The daemon that a user's server runs for itself."""
        found = desktops_of(self.directory, self.directory / "home" / user)
        assert len(found) == 1, found
        return Daemon(self.process, found[0], self.log)


@contextlib.asynccontextmanager
async def running_hub(
    directory: Path, *users: str, culler: tuple[str, ...] = (), **environ: str
) -> AsyncIterator[Hub]:
    """Run a hub for these users, whose servers are processes of this machine and get ``environ``.

    ``culler`` are the options of an idle-culler; without them there is none.
    """
    env = environment(directory)
    for user in users:
        await lab_is_configured(directory / "home" / user)
    theirs = {k: v for k, v in env.items() if k != "HOME" and not k.startswith("JUPYTER_")}
    spawner = PROCESSES.format(
        directory=directory,
        scripts=SCRIPTS,
        environ={**theirs, "JUPYTERHUB_ACTIVITY_INTERVAL": "1", **environ},
        own={user: own_display() for user in users},
    )
    async with hub_with(spawner, directory, *users, culler=culler) as hub:
        yield hub


@contextlib.asynccontextmanager
async def hub_with(
    spawner: str, directory: Path, *users: str, culler: tuple[str, ...] = (), **environ: str
) -> AsyncIterator[Hub]:
    """Run a hub for these users with the configuration of any spawner; ``environ`` is the hub's."""
    token, (port, hub_port, api_port) = secrets.token_hex(16), free_ports(3)
    services: list[dict[str, Any]] = [{"name": "tests", "api_token": token}]
    if culler:
        command = [sys.executable, "-m", "jupyterhub_idle_culler", *culler]
        services.append({"name": "culler", "command": command})
    config = directory / "jupyterhub_config.py"
    general = CONFIG.format(
        port=port,
        hub_port=hub_port,
        api_port=api_port,
        directory=directory,
        proxy=PROXY,
        secret=secrets.token_hex(16),
        services=services,
        roles=[ADMIN, CULLER] if culler else [ADMIN],
    )
    config.write_text(general + spawner)
    command_line = (sys.executable, "-m", "jupyterhub", "--config", config)
    env = environment(directory, **environ)
    async with serving(directory, *command_line, environ=env) as (process, log):
        url = f"http://127.0.0.1:{port}/"
        await answers(url, process, log)
        hub = Hub(process, directory, url, token, log)

        async def ready() -> bool:
            async with hub.asked("GET", "users") as response:
                return response.status == 200

        await eventually(ready, timeout=60, of=log.read_text)
        await hub.add(*users)
        yield hub

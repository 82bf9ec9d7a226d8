"""vizproxy within one Jupyter server: what is put together when the server starts, and its course."""

from __future__ import annotations

import asyncio
import logging
import sysconfig
from collections.abc import Coroutine, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jupyter_server.utils import url_path_join
from traitlets.config import Config as TraitsConfig

from vizproxy import virtualgl
from vizproxy.config import Config, InvalidConfigError, Jupyter, JupyterStart, VirtualGLFor, load
from vizproxy.errors import VersionError
from vizproxy.jupyter import proxy
from vizproxy.jupyter.activity import Activity
from vizproxy.jupyter.embedded import EmbeddedDesktop, command
from vizproxy.jupyter.explain import Page
from vizproxy.jupyter.handler import DesktopHandler, encoded
from vizproxy.jupyter.hub import Hub, HubReporter
from vizproxy.jupyter.launcher import Launcher
from vizproxy.jupyter.place import Embedded, choose, look_around
from vizproxy.jupyter.sidecar import SidecarDesktop, other_version
from vizproxy.jupyter.surroundings import Surroundings
from vizproxy.runtime import Layout
from vizproxy.thisside import PAGE_VARIABLE, SOCKET_VARIABLE

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

log = logging.getLogger(__name__)

PROXY: Final = "jupyter_server_proxy"

_TASKS_END_SECONDS: Final = 2.0


class Session:
    """The desktop of one Jupyter server.

    :meth:`link` is called when the server's configuration is complete, :meth:`load` when its web
    application is there, :meth:`start` when its event loop runs, :meth:`stop` when it ends.
    """

    def __init__(self, server: ServerApp, environ: MutableMapping[str, str]) -> None:
        self._server = server
        self._environ = environ
        self._config: Config | None = None
        self._desktop: SidecarDesktop | EmbeddedDesktop | None = None
        self._launcher: Launcher | None = None
        self._activity: Activity | None = None
        self._surroundings: Surroundings | None = None
        self._reporter: HubReporter | None = None
        self._virtualgl: virtualgl.VirtualGL | None = None
        self._told: tuple[Mapping[str, str], str | None] = ({}, None)
        self._tasks: set[asyncio.Task[None]] = set()
        self._proxied = False
        self._root = ""

    @property
    def _settings(self) -> Jupyter:
        return Jupyter() if self._config is None else self._config.jupyter

    # link

    def link(self) -> None:
        """Read the configuration, find the desktop, and add it to what the server proxies."""
        try:
            self._config = load(file=None, env=self._environ, flags={}).config
        except InvalidConfigError as error:
            log.warning("%s", error)
        place = choose(look_around())
        if isinstance(place, Embedded):
            log.info("the desktop is this server's own, in %s", place.runtime_dir)
            self._desktop = self._embedded(place)
        else:
            log.info("the desktop is the one behind %s", place.socket)
            self._desktop = SidecarDesktop(place.socket)
        self._proxied = self._add_entries(self._desktop)

    def _embedded(self, place: Embedded) -> EmbeddedDesktop:
        ours = {SOCKET_VARIABLE, PAGE_VARIABLE}
        return EmbeddedDesktop(
            place.runtime_dir,
            command(place.runtime_dir),
            {name: value for name, value in self._environ.items() if name not in ours},
            setpriv=self._config.programs.setpriv if self._config else "setpriv",
            started=self._daemon_started,
        )

    def _add_entries(self, desktop: SidecarDesktop | EmbeddedDesktop) -> bool:
        """Add the tiles; return whether the desktop has a route."""
        extension = self._server.extension_manager.extensions.get(PROXY)
        if extension is None or not extension.enabled:
            log.warning("no tile for the desktop: the server extension %s is not enabled", PROXY)
            return False
        try:
            servers = proxy.configured(self._server.config)
        except TypeError as error:
            log.warning("no tile for the desktop: %s", error)
            return False
        if proxy.NAME in servers:
            log.warning(
                "no tile for the desktop: ServerProxy.servers has a %r of its own", proxy.NAME
            )
            return False
        if package := proxy.other_package():
            log.warning(
                "%s has a tile that leads to this desktop, too: both are called %r",
                package,
                proxy.NAME,
            )
        entries = [
            proxy.DesktopServer(desktop, Page.read(), counts=self._counts),
            *proxy.tile_servers(self._settings.tile, servers),
        ]
        servers |= {str(entry.name): entry for entry in entries}
        self._server.update_config(TraitsConfig({"ServerProxy": {"servers": servers}}))
        return True

    # load

    def load(self) -> None:
        """Prepare what needs the web application, and have the rest started by the event loop."""
        if self._desktop is None:
            return
        settings = self._server.web_app.settings
        self._reporter = self._hub_reporter()
        self._activity = Activity(
            settings.setdefault("last_activity_times", {}),
            changed=self._reporter.active if self._reporter else lambda _: None,
        )
        self._surroundings = Surroundings(
            process=self._environ,
            terminals=_extra_environment(settings),
            socket=self._desktop.socket,
            overrides=isinstance(self._desktop, SidecarDesktop),
            virtualgl_for=self._settings.virtualgl,
            find_virtualgl=lambda: self._virtualgl,
        )
        self._root = self._page()
        page = f"{self._root}/" if self._proxied else None
        self._surroundings.begin(page, Path(sysconfig.get_path("scripts")))
        self._launcher = Launcher(
            self._desktop.socket,
            self._settings.tile,
            on_desktop=self._desktop_is,
            on_activity=self._activity.used,
            on_lost=self._activity.lost,
            on_version=self._version_is,
            environ=self._environ,
        )
        self._server.io_loop.add_callback(self.start)

    def _page(self) -> str:
        """The path of the desktop's page on this server, as it stands in an address, but for the /."""
        return encoded(url_path_join(self._server.web_app.settings["base_url"], proxy.NAME))

    def _hub_reporter(self) -> HubReporter | None:
        """Who tells the hub of activity, if there is a hub and nobody tells it yet."""
        apps = (point.app for point in self._server.extension_manager.extension_points.values())
        if any(hasattr(app, "keep_activity_updated") for app in (self._server, *apps)):
            return None
        hub = Hub.of(self._environ)
        return None if hub is None else HubReporter(hub)

    # the course of events

    async def start(self) -> None:
        """Start the desktop, if it is to be started with the server, and talk to its daemon."""
        await self._find_virtualgl()
        if (
            isinstance(self._desktop, EmbeddedDesktop)
            and self._settings.start is JupyterStart.SERVER
        ):
            self._desktop.start()
        self._in_background("launcher", self._launch())
        if self._reporter is not None:
            self._in_background("hub", self._reporter.run())

    async def stop(self) -> None:
        """End what was started, and leave nothing behind."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_TASKS_END_SECONDS)
        if isinstance(self._desktop, EmbeddedDesktop):
            await self._desktop.stop()
        if self._surroundings is not None:
            self._surroundings.end()

    async def _launch(self) -> None:
        """Talk to the daemon, once there may be one: that one of our own has yet to come is no news."""
        if self._launcher is None:
            return
        if isinstance(self._desktop, EmbeddedDesktop):
            await self._desktop.running()  # nothing is done for one that nobody wants
            await self._launcher.run(self._desktop.listening)
        else:
            await self._launcher.run()

    def _in_background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"vizproxy {name}")
        task.add_done_callback(_log_failure)
        task.add_done_callback(self._tasks.discard)
        self._tasks.add(task)

    def _daemon_started(self) -> None:
        if self._launcher is not None:
            self._launcher.try_now()

    def _desktop_is(self, environment: Mapping[str, str], virtualgl_display: str | None) -> None:
        if self._activity is not None:
            self._activity.listens()
        self._told = environment, virtualgl_display
        self._tell_surroundings()
        if virtualgl_display is not None and self._virtualgl is None:
            self._in_background("VirtualGL", self._look_again())

    def _tell_surroundings(self) -> None:
        if self._surroundings is not None:
            self._surroundings.desktop_is(*self._told)

    async def _look_again(self) -> None:
        """Look for VirtualGL once more: the desktop may have published its own meanwhile."""
        await self._find_virtualgl()
        if self._virtualgl is not None:
            self._tell_surroundings()

    async def _find_virtualgl(self) -> None:
        if self._desktop is None or self._settings.virtualgl is VirtualGLFor.NEVER:
            return
        directory = self._config.display.virtualgl_dir if self._config else None
        share = Layout(self._desktop.socket.parent).share
        self._virtualgl = await asyncio.to_thread(
            virtualgl.find, directory, dict(self._environ), share=share
        )

    def _version_is(self, error: VersionError | None) -> None:
        if isinstance(self._desktop, SidecarDesktop):
            self._desktop.misfit = None if error is None else other_version(error)

    def _counts(self, handler: DesktopHandler) -> bool:
        # For each message of a WebSocket, in both directions: nothing here may take long.
        activity = self._activity
        if activity is None:
            return True
        if handler.is_websocket:
            return activity.counts_by_itself
        return activity.counts(handler.request, self._root)


def _extra_environment(settings: dict[str, Any]) -> MutableMapping[str, str] | None:
    """What the manager of terminals adds to their environment; None without terminals."""
    manager = settings.get("terminal_manager")
    if manager is None:
        return None
    if manager.extra_env is None:
        manager.extra_env = {}
    extra: MutableMapping[str, str] = manager.extra_env
    return extra


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a bug in vizproxy: %s has ended", task.get_name(), exc_info=error)

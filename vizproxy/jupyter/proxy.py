"""The desktop as an entry of jupyter-server-proxy: its tile, and the tiles of programs.

The entries are objects in the server's configuration, not entry points of the group
``jupyter_serverproxy_servers``: an entry point gives values alone, and what answers when the desktop
cannot be reached is a handler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jupyter_server_proxy.config import ServerProcess, ServerProxy
from traitlets.config import Config
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from vizproxy.config import Tile
from vizproxy.jupyter.entries import of_tiles
from vizproxy.jupyter.explain import Page
from vizproxy.jupyter.handler import Desktop, DesktopHandler

log = logging.getLogger(__name__)

NAME: Final = "desktop"
"""The route below the server's base URL, and the entry's key in the configuration."""

TITLE: Final = "Desktop"
ICON: Final = Path(__file__).with_name("desktop.svg")

CATEGORY: Final = "Notebook"
"""The part of JupyterLab's launcher in which RStudio, VS Code and other desktops stand: the default of
jupyter-server-proxy, from which none of them departs."""

_ENTRY_POINTS: Final = "jupyter_serverproxy_servers"


class _Entry(ServerProcess):  # type: ignore[misc]  # jupyter-server-proxy has no types
    """An entry that stands for itself: what copies the configuration must not copy it."""

    def __deepcopy__(self, memo: object) -> _Entry:
        return self


class DesktopServer(_Entry):
    """The desktop: a route to the daemon's socket, and a tile."""

    def __init__(
        self, desktop: Desktop, page: Page, *, counts: Callable[[DesktopHandler], bool]
    ) -> None:
        super().__init__(
            name=NAME,
            command=[],
            unix_socket=str(desktop.socket),
            launcher_entry={"title": TITLE, "icon_path": str(ICON), "category": CATEGORY},
            new_browser_tab=False,
            update_last_activity=counts,
        )
        self._given = {"desktop": desktop, "page": page}

    def get_proxy_base_class(self) -> tuple[type, dict[str, Any]]:
        """The handler's class, and what it is initialized with."""
        return DesktopHandler, self._given


class TileServer(_Entry):
    """The tile of a program: no route of its own, but the desktop's with the program opened."""

    def __init__(self, name: str, title: str, entry_id: str, icon: Path) -> None:
        super().__init__(
            name=name,
            launcher_entry={
                "title": title,
                "icon_path": str(icon),
                "category": CATEGORY,
                "path_info": f"{NAME}/?open={quote(entry_id, safe='')}",
            },
            new_browser_tab=False,
        )

    def make_proxy_handler(self) -> tuple[None, dict[str, Any]]:
        """No handler."""
        return None, {}


def tile_servers(tiles: Sequence[Tile], taken: Collection[str]) -> Iterator[TileServer]:
    """Make the tiles of programs. Blocks: looks for their icons."""
    for tile, entry in zip(tiles, of_tiles(tiles), strict=True):
        name = f"{NAME}-{entry.id.removeprefix('tile.')}"
        if name in taken:
            log.warning("no tile for %s: there is another proxied %r", tile.name, name)
            continue
        icon = ICON if tile.icon is None else tile.icon
        if not icon.is_file():
            log.warning("the icon of the tile %s is not there: %s", tile.name, icon)
            icon = ICON
        yield TileServer(name, tile.name, entry.id, icon)


def configured(config: Config) -> dict[str, object]:
    """The proxied servers that a server's configuration names.

    Raises:
        TypeError: it names them in a form that nobody knows.
    """
    value: object = config["ServerProxy"]["servers"] if "ServerProxy.servers" in config else {}
    if isinstance(value, DeferredConfig):  # from the command line, read when it is used
        value = value.get_value(ServerProxy.servers)
    if isinstance(value, LazyConfigValue):  # c.ServerProxy.servers.update(…)
        value = value.get_value({})
    if not isinstance(value, dict):
        raise TypeError(f"ServerProxy.servers is {value!r}")
    return dict(value)


def other_package() -> str | None:
    """The package that brings an entry point of our name, if there is one."""
    for entry_point in metadata.entry_points(group=_ENTRY_POINTS, name=NAME):
        return entry_point.dist.name if entry_point.dist else entry_point.value
    return None

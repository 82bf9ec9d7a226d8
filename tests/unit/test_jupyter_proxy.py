"""The desktop as an entry of jupyter-server-proxy."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from jupyter_server_proxy.config import ServerProxy
from traitlets.config import Config
from traitlets.config.loader import DeferredConfigString

from vizproxy.config import Tile
from vizproxy.jupyter import proxy
from vizproxy.jupyter.explain import Page
from vizproxy.jupyter.handler import DesktopHandler, encoded
from vizproxy.jupyter.proxy import DesktopServer, TileServer, configured, tile_servers
from vizproxy.jupyter.sidecar import SidecarDesktop

OTHER = {"command": [], "port": 8888}


def entry(directory: Path) -> DesktopServer:
    desktop = SidecarDesktop(directory / "http.sock")
    return DesktopServer(desktop, Page.read(), counts=lambda _: False)


def test_the_tile(tmp_path: Path):
    server = entry(tmp_path)
    assert server.name == "desktop"
    assert server.launcher_entry.title == "Desktop"
    assert server.launcher_entry.path_info == "desktop/"
    assert server.launcher_entry.category == "Notebook"
    assert Path(server.launcher_entry.icon_path).read_text().startswith("<svg")
    assert server.new_browser_tab is False


def test_its_handler_is_ours_on_the_daemons_socket(tmp_path: Path):
    server = entry(tmp_path)
    handler, given = server.make_proxy_handler()
    assert handler is not None
    assert issubclass(handler, DesktopHandler)
    assert given["desktop"].socket == tmp_path / "http.sock"
    assert server.get_proxy_attributes()["unix_socket"] == str(tmp_path / "http.sock")


def test_what_copies_the_configuration_does_not_copy_the_desktop(tmp_path: Path):
    server = entry(tmp_path)
    config = Config({"ServerProxy": {"servers": {"desktop": server, "other": OTHER}}})
    loaded = ServerProxy(config=copy.deepcopy(config))
    assert loaded.servers["desktop"] is server
    assert loaded.servers["other"].port == 8888


def lazy(*updates: dict[str, object]) -> Config:
    config = Config()
    for update in updates:
        config.ServerProxy.servers.update(update)
    return config


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (Config(), set()),
        (Config({"ServerProxy": {"host_allowlist": []}}), set()),
        (Config({"ServerProxy": {"servers": {"other": OTHER}}}), {"other"}),
        (lazy({"other": OTHER}), {"other"}),
        (lazy({"other": OTHER}, {"desktop": OTHER}), {"other", "desktop"}),
        (
            Config({"ServerProxy": {"servers": DeferredConfigString("{'other': {'port': 1}}")}}),
            {"other"},
        ),
    ],
)
def test_the_users_entries_are_known_in_whatever_form(config: Config, names: set[str]):
    assert configured(config).keys() == names


def test_to_look_at_the_configuration_does_not_change_it():
    config = Config()
    configured(config)
    assert config == Config()


def test_a_form_that_nobody_knows_is_refused():
    with pytest.raises(TypeError, match="many"):
        configured(Config({"ServerProxy": {"servers": DeferredConfigString("many")}}))


def test_tiles_of_programs_open_the_desktop_with_them(tmp_path: Path):
    icon = tmp_path / "voreen.svg"
    icon.write_text("<svg/>")
    tiles = (Tile("Voreen 6", ("voreen",), icon), Tile("Voreen 6", ("voreen", "--new")))
    first, second = tile_servers(tiles, ())
    assert first.launcher_entry.title == "Voreen 6"
    assert first.launcher_entry.path_info == "desktop/?open=tile.voreen-6"
    assert first.launcher_entry.icon_path == str(icon)
    assert second.launcher_entry.path_info == "desktop/?open=tile.voreen-6-2"
    assert second.launcher_entry.icon_path == str(proxy.ICON)
    assert len({first.name, second.name, "desktop"}) == 3
    assert all(tile.make_proxy_handler() == (None, {}) for tile in (first, second))
    assert isinstance(first, TileServer)


def test_a_tile_never_takes_the_place_of_a_users_entry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    tiles = (Tile("Lab", ("lab",)), Tile("Kate", ("kate",), tmp_path / "none.svg"))
    (kate,) = tile_servers(tiles, ("desktop-lab",))
    assert kate.launcher_entry.icon_path == str(proxy.ICON)
    assert "no tile for Lab" in caplog.text
    assert "the icon of the tile Kate is not there" in caplog.text


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/desktop", "/desktop"),
        ("/user/zo%C3%AB/desktop", "/user/zo%C3%AB/desktop"),
        ("/user/zoë/desktop", "/user/zo%C3%AB/desktop"),
        ("/a b/desktop", "/a%20b/desktop"),
    ],
)
def test_addresses(path: str, address: str):
    assert encoded(path) == address

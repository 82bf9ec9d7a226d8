"""The display stack's pure parts: cookie file, templates."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from Xlib import xauth as xlib_xauth
from Xlib.error import XNoAuthError

from vizproxy import resources
from vizproxy.display import xauth, xorgconf
from vizproxy.errors import FileSystemError

# ------------------------------------------------------------------------------------ the cookie

Entry = tuple[int, bytes, bytes, bytes, bytes]


def parse(data: bytes) -> list[Entry]:
    """Read an authority file as Xau(3) lays it down."""

    def counted(at: int) -> tuple[bytes, int]:
        (length,) = struct.unpack_from(">H", data, at)
        assert at + 2 + length <= len(data)
        return data[at + 2 : at + 2 + length], at + 2 + length

    entries, at = [], 0
    while at < len(data):
        (family,) = struct.unpack_from(">H", data, at)
        at += 2
        fields = []
        for _ in range(4):
            field, at = counted(at)
            fields.append(field)
        address, number, protocol, cookie = fields
        entries.append((family, address, number, protocol, cookie))
    return entries


@given(cookie=st.binary(min_size=16, max_size=16), host=st.text(max_size=64))
def test_an_authority_file_can_be_read_back(cookie: bytes, host: str) -> None:
    local, wild = parse(xauth.authority_file(cookie, host))
    assert local == (256, host.encode(), b"", b"MIT-MAGIC-COOKIE-1", cookie)
    assert wild == (65535, b"", b"", b"MIT-MAGIC-COOKIE-1", cookie)


def test_the_cookie_is_found_in_its_file() -> None:
    cookie = xauth.new_cookie()
    assert xauth.cookie_in(xauth.authority_file(cookie, "host")) == cookie


def test_python_xlib_finds_the_cookie(tmp_path: Path) -> None:
    file = tmp_path / "Xauthority"
    cookie = xauth.new_cookie()
    file.write_bytes(xauth.authority_file(cookie, "this-host"))
    entries: Any = xlib_xauth.Xauthority(str(file))  # its types are not those of its stubs
    found = entries.get_best_auth(xlib_xauth.FamilyLocal, b"this-host", 7)
    assert found == (b"MIT-MAGIC-COOKIE-1", cookie)
    with pytest.raises(XNoAuthError):
        entries.get_best_auth(xlib_xauth.FamilyLocal, b"other-host", 7)


def test_cookies_are_long_and_differ() -> None:
    cookies = {xauth.new_cookie() for _ in range(100)}
    assert len(cookies) == 100
    assert {len(cookie) for cookie in cookies} == {16}


# --------------------------------------------------------------------------------- the templates

OPENBOX = resources.xorg_configs() / "openbox"


def test_placeholders_are_filled_in(tmp_path: Path) -> None:
    template = tmp_path / "t"
    template.write_text("${a} $a $ {a} ${a}${b}\n")
    assert xorgconf.render(template, {"a": "1", "b": "${a}"}) == "1 $a $ {a} 1${a}\n"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"c": "", "a": ""}, "try ${a}, ${c}"),
        ({}, "try a template without any"),
    ],
)
def test_an_unknown_placeholder_is_named(
    tmp_path: Path, values: dict[str, str], message: str
) -> None:
    template = tmp_path / "t"
    template.write_text("${nonsense}")
    with pytest.raises(FileSystemError) as error:
        xorgconf.render(template, values)
    expected = f"cannot fill in the template {template}: ${{nonsense}} is not known; {message}"
    assert str(error.value) == expected


def test_a_template_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileSystemError, match="no such file or directory"):
        xorgconf.render(tmp_path / "none", {})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(FileSystemError, match="it is not utf-8"):
        xorgconf.render(tmp_path / "binary", {})


def test_a_value_of_several_lines_is_indented_as_its_place_is(tmp_path: Path) -> None:
    template = tmp_path / "t"
    template.write_text("  ${a}\n# ${a}\nx ${a}\n")
    assert xorgconf.render(template, {"a": "1\n2"}) == "  1\n  2\n# 1 2\nx 1\n2\n"


# ------------------------------------------------------------------------------------- openbox

LAUNCHES = {"execute", "restart", "sessionlogout"}
"""Actions that start programs. A Restart takes a command, and a session is not ours to end."""


def elements(file: Path) -> list[tuple[str, dict[str, str]]]:
    """Tag and attributes of every element, without namespaces, in lower case."""
    root = ET.fromstring(xorgconf.render(file, {"menu": "/menu.xml"}))
    return [
        (
            element.tag.rpartition("}")[2].lower(),
            {name: value.lower() for name, value in element.attrib.items()},
        )
        for element in root.iter()
    ]


@pytest.mark.parametrize("file", sorted(OPENBOX.glob("*.xml")), ids=lambda path: path.name)
def test_the_window_manager_starts_no_program(file: Path) -> None:
    found = elements(file)
    assert len(found) > 1
    for tag, attributes in found:
        assert tag not in {"execute", "command"}
        assert attributes.get("name") not in LAUNCHES
        assert tag != "menu" or "execute" not in attributes  # a pipe menu runs a program


def test_the_window_manager_opens_only_menus_of_windows() -> None:
    root = ET.fromstring(xorgconf.render(OPENBOX / "rc.xml", {"menu": "/menu.xml"}))
    ns = "{http://openbox.org/3.4/rc}"
    shown = {
        menu.text
        for action in root.iter(f"{ns}action")
        if action.get("name") == "ShowMenu"
        for menu in action.iter(f"{ns}menu")
    }
    assert shown == {"client-menu", "client-list-combined-menu"}
    assert [file.text for file in root.iterfind(f"{ns}menu/{ns}file")] == ["/menu.xml"]


def test_the_menu_file_is_there_and_empty() -> None:
    tags = [tag for tag, _ in elements(OPENBOX / "menu.xml")]
    assert tags == ["openbox_menu", "menu"]


def test_the_theme_can_be_filled_in() -> None:
    assert xorgconf.render(OPENBOX / "themerc", {})

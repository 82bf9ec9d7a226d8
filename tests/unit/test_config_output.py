"""Showing the effective configuration, and the reference that is made from the model."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizproxy.config import SETTINGS, Config, LoadedConfig, Size, load, to_toml
from vizproxy.config.kinds import Kind, ListKind, OptionalKind
from vizproxy.config.model import SECTIONS, Setting
from vizproxy.config.numbers import BytesKind, DurationKind, IntKind, SizeKind
from vizproxy.config.reference import markdown
from vizproxy.config.rules import RULES
from vizproxy.config.tables import OptionsKind, TileKind
from vizproxy.config.texts import (
    AddressKind,
    ChoiceKind,
    ColourKind,
    OriginKind,
    PathKind,
    ProgramKind,
)
from vizproxy.config.values import Address, Tile, XorgOption

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
NAME = TEXT.filter(lambda text: "/" not in text and not any(map(str.isspace, text)))
HOSTS = st.from_regex(r"[a-z]([a-z0-9-]{0,9}[a-z0-9])?(\.[a-z]{2,3})?", fullmatch=True)
ADDRESSES = HOSTS | st.ip_addresses().map(str)
PORTS = st.integers(0, 65535)
PATHS = TEXT.map(lambda text: Path("/", text)).filter(lambda path: str(path) == str(path).strip())
COMMANDS = st.lists(NAME, min_size=1, max_size=3).map(tuple)
OPTION_NAMES = st.from_regex(r"x[A-Za-z0-9_ ]{0,9}[a-z]", fullmatch=True)
OPTIONS = st.builds(XorgOption, OPTION_NAMES, NAME.filter(lambda text: '"' not in text))
PLAIN: Mapping[type[Kind[Any]], st.SearchStrategy[Any]] = {
    AddressKind: st.builds(Address, ADDRESSES, PORTS),
    OriginKind: st.builds("https://{}:{}".format, HOSTS, st.integers(1, 442)),
    ColourKind: st.from_regex(r"#[0-9a-f]{6}", fullmatch=True),
    PathKind: PATHS,
    ProgramKind: NAME | NAME.map(lambda name: f"/usr/bin/{name}"),
    OptionsKind: st.lists(OPTIONS, max_size=3, unique_by=lambda option: option.key).map(tuple),
    TileKind: st.builds(Tile, NAME, COMMANDS, st.none() | PATHS),
}
"""Values of kinds that have no bounds."""


def values(kind: Kind[Any]) -> st.SearchStrategy[Any]:
    """Make valid values of a kind."""
    match kind:
        case OptionalKind(inner):
            return st.none() | values(inner)
        case ListKind(inner):
            return st.lists(values(inner), unique=True, max_size=3).map(tuple)
        case IntKind(minimum, maximum) | BytesKind(minimum, maximum):
            return st.integers(minimum, maximum)
        case DurationKind(shortest, longest):
            return st.floats(shortest, longest)
        case SizeKind(least, most):
            widths = st.integers(least.width, most.width)
            return st.builds(Size, widths, st.integers(least.height, most.height))
        case ChoiceKind(choices):
            return st.sampled_from(choices)
        case _ if type(kind) in PLAIN:
            return PLAIN[type(kind)]
    pytest.fail(f"no values for {kind}")


@st.composite
def configs(draw: st.DrawFn) -> LoadedConfig:
    """Make valid configurations, of which every value has some source."""
    drawn: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for setting in SETTINGS.values():
        drawn[setting.section][setting.key] = draw(values(setting.kind), label=setting.path)
    config = Config(**{name: model(**drawn[name]) for name, model in SECTIONS.items()})
    drawn["display"]["size"] = min(config.display.size, config.display.max_size, key=_area)
    drawn["display"]["max_size"] = max(config.display.size, config.display.max_size, key=_area)
    backoff = sorted([config.supervision.backoff_initial, config.supervision.backoff_max])
    drawn["supervision"] |= dict(zip(["backoff_initial", "backoff_max"], backoff, strict=True))
    size, most = drawn["display"]["size"], drawn["display"]["max_size"]
    drawn["display"]["max_size"] = Size(max(size.width, most.width), max(size.height, most.height))
    each, together = config.broker.app_framebuffer, config.broker.framebuffer
    if each is not None and together is not None:
        drawn["broker"] |= {
            "app_framebuffer": min(each, together),
            "framebuffer": max(each, together),
        }
    config = Config(**{name: model(**drawn[name]) for name, model in SECTIONS.items()})
    assert not [rule for rule in RULES if rule.check(config)]
    sources = st.sampled_from(["default", "odd\nname\udcff.toml", "--flag"]) | st.text(max_size=5)
    return LoadedConfig(config, {path: draw(sources) for path in SETTINGS})


def _area(size: Size) -> int:
    return size.width * size.height


# ------------------------------------------------------------------------------ to_toml


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shown") / "shown.toml"


@settings(max_examples=40)
@given(loaded=configs())
def test_the_text_loads_to_an_equal_configuration(shown: Path, loaded: LoadedConfig) -> None:
    shown.write_text(to_toml(loaded), encoding="utf-8")
    again = load(file=shown, env={}, flags={})
    assert again.config == loaded.config
    written = {path for path, source in again.sources.items() if source == "shown.toml"}
    unset = {path for path in SETTINGS if _value(again.config, SETTINGS[path]) is None}
    assert written == set(SETTINGS) - unset


def _value(config: Config, setting: Setting) -> object:
    return getattr(getattr(config, setting.section), setting.key)


def test_each_line_names_its_source_in_an_aligned_comment() -> None:
    loaded = load(
        file=None,
        env={"XDG_RUNTIME_DIR": "/run", "VIZPROXY_HTTP_SOCKET": "/srv/http.sock"},
        flags={"http.allowed_origins": "https://hub.example.org"},
    )
    assert to_toml(loaded).splitlines()[:7] == [
        "[runtime]",
        'dir = "/run/vizproxy"  # default',
        "",
        "[http]",
        'socket = "/srv/http.sock"                      # VIZPROXY_HTTP_SOCKET',
        "# listen is not set                            # default",
        'allowed_origins = ["https://hub.example.org"]  # --http-allowed-origins',
    ]


def test_the_text_has_every_section_and_only_they() -> None:
    text = to_toml(load(file=None, env={}, flags={}))
    assert list(tomllib.loads(text)) == [field.name for field in fields(Config)]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


# ---------------------------------------------------------------------------- reference


def rows() -> dict[str, list[str]]:
    """Get the reference's rows as cells, by the name of the variable."""
    lines = [line for line in markdown().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[3].strip("`"): row for row in cells}


def test_the_reference_has_a_row_for_every_setting() -> None:
    table = rows()
    assert list(table) == [setting.variable for setting in SETTINGS.values()]
    for setting in SETTINGS.values():
        row = table[setting.variable]
        assert len(row) == 5
        assert row[0] == f"`{setting.key}`"
        assert row[4] == setting.doc


def test_the_reference_explains_forms_bounds_and_defaults() -> None:
    table = rows()
    assert table["VIZPROXY_DISPLAY_SIZE"][1:3] == [
        "WIDTHxHEIGHT such as 1600x900 (64x64 to 16384x16384)",
        '`"1600x900"`',
    ]
    assert table["VIZPROXY_DISPLAY_NUMBER"][1:3] == [
        "a whole number from 0 to 65535; optional",
        "unset",
    ]
    assert table["VIZPROXY_DISPLAY_DPI"][1:3] == [
        "a whole number of dots per inch from 48 to 480",
        "`96`",
    ]
    assert "XDG_RUNTIME_DIR" in table["VIZPROXY_RUNTIME_DIR"][2]
    assert "(64KiB to 64MiB)" in table["VIZPROXY_VIEWER_MAX_MESSAGE"][1]


def test_a_row_is_one_line_of_a_table() -> None:
    headings = [line for line in markdown().splitlines() if line.startswith("### ")]
    assert headings == [f"### `[{section}]`" for section in SECTIONS]

"""The options of the `[xorg]` section."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.configuring import config
from vizproxy.config import InvalidConfigError, XorgOption


def device(text: str, file: Path) -> tuple[XorgOption, ...]:
    return config(text, at=file).config.xorg.device


def test_options_are_a_table_of_texts_booleans_and_numbers(toml: Path) -> None:
    text = """
[xorg.device]
HardDPMS = false
"Metro Mode" = "a, b"
Retries = 3
"""
    assert device(text, toml) == (
        XorgOption("HardDPMS", "false"),
        XorgOption("Metro Mode", "a, b"),
        XorgOption("Retries", "3"),
    )


def test_a_variable_holds_them_between_commas() -> None:
    env = {"VIZPROXY_XORG_SERVER_FLAGS": " BlankTime = 5,DontZap=false"}
    assert config(env=env).config.xorg.server_flags == (
        XorgOption("BlankTime", "5"),
        XorgOption("DontZap", "false"),
    )
    assert config(env={"VIZPROXY_XORG_SERVER_FLAGS": ""}).config.xorg.server_flags == ()


@pytest.mark.parametrize("name", ["Monitor-DFP-0", "Monitor-DP-1.2", "Option: a/b+c"])
def test_names_hold_what_names_of_outputs_do(name: str, toml: Path) -> None:
    assert device(f"[xorg.device]\n'{name}' = 'virtual'\n", toml) == (XorgOption(name, "virtual"),)
    env = {"VIZPROXY_XORG_DEVICE": f"{name}=virtual"}
    assert config(env=env).config.xorg.device == (XorgOption(name, "virtual"),)


def test_the_x_server_compares_names_loosely() -> None:
    assert XorgOption("Hard_dpms", "x").key == XorgOption("HardDPMS", "y").key


def test_a_table_that_is_not_set_is_empty(toml: Path) -> None:
    assert device("[xorg]\n", toml) == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("device = 5", "expected a table, got an integer"),
        (
            "device = {A1 = 1.5}",
            "expected 'A1' to be a string, a boolean or an integer, got a float",
        ),
        ("device = {A1 = ['x']}", "got a list"),
        ("device = {'a\"b' = 'x'}", "is no name of an option"),
        ("device = {Monitor- = 'x'}", "is no name of an option"),
        ("device = {'1a' = 'x'}", "is no name of an option"),
        ("device = {'' = 'x'}", "'' is empty"),
        ("device = {A1 = ''}", "'' is empty"),
        ("device = {A1 = 'x\"y'}", 'contains a "'),
        ('device = {A1 = "x\\ny"}', "contains a control character, a line break"),
        (f"device = {{A1 = '{'x' * 513}'}}", "is longer than 512 characters"),
        ("device = {HardDPMS = true, hard_dpms = 1}", "is the same option as 'HardDPMS'"),
        ("device = {Bus_ID = 'PCI:1:0:0'}", "is no option but a line of its own"),
    ],
)
def test_options_that_cannot_be(line: str, why: str, toml: Path) -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        config(f"[xorg]\n{line}\n", at=toml)
    (problem,) = refusal.value.problems
    assert str(problem).startswith(f"xorg.device ({toml.name}): ")
    assert why in str(problem)


def test_a_text_without_a_value_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="'HardDPMS' has no = after the option's name"):
        config(env={"VIZPROXY_XORG_DEVICE": "HardDPMS"})

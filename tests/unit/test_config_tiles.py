"""The `[[jupyter.tile]]` tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.configuring import config
from vizproxy.config import InvalidConfigError, Tile


def tiles(text: str, file: Path) -> tuple[Tile, ...]:
    return config(text, at=file).config.jupyter.tile


def test_tiles_are_tables_of_name_command_and_icon(toml: Path) -> None:
    text = """
[[jupyter.tile]]
name = "Voreen"
command = "voreen --file 'a b.vws'"
icon = "icons/voreen.svg"

[[jupyter.tile]]
name = "ParaView 5.13"
command = ["/opt/paraview/bin/paraview", ""]
"""
    assert tiles(text, toml) == (
        Tile("Voreen", ("voreen", "--file", "a b.vws"), toml.parent / "icons" / "voreen.svg"),
        Tile("ParaView 5.13", ("/opt/paraview/bin/paraview", "")),
    )


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("name = 'x'", "'command' is missing"),
        ("command = 'x'", "'name' is missing"),
        ("name = ''\ncommand = 'x'", "'' is empty"),
        ("name = 5\ncommand = 'x'", "expected 'name' to be a string, got an integer"),
        (f"name = '{'x' * 41}'\ncommand = 'x'", "is longer than 40 characters"),
        ("name = 'x'\ncommand = []", "'command' is empty"),
        ("name = 'x'\ncommand = ['']", "'command' is empty"),
        ("name = 'x'\ncommand = ['a', 5]", "expected 'command' to be a string or a list"),
        ("name = 'x'\ncommand = ['a', \"b\\u0000\"]", "contains a control character"),
        ('name = "x"\ncommand = "voreen \'"', "cannot be split into words (no closing quotation)"),
        ("name = 'x'\ncommand = 'x'\nicon = 5", "expected a string, got an integer"),
        ("name = 'x'\ncommand = 'x'\nicno = 'y'", "there is no key 'icno' (did you mean icon?)"),
    ],
)
def test_a_tile_that_cannot_be(table: str, why: str, toml: Path) -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        tiles(f"[[jupyter.tile]]\n{table}\n", toml)
    (problem,) = refusal.value.problems
    assert str(problem).startswith(f"jupyter.tile ({toml.name}): item 1: ")
    assert why in str(problem)


def test_a_variable_cannot_hold_one() -> None:
    with pytest.raises(InvalidConfigError, match="expected a table, got a string"):
        config(env={"VIZPROXY_JUPYTER_TILE": "voreen"})
    assert config(env={"VIZPROXY_JUPYTER_TILE": ""}).config.jupyter.tile == ()

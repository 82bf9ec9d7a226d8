"""The kinds of setting that are tables in TOML."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vizproxy.config.kinds import InvalidValueError, Kind, quoted
from vizproxy.config.texts import PathKind, did_you_mean
from vizproxy.config.values import Tile

if TYPE_CHECKING:
    from pathlib import Path

    from vizproxy.config.kinds import Place

MAX_TILE_NAME: Final = 40
_TILE_KEYS: Final = ("name", "command", "icon")


@dataclass(frozen=True, slots=True)
class TileKind(Kind[Tile]):
    """A program for JupyterLab's launcher: a table with a name, a command and maybe an icon."""

    @property
    def form(self) -> str:
        """What a tile looks like."""
        return '{name = "Voreen", command = "voreen --fast", icon = "voreen.svg"}'

    def from_text(self, text: str, place: Place) -> Tile:  # noqa: ARG002 - the interface has it
        """Refuse: a text has no form for it."""
        raise self.refusal(text, "can stand in a configuration file only")

    def from_toml(self, value: object, place: Place) -> Tile:
        """Read a TOML table; raise InvalidValueError if a key is wrong, missing or unknown."""
        if not isinstance(value, dict):
            raise self.type_refusal(value, "a table")
        for key in value:
            if key not in _TILE_KEYS:
                why = f"there is no key {key!r}{did_you_mean(str(key), _TILE_KEYS)}"
                raise InvalidValueError(f"{why}; give {self.form}")
        icon = value.get("icon")
        return Tile(
            name=self._name(value.get("name")),
            command=self._command(value.get("command")),
            icon=None if icon is None else self._icon(icon, place),
        )

    def to_toml(self, value: Tile) -> str:
        """Write a one-line TOML table."""
        words = ", ".join(quoted(word) for word in value.command)
        icon = "" if value.icon is None else f", icon = {quoted(str(value.icon))}"
        return f"{{name = {quoted(value.name)}, command = [{words}]{icon}}}"

    def _name(self, name: object) -> str:
        if not isinstance(name, str):
            raise (
                self.type_refusal(name, "'name' to be a string")
                if name is not None
                else (InvalidValueError(f"'name' is missing; give {self.form}"))
            )
        self.check_text(name)
        if len(name) > MAX_TILE_NAME:
            raise self.refusal(name, f"is longer than {MAX_TILE_NAME} characters")
        return name

    def _command(self, command: object) -> tuple[str, ...]:
        if command is None:
            raise InvalidValueError(f"'command' is missing; give {self.form}")
        if isinstance(command, str):
            self.check_text(command)
            try:
                command = shlex.split(command)
            except ValueError as error:
                raise self.refusal(
                    command, f"cannot be split into words ({str(error).lower()})"
                ) from None
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise self.type_refusal(command, "'command' to be a string or a list of strings")
        if not command or not command[0]:
            raise InvalidValueError(f"'command' is empty; give {self.form}")
        for word in filter(str.strip, command):
            self.check_text(word.strip())
        return tuple(command)

    def _icon(self, icon: object, place: Place) -> Path:
        return PathKind().from_toml(icon, place)

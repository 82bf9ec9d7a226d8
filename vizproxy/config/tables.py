"""The kinds of setting that are tables in TOML."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vizproxy.config.kinds import InvalidValueError, Kind, quoted
from vizproxy.config.texts import PathKind, did_you_mean
from vizproxy.config.values import Tile, XorgOption

if TYPE_CHECKING:
    from pathlib import Path

    from vizproxy.config.kinds import Place

MAX_TILE_NAME: Final = 40
MAX_OPTION_VALUE: Final = 512
_TILE_KEYS: Final = ("name", "command", "icon")
_OPTION_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ .:+/-]{0,62}[A-Za-z0-9]")
"""Xorg takes any text. These are the signs that options have, such as those with an output's name:
``Monitor-DFP-0`` (xorg.conf(5))."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_KEYWORDS: Final = frozenset(
    {
        *(
            "biosbase",
            "busid",
            "card",
            "chipset",
            "clocks",
            "defaultdepth",
            "defaultfbbpp",
            "device",
        ),
        *(
            "displaysize",
            "driver",
            "gamma",
            "gpudevice",
            "horizsync",
            "identifier",
            "iobase",
            "irq",
        ),
        *("matchseat", "membase", "mode", "modeline", "modes", "monitor", "ramdac", "screen"),
        *("usemodes", "vertrefresh", "videoram", "virtual"),
    }
)
"""Words that begin lines of their own in those sections (xorg.conf(5)), as :attr:`XorgOption.key`."""


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


@dataclass(frozen=True, slots=True)
class OptionsKind(Kind[tuple[XorgOption, ...]]):
    """Options of one section of an X server's configuration: a table of names and values."""

    @property
    def form(self) -> str:
        """What a table looks like, and a text."""
        return '{HardDPMS = false, UseEdid = "false"}, or as a text HardDPMS=false,UseEdid=false'

    def from_text(self, text: str, place: Place) -> tuple[XorgOption, ...]:  # noqa: ARG002
        """Read ``Name=value`` between commas; so a value with a comma must come from a file."""
        pairs = []
        for part in text.split(",") if text.strip() else ():
            name, equals, value = part.partition("=")
            if not equals:
                raise self.refusal(part.strip(), "has no = after the option's name")
            pairs.append((name.strip(), value.strip()))
        return self._checked(pairs)

    def from_toml(self, value: object, place: Place) -> tuple[XorgOption, ...]:  # noqa: ARG002
        """Read a TOML table; raise InvalidValueError with what is wrong with it."""
        if not isinstance(value, dict):
            raise self.type_refusal(value, "a table")
        return self._checked([(name, self._text(name, given)) for name, given in value.items()])

    def to_toml(self, value: tuple[XorgOption, ...]) -> str:
        """Write a one-line TOML table of strings."""
        items = (f"{_key(option.name)} = {quoted(option.value)}" for option in value)
        return f"{{{', '.join(items)}}}"

    def _text(self, name: str, value: object) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and abs(value) < 10**18:
            return str(value)
        if not isinstance(value, str):
            raise self.type_refusal(value, f"{name!r} to be a string, a boolean or an integer")
        return value

    def _checked(self, pairs: list[tuple[str, str]]) -> tuple[XorgOption, ...]:
        found: dict[str, XorgOption] = {}
        for name, value in pairs:
            option = XorgOption(name, value)
            self._check(option)
            if option.key in found:
                raise self.refusal(name, f"is the same option as {found[option.key].name!r}")
            found[option.key] = option
        return tuple(found.values())

    def _check(self, option: XorgOption) -> None:
        self.check_text(option.name)
        self.check_text(option.value)
        if not _OPTION_NAME.fullmatch(option.name):
            raise self.refusal(option.name, "is no name of an option")
        if option.key in _KEYWORDS:
            why = (
                "is no option but a line of its own, which a template in xorg.templates can change"
            )
            raise self.refusal(option.name, why)
        if '"' in option.value:
            raise self.refusal(option.value, 'contains a ", which ends every value in xorg.conf')
        if len(option.value) > MAX_OPTION_VALUE:
            raise self.refusal(option.value, f"is longer than {MAX_OPTION_VALUE} characters")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else quoted(name)

"""Reads the configuration: defaults, then a TOML file, then the environment, then flags.

Later layers win. Everything that is wrong in any layer is found before anything is reported, so
that one :class:`InvalidConfigError` tells a person all there is to fix.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from vizproxy.config.document import DocumentError, read_document
from vizproxy.config.kinds import InvalidValueError, Place, type_noun
from vizproxy.config.model import SECTIONS, SETTINGS, Config, flag_name
from vizproxy.config.names import (
    PREFIX,
    is_service_link,
    known_variables,
    suggest_key,
    suggest_section,
    suggest_variable,
    toml_path,
)
from vizproxy.config.rules import RULES
from vizproxy.config.texts import PathKind
from vizproxy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vizproxy.config.model import Setting

CONFIG_VARIABLE: Final = "VIZPROXY_CONFIG"
DEFAULT_SOURCE: Final = "default"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: at which dotted path, in which source, and what.

    ``path`` is empty when a whole file cannot be used.
    """

    path: str
    source: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path} ({self.source})" if self.path else self.source
        return printable(f"{where}: {self.message}")


class InvalidConfigError(ConfigError):
    """The configuration has problems; its text shows all of them, one on each line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            "use the configuration", count, "the configuration reference, which has every setting"
        )
        self.problems = problems

    def __str__(self) -> str:
        return "\n  ".join([self.message, *map(str, self.problems)])


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration, and where the value of each setting (by dotted path) came from.

    A source is ``default``, the file's name, an environment variable or a flag.
    """

    config: Config
    sources: Mapping[str, str]


@dataclass(slots=True)
class _Findings:
    """What has been read so far: the values of the highest layers, and all problems."""

    values: dict[str, object] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: str, source: str, message: str) -> None:
        self.problems.append(Problem(path, source, message))

    def take(self, setting: Setting, source: str, read: Callable[[], object]) -> None:
        """Take a setting's value from a layer above all that were taken before."""
        path = setting.path
        self.sources[path] = source
        try:
            self.values[path] = read()
        except InvalidValueError as error:
            self.broken.add(path)
            for message in error.messages:
                self.report(path, source, message)
        else:
            self.broken.discard(path)


def load(*, file: Path | None, env: Mapping[str, str], flags: Mapping[str, str]) -> LoadedConfig:
    """Read the configuration from all of its layers.

    ``file`` is a TOML file that must exist; without one, ``VIZPROXY_CONFIG`` may name it. ``env``
    is the environment, of which also ``HOME`` and ``XDG_RUNTIME_DIR`` count. ``flags`` holds raw
    texts by dotted path (``{"display.size": "800x600"}``); in messages each is called by its
    :attr:`Setting.flag`, ``--display-size``.

    Relative paths start from the file's directory (as the file is named, links not followed) when
    they stand in the file, and from the current directory elsewhere.

    Raises InvalidConfigError with everything that is wrong.
    """
    found = _Findings()
    place = Place(_current_directory(), _home(env))
    _read_defaults(env, found)
    _read_file(file, env, place, found)
    _read_environment(env, place, found)
    _read_flags(flags, place, found)
    config = _assemble(found)
    for rule in RULES:
        if found.broken.isdisjoint(rule.reads) and (message := rule.check(config)):
            found.report(rule.path, found.sources[rule.path], message)
    if found.problems:
        raise InvalidConfigError(tuple(found.problems))
    return LoadedConfig(config, MappingProxyType(found.sources))


def printable(text: str) -> str:
    """Escape what would break a line, confuse a terminal or not encode as UTF-8."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _current_directory() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def _home(env: Mapping[str, str]) -> Path | None:
    home = env.get("HOME", "")
    if not home:
        # Containers often run under a user id that has no entry.
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return Path(home) if Path(home).is_absolute() else None


def _default_runtime_dir(env: Mapping[str, str]) -> Path:
    # The XDG base directory specification has relative paths ignored.
    parent = env.get("XDG_RUNTIME_DIR", "")
    try:
        return PathKind().from_text(parent, Place(None, None)) / "vizproxy"
    except InvalidValueError:
        return Path(f"/tmp/vizproxy-{os.getuid()}")  # noqa: S108 - made by its owner with mode 0700


def _read_defaults(env: Mapping[str, str], found: _Findings) -> None:
    for path, setting in SETTINGS.items():
        found.values[path] = setting.default
        found.sources[path] = DEFAULT_SOURCE
    found.values["runtime.dir"] = _default_runtime_dir(env)


def _read_file(file: Path | None, env: Mapping[str, str], place: Place, found: _Findings) -> None:
    if file is None:
        named = env.get(CONFIG_VARIABLE, "")
        if not named:
            return
        try:
            file = PathKind().from_text(named, place)
        except InvalidValueError as error:
            for message in error.messages:
                found.report("", CONFIG_VARIABLE, message)
            return
    try:
        document = read_document(file)
    except DocumentError as error:
        found.report("", str(file), str(error))
        return
    base = file.parent if place.base is None else place.base / file.parent
    _read_sections(document, file.name, Place(base, place.home), found)


def _read_sections(
    document: Mapping[str, object], source: str, place: Place, found: _Findings
) -> None:
    for name, section in document.items():
        if name not in SECTIONS:
            if isinstance(section, dict):
                message = f"there is no such section{suggest_section(name)}"
            else:
                message = f"there is no such setting{suggest_key('', name)}"
            found.report(toml_path(name), source, message)
        elif not isinstance(section, dict):
            message = f"expected a table, got {type_noun(section)}; write its settings in [{name}]"
            found.report(name, source, message)
        else:
            _read_section(name, section, source, place, found)


def _read_section(
    name: str, section: Mapping[str, object], source: str, place: Place, found: _Findings
) -> None:
    for key, value in section.items():
        setting = SETTINGS.get(f"{name}.{key}")
        if setting is None:
            message = f"there is no such setting{suggest_key(name, key)}"
            found.report(toml_path(name, key), source, message)
        else:
            found.take(setting, source, partial(setting.kind.from_toml, value, place))


def _read_environment(env: Mapping[str, str], place: Place, found: _Findings) -> None:
    variables = known_variables()
    for name in sorted(env):
        text = env[name]
        if not name.startswith(PREFIX):
            continue
        if name not in variables:
            if not is_service_link(name, text):
                found.report(name, "environment", f"no such variable{suggest_variable(name)}")
            continue
        if setting := variables[name]:
            found.take(setting, name, partial(setting.kind.from_text, text, place))


def _read_flags(flags: Mapping[str, str], place: Place, found: _Findings) -> None:
    for path, text in flags.items():
        setting = SETTINGS.get(path)
        if setting is None:
            section, _, key = path.rpartition(".")
            message = f"there is no such setting{suggest_key(section, key)}"
            found.report(path, flag_name(path), message)
        else:
            found.take(setting, setting.flag, partial(setting.kind.from_text, text, place))


def _assemble(found: _Findings) -> Config:
    """Make the model out of what was read; where that was wrong, of the next lower layer."""
    sections: dict[str, dict[str, object]] = {name: {} for name in SECTIONS}
    for path, value in found.values.items():
        setting = SETTINGS[path]
        sections[setting.section][setting.key] = value
    return Config(**{name: model(**sections[name]) for name, model in SECTIONS.items()})

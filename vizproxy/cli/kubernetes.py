"""``vizproxy kubernetes render``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vizproxy.config import load as read_settings
from vizproxy.errors import ConfigError
from vizproxy.kubernetes import Choices, load
from vizproxy.kubernetes.render import Format, render


def run(form: str, file: Path | None, typed: Sequence[str]) -> int:
    """Print what the choices in a file, or the defaults, make of one format.

    Raises:
        ConfigError: they make no sense, or the Pod's ``typed`` choices are none of them.
    """
    choices = Choices() if file is None else load(file)
    _check_settings(choices.sidecar.environment)
    print(render(choices, Format(form), _chosen(typed)), end="")
    return 0


def _check_settings(environment: Mapping[str, str]) -> None:
    """Check the sidecar's settings: with a wrong one it ends at once, and no server would start."""
    told = {name: text for name, text in environment.items() if "{" not in text}
    read_settings(file=None, env=told, flags={})


def _chosen(typed: Sequence[str]) -> dict[str, str]:
    chosen = {}
    for text in typed:
        name, found, choice = text.partition("=")
        if not (name and found and choice):
            raise ConfigError("use --choose", f"{text!r} is not OPTION=CHOICE", "--choose gpu=none")
        chosen[name] = choice
    return chosen

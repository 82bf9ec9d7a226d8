"""``vizproxy kubernetes render``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vizproxy.errors import ConfigError
from vizproxy.kubernetes import Choices, load
from vizproxy.kubernetes.render import Format, render


def run(form: str, file: Path | None, typed: Sequence[str]) -> int:
    """Print what the choices in a file, or the defaults, make of one format.

    Raises:
        ConfigError: they make no sense, or the Pod's ``typed`` choices are none of them.
    """
    choices = Choices() if file is None else load(file)
    print(render(choices, Format(form), _chosen(typed)), end="")
    return 0


def _chosen(typed: Sequence[str]) -> dict[str, str]:
    chosen = {}
    for text in typed:
        name, found, choice = text.partition("=")
        if not (name and found and choice):
            raise ConfigError("use --choose", f"{text!r} is not OPTION=CHOICE", "--choose gpu=none")
        chosen[name] = choice
    return chosen

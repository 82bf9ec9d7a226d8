"""``vizproxy config xorg``: the configuration files that the X servers would get."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from vizproxy import resources
from vizproxy.config import Config, LoadedConfig
from vizproxy.display import facts, plan, xorgconf
from vizproxy.errors import PlanError
from vizproxy.facts import recording
from vizproxy.facts.model import Machine
from vizproxy.facts.probe import probe

DESKTOP: Final = "desktop"
THREE_D: Final = "3d"


def show(loaded: LoadedConfig, *, server: str | None, replay: Path | None) -> int:
    """Print the file of one X server, or of all that there would be."""
    texts = configurations(loaded.config, _machine(loaded.config, replay))
    if server is not None and server not in texts:
        raise PlanError(
            "print the configuration of the 3D X server",
            "the plan has none",
            f"--server {DESKTOP}, or --plan virtualgl",
        )
    print("\n\n".join(texts.values() if server is None else [texts[server]]), end="")
    return 0


def configurations(config: Config, machine: Machine) -> dict[str, str]:
    """The configuration of each X server that there would be on a machine.

    Raises:
        PlanError: the rendering plan cannot be carried out.
        FileSystemError: a template cannot be read or filled in.
    """
    seen = facts.for_plan(machine, config)
    chosen = plan.choose(config.display, seen)
    templates = resources.xorg_configs()
    texts = {DESKTOP: xorgconf.desktop_conf(config, chosen, seen, templates)}
    three_d = xorgconf.gpu_conf(config, chosen, seen, templates)
    if three_d is not None:
        texts[THREE_D] = three_d
    return texts


def _machine(config: Config, replay: Path | None) -> Machine:
    if replay is None:
        return probe(config, os.environ)
    return recording.read(replay).facts

"""Machines as they were recorded, written from documents or seen; each file tells which."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vizproxy.facts import recording
from vizproxy.facts.model import Machine

DIRECTORY: Final = Path(__file__).parent
NAMES: Final = tuple(sorted(path.stem for path in DIRECTORY.glob("*.json")))


def path_of(name: str) -> Path:
    return DIRECTORY / f"{name}.json"


def load(name: str) -> Machine:
    """The facts of the recorded machine of that name."""
    return recording.read(path_of(name)).facts

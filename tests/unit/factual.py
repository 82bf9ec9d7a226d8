"""Made-up machines: trees of files in which facts are looked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from vizproxy.config import Config, Display, Programs, Runtime
from vizproxy.facts.model import Fact


def config(*, xorg: str = "/usr/lib/xorg/Xorg", **display: Any) -> Config:
    return Config(
        Runtime(Path("/run/user/1000/vizproxy")),
        display=Display(**display),
        programs=Programs(xorg=xorg),
    )


def make(root: Path, *paths: str, content: bytes = b"") -> None:
    """Make files, and the directories above them."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def make_gpu(root: Path, address: str, minor: int, model: str = "NVIDIA A40") -> None:
    """What NVIDIA's kernel driver tells of a GPU."""
    text = f"Model: \t\t {model}\nBus Location: \t {address}\nDevice Minor: \t {minor}\n"
    make(root, f"proc/driver/nvidia/gpus/{address}/information", content=text.encode())


def facts_in(value: object) -> Iterator[Fact[Any]]:
    """Every fact within a value of the model."""
    if isinstance(value, Fact):
        yield value
    if isinstance(value, tuple):
        for item in value:
            yield from facts_in(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from facts_in(getattr(value, field.name))


def told(value: object) -> bool:
    """Whether each fact within a value is a value or a reason, and never both or neither."""
    return all((fact.value is None) == bool(fact.reason) for fact in facts_in(value))

"""Kubernetes quantities, and what JupyterHub calls the same amounts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from vizproxy.amounts import amount_text

_SUFFIXES: Final = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTP", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTP", 1)},
}
"""Of the suffixes that Kubernetes knows, those that somebody would write for cores and memory
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/)."""

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", re.ASCII)


def parse(quantity: str) -> Decimal:
    """Read a quantity; raises ValueError if it is none, or zero."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None or found[2] not in _SUFFIXES or not Decimal(found[1]):
        raise ValueError(quantity)
    return Decimal(found[1]) * _SUFFIXES[found[2]]


def cores(quantity: str) -> float:
    """Processor cores, as KubeSpawner's ``cpu_limit`` has them."""
    return float(parse(quantity))


def memory(quantity: str) -> str | int:
    """Memory as JupyterHub's ``mem_limit`` has it: bytes, or a text, whose ``G`` is 1024³ of them."""
    count = int(parse(quantity))
    for suffix, size in (("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if count % size == 0:
            return f"{count // size}{suffix}"
    return count


def of_hub(amount: str | int) -> str:
    """An amount of :func:`memory` as Kubernetes writes it: ``4G`` of a hub is ``4Gi``."""
    return str(amount) if isinstance(amount, int) else f"{amount}i"


def cores_text(quantity: str) -> str:
    """Cores for people: ``2 cores``."""
    text = f"{cores(quantity):g}"
    return f"{text} core" if text == "1" else f"{text} cores"


def memory_text(quantity: str) -> str:
    """Memory for people: ``8 GiB``."""
    return amount_text(int(parse(quantity)))

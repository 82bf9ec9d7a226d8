"""PCI addresses as xorg.conf writes them."""

from __future__ import annotations

import re
from typing import Final

_PCI_ADDRESS: Final = re.compile(
    r"(?P<domain>[0-9a-f]+):(?P<bus>[0-9a-f]{2}):(?P<device>[0-9a-f]{2})\.(?P<function>[0-7])"
)


def xorg_bus_id(address: str) -> str:
    """Write a PCI address as xorg.conf wants it: ``0000:3b:00.0`` is ``PCI:59@0:0:0``.

    The kernel and NVIDIA's tools count in hexadecimal, xorg.conf in decimal (xorg.conf(5), "BusID").
    Empty for what is no address.
    """
    found = _PCI_ADDRESS.fullmatch(address.lower())
    if found is None:
        return ""
    part = {name: int(text, 16) for name, text in found.groupdict().items()}
    return f"PCI:{part['bus']}@{part['domain']}:{part['device']}:{part['function']}"

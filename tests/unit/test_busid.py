"""PCI addresses as xorg.conf writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.display.busid import xorg_bus_id


@given(
    domain=st.integers(0, 0x10FFFF),
    bus=st.integers(0, 0xFF),
    device=st.integers(0, 0x1F),
    function=st.integers(0, 7),
    wide=st.booleans(),
)
def test_a_pci_address_in_decimal(
    domain: int, bus: int, device: int, function: int, wide: bool
) -> None:
    """The kernel writes four digits of the domain or more, NVIDIA's tools eight, in upper case."""
    kernel = f"{domain:04x}:{bus:02x}:{device:02x}.{function}"
    nvidia = f"{domain:08X}:{bus:02X}:{device:02X}.{function}"
    expected = f"PCI:{bus}@{domain}:{device}:{function}"
    assert xorg_bus_id(nvidia if wide else kernel) == expected


@pytest.mark.parametrize(
    ("address", "bus_id"),
    [
        # xorg.conf(5), "BusID": PCI:bus@domain:device:function, "e.g. PCI:1@0:0:0"
        ("0000:01:00.0", "PCI:1@0:0:0"),
        # NVML in a guest, by `nvidia-smi -q`
        ("00000000:00:10.0", "PCI:0@0:16:0"),
        ("00000000:0A:00.0", "PCI:10@0:0:0"),
        # domains other than 0, of which Intel's VMD makes such as do not fit in four digits
        ("0002:3b:00.0", "PCI:59@2:0:0"),
        ("10000:e1:00.1", "PCI:225@65536:0:1"),
        ("ffff:ff:1f.7", "PCI:255@65535:31:7"),
    ],
)
def test_documented_pci_addresses(address: str, bus_id: str) -> None:
    assert xorg_bus_id(address) == bus_id


@pytest.mark.parametrize("text", ["", "nonsense", "0000:3b:00", "0000:3b:00.9", "3b:00.0"])
def test_what_is_no_pci_address(text: str) -> None:
    assert xorg_bus_id(text) == ""

"""What is found on a machine, in made-up trees."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.config import Config, Display, GpuDriver, Runtime
from vizproxy.display.facts import look, xorg_bus_id
from vizproxy.display.plan import Facts


def config(**display: object) -> Config:
    return Config(Runtime(Path("/run/x")), display=Display(**display))  # type: ignore[arg-type]


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def make_gpu(root: Path, address: str, minor: int) -> None:
    directory = root / "proc/driver/nvidia/gpus" / address
    directory.mkdir(parents=True)
    text = f"Model: \t\t NVIDIA A40\nBus Location: \t {address}\nDevice Minor: \t {minor}\n"
    (directory / "information").write_text(text)


def test_a_bare_machine(tmp_path: Path) -> None:
    assert look(config(), {"PATH": ""}, root=tmp_path) == Facts()


def test_a_gpu_with_all_that_it_needs(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("dev/nvidia0", "dev/nvidiactl", "dev/nvidia-modeset", "dev/nvidia-caps/nvidia-cap1"),
        *("dev/dri/card0", "dev/dri/renderD128"),
        "usr/lib/xorg/modules/drivers/nvidia_drv.so",
        "usr/lib/xorg/modules/extensions/libglxserver_nvidia.so.550.127.05",
        *("opt/VirtualGL/lib64/libdlfaker.so", "opt/VirtualGL/lib64/libvglfaker.so"),
    )
    make_gpu(tmp_path, "0000:3b:00.0", 0)
    assert look(config(), {"PATH": ""}, root=tmp_path) == Facts(
        gpu_nodes=(f"{tmp_path}/dev/nvidia0",),
        render_nodes=(f"{tmp_path}/dev/dri/renderD128",),
        gpu_bus_id="PCI:59@0:0:0",
        x_driver=True,
        virtualgl=True,
    )


def test_the_gpu_is_the_one_whose_node_is_here(tmp_path: Path) -> None:
    """A container may see every GPU of the node in /proc."""
    make(tmp_path, "dev/nvidia2")
    for minor, bus in enumerate(["3b", "5e", "af"]):
        make_gpu(tmp_path, f"0000:{bus}:00.0", minor)
    assert look(config(), {}, root=tmp_path).gpu_bus_id == "PCI:175@0:0:0"


def test_a_place_that_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    make(tmp_path, "dev/nvidia0")
    (tmp_path / "proc/driver/nvidia/gpus/0000:3b:00.0/information").mkdir(parents=True)
    assert look(config(), {}, root=tmp_path).gpu_bus_id == ""


@pytest.mark.parametrize(
    "paths",
    [
        ("usr/lib/xorg/modules/drivers/nvidia_drv.so",),
        ("usr/lib/xorg/modules/extensions/libglxserver_nvidia.so",),
    ],
)
def test_half_an_x_driver_is_none(tmp_path: Path, paths: tuple[str, ...]) -> None:
    make(tmp_path, *paths)
    assert not look(config(), {}, root=tmp_path).x_driver


def test_an_x_driver_where_a_distribution_has_it(tmp_path: Path) -> None:
    place = "usr/lib/x86_64-linux-gnu/nvidia/xorg"
    make(tmp_path, f"{place}/nvidia_drv.so", f"{place}/libglxserver_nvidia.so")
    assert look(config(), {}, root=tmp_path).x_driver


def test_what_the_configuration_says(tmp_path: Path) -> None:
    vgl = tmp_path / "vgl"
    make(tmp_path, "vgl/lib64/libdlfaker.so", "vgl/lib64/libvglfaker.so")
    facts = look(config(gpu_driver=GpuDriver.NVIDIA, virtualgl_dir=vgl), {}, root=tmp_path)
    assert (facts.x_driver, facts.virtualgl, facts.virtualgl_dir) == (True, True, vgl)
    assert facts.gpu_driver is GpuDriver.NVIDIA


@given(
    domain=st.integers(0, 0xFFFF),
    bus=st.integers(0, 0xFF),
    device=st.integers(0, 0x1F),
    function=st.integers(0, 7),
    wide=st.booleans(),
)
def test_a_pci_address_in_decimal(
    domain: int, bus: int, device: int, function: int, wide: bool
) -> None:
    """The kernel writes four digits of the domain, NVIDIA's tools eight, in upper case."""
    kernel = f"{domain:04x}:{bus:02x}:{device:02x}.{function}"
    nvidia = f"{domain:08X}:{bus:02X}:{device:02X}.{function}"
    expected = f"PCI:{bus}@{domain}:{device}:{function}"
    assert xorg_bus_id(nvidia if wide else kernel) == expected


@pytest.mark.parametrize("text", ["", "nonsense", "0000:3b:00", "0000:3b:00.9", "3b:00.0"])
def test_what_is_no_pci_address(text: str) -> None:
    assert xorg_bus_id(text) == ""

"""GPUs of other makers than NVIDIA, on made-up machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.gpumachines import dri, machine, nvidia
from vizproxy.config import Config, Display, GpuDriver, Runtime
from vizproxy.display.facts import for_plan
from vizproxy.display.plan import Facts
from vizproxy.facts.model import Machine, unknown

RENDER = dri("renderD128")
CARD = dri("card0")


def facts(machine: Machine, **display: Any) -> Facts:
    return for_plan(machine, Config(Runtime(Path("/run/x")), display=Display(**display)))


def whats(found: Facts) -> tuple[list[str], list[str]]:
    return [lack.what for lack in found.x_lacks], [lack.what for lack in found.egl_lacks]


def test_a_gpu_of_another_maker() -> None:
    found = facts(machine(dri_nodes=(CARD, RENDER), x_drivers=("dummy", "modesetting")))
    assert found.gpu is not None
    assert str(found.gpu) == "i915 GPU, /dev/dri/card0"
    assert (found.gpu.driver, found.gpu.bus_id) == (GpuDriver.MODESETTING, "PCI:0@0:2:0")
    assert whats(found) == ([], [])


@pytest.mark.parametrize(
    ("x_drivers", "driver"),
    [(("amdgpu", "modesetting"), GpuDriver.AMDGPU), (("modesetting",), GpuDriver.MODESETTING)],
)
def test_amd_has_a_driver_of_its_own(x_drivers: tuple[str, ...], driver: GpuDriver) -> None:
    nodes = (dri("card1", "amdgpu"), dri("renderD128", "amdgpu"))
    found = facts(machine(dri_nodes=nodes, x_drivers=x_drivers)).gpu
    assert found is not None
    assert (found.driver, found.node) == (driver, "/dev/dri/card1")


@pytest.mark.parametrize(
    ("files", "x", "egl"),
    [
        (
            {"dri_nodes": (RENDER,)},
            ["the GPU's card node (/dev/dri/card0) is not there"],
            [],
        ),
        (
            {"dri_nodes": (dri("card0", usable=False, mode="0660"), RENDER)},
            ["/dev/dri/card0 may not be opened (mode 0660, owner 0:105)"],
            [],
        ),
        (
            {"dri_nodes": (CARD, dri("renderD128", usable=False, mode="0660"))},
            [],
            ["/dev/dri/renderD128 may not be opened (mode 0660, owner 0:105)"],
        ),
        (
            {"dri_nodes": (CARD, RENDER), "x_drivers": ("dummy",), "egl_vendors": ()},
            ["Xorg's driver 'modesetting' is not installed"],
            ["Mesa's EGL is not installed"],
        ),
    ],
)
def test_what_a_gpu_of_another_maker_lacks(
    files: dict[str, Any], x: list[str], egl: list[str]
) -> None:
    found = facts(machine(**files))
    assert found.gpu is not None
    assert whats(found) == (x, egl)


def test_nodes_that_may_not_be_opened_are_no_gpu() -> None:
    closed = [dri(name, usable=False, mode="0660") for name in ("card0", "renderD128")]
    found = facts(machine(dri_nodes=tuple(closed)))
    assert found.gpu is None
    assert whats(found)[1] == ["/dev/dri/renderD128 may not be opened (mode 0660, owner 0:105)"]


@pytest.mark.parametrize(
    "nodes",
    [(dri("card0", "ast"),), (dri("card0", "vgem"), dri("renderD128", "vgem"))],
)
def test_what_shows_pictures_and_draws_none_is_no_gpu(nodes: tuple[Any, ...]) -> None:
    assert facts(machine(dri_nodes=nodes)) == Facts()
    named = facts(machine(dri_nodes=nodes[:1]), gpu_driver=GpuDriver.MODESETTING)
    assert (named.gpu is not None) == (nodes[0].driver.value == "ast")


@pytest.mark.parametrize(
    "kernel", ["virtio_gpu", "virtio-pci", "vmwgfx", "qxl", "simple-framebuffer"]
)
def test_a_hypervisors_screen_is_a_gpu_only_if_a_driver_is_named(kernel: str) -> None:
    of = machine(dri_nodes=(dri("card0", kernel), dri("renderD128", kernel)))
    assert facts(of) == Facts()
    assert facts(of, gpu_driver=GpuDriver.NVIDIA).gpu is None
    assert facts(of, gpu_driver=GpuDriver.MODESETTING).gpu is not None


def test_egl_draws_on_the_gpus_own_card_node() -> None:
    of = machine(dri_nodes=(dri("card0", "ast", "0000:03:00.0"), dri("card1"), RENDER))
    assert facts(of).egl_display == "/dev/dri/card1"
    closed = dri("card1", usable=False, mode="0660")
    assert facts(machine(dri_nodes=(closed, RENDER))).egl_display == "egl0"


def test_nodes_that_have_no_place_belong_together_in_their_order() -> None:
    nodes = tuple(
        replace(dri(name, "panfrost"), address=unknown("it is not on the PCI bus"))
        for name in ("card0", "renderD128")
    )
    found = facts(machine(dri_nodes=nodes)).gpu
    assert found is not None
    assert (found.node, found.bus_id) == ("/dev/dri/card0", "")


def test_nvidias_gpu_comes_first_unless_another_driver_is_named() -> None:
    nodes = (dri("card0", "nvidia", "0000:3b:00.0"), dri("card1"), RENDER)
    both = nvidia(dri_nodes=nodes)
    assert str(facts(both).gpu) == "NVIDIA A40, /dev/nvidia0"
    assert str(facts(both, gpu_driver=GpuDriver.MODESETTING).gpu) == "i915 GPU, /dev/dri/card1"
    other = facts(machine(dri_nodes=nodes[1:]), gpu_driver=GpuDriver.NVIDIA)
    assert whats(other) == (["no NVIDIA GPU was found"], [])

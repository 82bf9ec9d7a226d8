"""What the doctor says of the driver, which must not contradict the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import machines
from tests.unit.doctoring import case, finding, findings, levels, machine, with_files, with_system
from vizproxy.display.plan import RenderingPlan
from vizproxy.doctor.model import Level
from vizproxy.facts.model import Library, Machine, known, unknown
from vizproxy.facts.nvml import NOT_HERE

GREEN, YELLOW = Level.GREEN, Level.YELLOW


def without_nvml(of: Machine) -> Machine:
    nvml = replace(of.nvml, driver=unknown(NOT_HERE), gpus=unknown(NOT_HERE))
    return replace(of, nvml=nvml)


def plan_of(of: Machine | str) -> RenderingPlan:
    chosen = case(of).plan
    assert isinstance(chosen, RenderingPlan)
    return chosen


@pytest.mark.parametrize("name", machines.NAMES)
def test_xorgs_modules_are_found_wanting_by_both_or_by_neither(name: str) -> None:
    """By the plan and by the doctor, if there is a GPU to be used."""
    here = case(name)
    if here.facts.gpu is None or not findings("x-modules", name):
        return
    modules = ("nvidia_drv", "libglxserver", "DRIVER_CAPABILITIES")
    lacks = any(word in lack.what for lack in here.facts.x_lacks for word in modules)
    assert (levels("x-modules", name) == {YELLOW}) == lacks


def test_strays_are_told_of_and_no_fault() -> None:
    stray = Library("/usr/lib/nvidia/current/nvidia_drv.so", "525.147.05")
    modules = machine("bare-t4").files.x_modules.get(())
    seen = with_files("bare-t4", x_modules=known((*modules, stray)))
    assert plan_of(seen).name == "virtualgl"
    found = finding("x-modules", seen)
    assert found.level is GREEN
    assert found.what.endswith("(not in use: nvidia_drv.so is of version 525.147.05)")


def test_modules_of_another_version_alone() -> None:
    modules = machine("bare-t4").files.x_modules.get(())
    old = tuple(replace(module, version="525.147.05") for module in modules)
    found = finding("x-modules", with_files("bare-t4", x_modules=known(old)))
    assert found.level is YELLOW
    assert found.what == (
        "nvidia_drv.so and libglxserver_nvidia.so are of version 525.147.05, the kernel's module is "
        "550.127.05"
    )


def test_a_module_that_lacks_its_link() -> None:
    found = finding("x-modules", "glx-module-without-link")
    assert found.level is YELLOW
    assert found.what.endswith("so.550.127.05 has no link libglxserver_nvidia.so beside it")
    assert "`ln -s libglxserver_nvidia.so.550.127.05 /usr/lib/" in found.remedy


def test_capabilities_alone_are_not_blamed_where_egl_is_here() -> None:
    name = "cdi-compute-utility"
    capability, modules = finding("capabilities", name), finding("x-modules", name)
    assert (capability.level, modules.level) == (YELLOW, YELLOW)
    assert "the node's driver may be to blame as well" in capability.why
    assert "NVIDIA_DRIVER_CAPABILITIES=all" in modules.remedy
    assert "GPU Operator" in modules.remedy
    assert levels("egl", name) == {GREEN}
    assert "nothing to draw with" not in plan_of(name).warning


def test_only_the_variable_is_blamed_where_nothing_of_graphics_is_here() -> None:
    assert finding("x-modules", "no-graphics-capability").remedy.endswith(
        "(`env:` of the Pod); the node's driver needs them, too"
    )
    assert finding("egl", "no-graphics-capability").remedy.startswith(
        "set NVIDIA_DRIVER_CAPABILITIES=all"
    )


def test_without_utility_all_draws_and_nothing_is_told() -> None:
    seen = with_system(
        without_nvml(machine("bare-t4")), driver_capabilities=known("graphics,display")
    )
    assert plan_of(seen).name == "virtualgl"
    found = finding("capabilities", seen)
    assert found.level is YELLOW
    assert found.what == "NVIDIA_DRIVER_CAPABILITIES=graphics,display leaves out utility"
    assert found.remedy.startswith("add utility to NVIDIA_DRIVER_CAPABILITIES")
    for check in ("nodes", "x-modules", "egl"):
        assert levels(check, seen) == {GREEN}


def test_a_container_that_was_given_no_gpu_of_its_node_hears_nothing_of_drivers() -> None:
    """What the kernel tells in a container is about the node."""
    seen = with_files(
        with_system(without_nvml(machine("bare-t4")), visible_devices=unknown("it is not set")),
        nvidia_nodes=known(()),
        dri_nodes=known(()),
        x_modules=known(()),
        gl_libraries=known(()),
    )
    for check in ("capabilities", "nodes", "x-modules"):
        assert findings(check, seen) == ()


def test_egl_of_another_version_alone() -> None:
    libraries = machine("bare-t4").files.gl_libraries.get(())
    mixed = tuple(replace(one, version="525.1") if "EGL" in one.path else one for one in libraries)
    found = finding("egl", with_files("bare-t4", gl_libraries=known(mixed)))
    assert found.level is YELLOW
    assert "of version 525.1, the kernel's module is 550.127.05" in found.what


def test_egl_that_is_not_told_of_the_driver() -> None:
    found = finding("egl", with_files("cdi-compute-utility", egl_vendors=known(("50_mesa.json",))))
    assert found.remedy.startswith("put that file into /usr/share/glvnd/egl_vendor.d")

"""Corners of the checks of GPU and driver that no recorded machine has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.doctoring import (
    case,
    finding,
    findings,
    levels,
    machine,
    with_files,
    with_gpu,
    with_system,
)
from vizproxy.doctor.examine import examine
from vizproxy.doctor.model import Level
from vizproxy.facts.model import (
    Gpu,
    Library,
    Machine,
    Node,
    Nvml,
    known,
    unknown,
)
from vizproxy.facts.nvml import LOST, NOT_HERE

GREEN, YELLOW, RED = Level


def without_gpu_facts(name: str = "no-gpu") -> set[str]:
    """The ids of the checks that have something to say on a machine."""
    return {found.check for found in examine(case(name)).findings}


# ------------------------------------------------------------------------------- GPU and driver


def test_without_a_gpu_what_belongs_to_one_is_left_out() -> None:
    assert not without_gpu_facts() & {
        *("driver", "capabilities", "nodes", "x-modules", "licence", "profile")
    }


def test_a_gpu_that_is_not_given_names_the_signs_of_it() -> None:
    found = finding("gpu", "gpu-not-given")
    assert found.level is YELLOW
    assert "NVIDIA_VISIBLE_DEVICES=all" in found.what
    assert "runtimeClassName: nvidia" in found.remedy
    assert "--gpus all" in found.remedy


def test_a_driver_that_shows_no_gpu() -> None:
    seen = machine("bare-t4")
    nvml = replace(seen.nvml, gpus=known(()))
    files = replace(seen.files, nvidia_nodes=known(()), kernel_gpus=known(()))
    found = finding("gpu", replace(seen, nvml=nvml, files=files))
    assert (found.level, found.what) == (YELLOW, "the driver is here, but shows no GPU")


def test_a_gpu_of_another_maker_is_named() -> None:
    found = finding("gpu", "amd-gpu")
    assert found.level is GREEN
    assert "/dev/dri/card0" in found.what


def test_the_dummy_driver_is_no_gpu() -> None:
    found = finding("gpu", "no-gpu", display__gpu_driver="dummy")
    assert (found.level, found.what) == (
        GREEN,
        "the dummy driver stands in for one, as configured",
    )
    # and the plans for one need VirtualGL all the same
    assert levels("virtualgl", "no-gpu", display__gpu_driver="dummy") == {YELLOW}


def test_gpus_beside_the_one_that_is_used() -> None:
    seen = machine("bare-t4")
    (gpu,) = seen.nvml.gpus.get(())
    two = replace(seen, nvml=replace(seen.nvml, gpus=known((gpu, gpu))))
    assert finding("gpu", two).what.endswith("; 2 GPUs are here, and this one is used")
    assert "; 1 more of this machine is not given" in finding("gpu", "two-gpus-one-visible").what


def test_libraries_that_do_not_tell_their_version_are_no_mismatch() -> None:
    libraries = (Library("/usr/lib/libGLX_nvidia.so.0", ""),)
    seen = with_files("bare-t4", gl_libraries=known(libraries))
    assert levels("driver", seen) == {GREEN}


def with_libraries(*names: str) -> Machine:
    """The machine with these client libraries, named with their versions; 550.127.05 runs."""
    found = (Library(f"/usr/lib/{name}", name.partition(".so.")[2]) for name in names)
    return with_files("bare-t4", gl_libraries=known(tuple(found)))


RUNNING = ("libGLX_nvidia.so.550.127.05", "libEGL_nvidia.so.550.127.05")


def test_libraries_of_another_version_beside_those_that_fit() -> None:
    """What the plan is chosen by, and what is told, are one: there is one of the kernel's version."""
    assert levels("driver", with_libraries(*RUNNING)) == {GREEN}
    seen = with_libraries(*RUNNING, "libGLX_nvidia.so.535.1")
    found = finding("driver", seen)
    assert (found.level, found.what) == (
        YELLOW,
        "libGLX_nvidia.so.535.1 of version 535.1 is beside the libraries of 550.127.05, which runs",
    )
    assert "from the image" in found.remedy
    on_host = with_system(seen, container=known(value=False))
    assert "image" not in finding("driver", on_host).remedy


def test_libraries_of_which_some_fit() -> None:
    found = finding("driver", with_libraries(RUNNING[0], "libEGL_nvidia.so.535.1"))
    assert (found.level, found.what) == (
        YELLOW,
        "the kernel's module is 550.127.05, libEGL_nvidia.so.535.1 is of version 535.1",
    )


def test_libraries_none_of_which_fits() -> None:
    found = finding("driver", with_libraries("libGLX_nvidia.so.535.1", "libEGL_nvidia.so.535.2"))
    assert (found.level, found.what) == (
        RED,
        "the kernel's module is 550.127.05, the libraries are 535.1 and 535.2",
    )


def without_nvml(**system: Any) -> Machine:
    seen = with_system("bare-t4", **system)
    return replace(seen, nvml=Nvml(unknown(NOT_HERE), unknown(NOT_HERE)))


def test_without_nvml_programs_draw_all_the_same() -> None:
    seen = without_nvml(driver_capabilities=known("graphics,display"))
    found = finding("driver", seen)
    assert found.level is YELLOW
    assert "programs draw all the same" in found.why
    for check in ("gpu", "driver", "capabilities"):
        assert finding(check, seen).remedy.startswith("add utility to NVIDIA_DRIVER_CAPABILITIES ")
    assert "nvidia runtime" in finding("driver", without_nvml()).remedy
    on_host = without_nvml(container=known(value=False))
    assert "libnvidia-ml1" in finding("driver", on_host).remedy


# ------------------------------------------------------------------- the node's, and not given


def test_what_the_kernel_tells_in_a_container_is_of_the_node() -> None:
    found = finding("gpu", "cpu-pod-on-gpu-node")
    assert (found.level, found.what) == (
        GREEN,
        "the node has Tesla T4 (2 of them); none is given to this container",
    )
    assert not without_gpu_facts("cpu-pod-on-gpu-node") & {"driver", "capabilities", "x-modules"}
    on_host = with_system("cpu-pod-on-gpu-node", container=known(value=False))
    assert levels("gpu", on_host) == {RED}
    assert levels("driver", on_host) == {YELLOW}  # NVML's library is not here


@pytest.mark.parametrize("visible", ["", "none", "void"])
def test_a_container_that_asks_for_no_gpu(visible: str) -> None:
    seen = with_system("cpu-pod-on-gpu-node", visible_devices=known(visible))
    assert levels("gpu", seen) == {GREEN}


def test_the_driver_without_a_gpu_as_it_was_asked_for() -> None:
    """With "none" the toolkit mounts the driver, and makes the nodes that are of no GPU."""
    nodes = known(tuple(Node(f"/dev/{n}", "0666", 0, 0, True) for n in ("nvidiactl", "nvidia-uvm")))
    seen = with_files("cpu-pod-on-gpu-node", nvidia_nodes=nodes)
    seen = replace(seen, nvml=Nvml(known("550.127.05"), known(())))
    asked = with_system(seen, visible_devices=known("none"))
    assert levels("gpu", asked) == {GREEN}
    assert finding("driver", asked).what == "550.127.05, the same in kernel and libraries"
    assert finding("gpu", seen).what == "the driver is here, but shows no GPU"


def test_a_gpu_that_is_asked_for_and_not_given() -> None:
    found = finding("gpu", "gpu-not-given")
    assert found.level is YELLOW
    assert found.what == (
        "the node has Tesla T4 (2 of them); none is given to this container, although "
        "NVIDIA_VISIBLE_DEVICES=all asks for one"
    )
    assert findings("driver", "gpu-not-given") == ()
    assert findings("capabilities", "gpu-not-given") == ()


def test_a_gpu_that_the_configuration_asks_for() -> None:
    found = finding("gpu", "no-gpu", display__gpu_driver="nvidia")
    assert (found.level, found.what) == (
        YELLOW,
        "none is here, although the configuration asks for one (display.gpu_driver)",
    )


def test_another_makers_gpu_beside_the_nodes_nvidia_ones() -> None:
    kernel = machine("cpu-pod-on-gpu-node").files
    seen = with_files(
        with_system("amd-gpu", container=known(value=True)),
        kernel_driver=kernel.kernel_driver,
        kernel_gpus=kernel.kernel_gpus,
    )
    assert finding("gpu", seen).what == finding("gpu", "amd-gpu").what
    assert finding("nodes", seen).what == finding("nodes", "amd-gpu").what


# ------------------------------------------------------------------------------- several GPUs


def with_gpus(*gpus: Gpu) -> Machine:
    seen = machine("bare-t4")
    return replace(seen, nvml=replace(seen.nvml, gpus=known(gpus)))


def test_a_lost_gpu_beside_one_that_works() -> None:
    (works,) = machine("bare-t4").nvml.gpus.get(())
    (lost,) = machine("gpu-lost").nvml.gpus.get(())
    nameless = replace(lost, address=unknown(LOST), uuid=unknown(LOST))
    placed = replace(lost, address=known("0000:af:00.0"))
    for gpus in ((works, nameless, placed), (nameless, placed, works)):
        well, first, second = findings("gpu", with_gpus(*gpus))
        assert (well.level, first.level, second.level) == (GREEN, YELLOW, YELLOW)
        assert well.what.startswith("Tesla T4, ")
        assert first.what == f"another GPU does not answer ({LOST})"
        assert second.what == f"another GPU, 0000:af:00.0, does not answer ({LOST})"


def test_a_gpu_that_does_not_tell_its_name_answers_all_the_same() -> None:
    seen = with_gpu("bare-t4", name=unknown("the driver's answer is no text"))
    found = finding("gpu", seen)
    assert found.level is GREEN
    assert found.what.startswith("a GPU whose name is not known, ")

"""Corners of the checks of GPU and driver that no recorded machine has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.doctoring import (
    GOOD,
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
from vizproxy.doctor.model import Finding, Level
from vizproxy.facts.model import (
    Library,
    Licence,
    Machine,
    Node,
    Virtualization,
    known,
    unknown,
)

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


def test_nvml_of_another_version_than_the_kernels_module() -> None:
    seen = machine("bare-t4")
    other = replace(seen, nvml=replace(seen.nvml, driver=known("1.2.3")))
    assert "the libraries are 1.2.3" in finding("driver", other).what


def test_a_licence_that_cannot_be_told() -> None:
    seen = with_gpu(licence=unknown("the driver does not tell"))
    found = finding("licence", seen)
    assert found.level is YELLOW
    assert found.what.endswith(": the driver does not tell")


def test_a_licence_is_asked_for_on_a_vgpu_alone() -> None:
    unlicensed = known(Licence("vWS", licensed=False))
    bare = with_gpu(licence=unlicensed, virtualization=known(Virtualization.PASSTHROUGH))
    assert findings("licence", bare) == ()


def test_a_desktop_on_a_vgpu_may_be_cut() -> None:
    found = finding("profile", "t4-1b", display__plan="direct")
    assert found.level is YELLOW
    assert "can grow to " in found.why
    assert levels("profile", "t4-1b") == {GREEN}  # on another plan the desktop is not on it


def test_a_vgpu_whose_name_is_not_understood() -> None:
    assert findings("profile", with_gpu(name=known("NVIDIA Something"))) == ()


def test_mig_slices_with_graphics() -> None:
    (device,) = machine("a100-mig-slice").nvml.gpus.get(())[0].mig_devices.get(())
    drawing = replace(device, name=known("NVIDIA RTX PRO 6000 MIG 1g.24gb+gfx"))
    seen = with_gpu("a100-mig-slice", mig_devices=known((drawing,)))
    assert findings("profile", seen) == ()
    assert levels("x-modules", seen) == {GREEN}


@pytest.mark.parametrize("check", ["capabilities", "x-modules"])
def test_what_draws_is_left_out_for_a_gpu_that_cannot(check: str) -> None:
    assert findings(check, "a100-mig-slice") == ()
    assert findings(check, "a40-8c") == ()


# --------------------------------------------------------------------------- what is handed in


def test_capabilities_that_are_not_set_are_the_toolkits_default() -> None:
    seen = with_system("no-graphics-capability", driver_capabilities=unknown("it is not set"))
    found = finding("capabilities", seen)
    assert found.level is YELLOW
    assert found.what == (
        "NVIDIA_DRIVER_CAPABILITIES is not set, which means utility,compute and leaves out graphics "
        "and display"
    )


def test_with_cdi_the_variable_does_not_matter() -> None:
    seen = with_system("bare-t4", driver_capabilities=unknown("it is not set"))
    assert finding("capabilities", seen).what == (
        "NVIDIA_DRIVER_CAPABILITIES is not set, and need not be"
    )


def test_on_a_host_there_are_no_capabilities() -> None:
    assert findings("capabilities", with_system("bare-t4", container=known(value=False))) == ()


def node(path: str, mode: str = "0666", *, gid: int = 0, usable: bool = True) -> Node:
    return Node(path, mode, 0, gid, usable)


T4_NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-modeset", "/dev/nvidia-uvm")


def with_nodes(*paths: str) -> Finding:
    return finding("nodes", with_files("bare-t4", nvidia_nodes=known(tuple(map(node, paths)))))


def test_nodes_that_are_missing() -> None:
    assert with_nodes(*T4_NODES).what == "/dev/nvidiactl, /dev/nvidia0, /dev/nvidia-modeset"
    assert with_nodes(*T4_NODES[:2], "/dev/nvidia-uvm").what == "/dev/nvidia-modeset is not here"
    assert with_nodes("/dev/nvidia1", "/dev/nvidia-modeset").what == (
        "/dev/nvidiactl and /dev/nvidia0 are not here"
    )


def test_a_node_that_no_group_may_use() -> None:
    nodes = (*map(node, T4_NODES[1:]), node("/dev/nvidiactl", "0600", usable=False))
    found = finding("nodes", with_files("bare-t4", nvidia_nodes=known(nodes)))
    assert found.remedy.startswith("have the mode of the node set to 0666 ")


def with_usable(*paths: str) -> Machine:
    """The machine with an AMD GPU, of whose nodes these alone may be used."""
    nodes = machine("amd-gpu").files.dri_nodes.get(())
    return with_files(
        "amd-gpu",
        dri_nodes=known(
            tuple(replace(n, node=replace(n.node, usable=n.node.path in paths)) for n in nodes)
        ),
    )


def test_render_nodes_that_may_not_be_used() -> None:
    found = finding("nodes", with_usable("/dev/dri/card0"))
    assert found.level is YELLOW
    assert "supplementalGroups: [105]" in found.remedy


def test_a_gpu_of_another_maker_that_cannot_be_used() -> None:
    found = finding("gpu", with_usable())
    assert found.level is YELLOW
    assert found.what.endswith("/dev/dri/card0, which cannot be used")
    assert levels("nodes", with_usable()) == {YELLOW}
    assert findings("x-modules", with_usable()) == ()  # which are NVIDIA's


def test_on_a_host_the_packages_of_xs_modules_are_named() -> None:
    seen = with_system("gpu-operator-without-x-modules", container=known(value=False))
    assert "xserver-xorg-video-nvidia" in finding("x-modules", seen).remedy
    assert "GPU Operator" in finding("x-modules", "gpu-operator-without-x-modules").remedy


def test_one_module_without_the_other() -> None:
    modules = machine("bare-t4").files.x_modules.get(())
    seen = with_files("bare-t4", x_modules=known(modules[:1]))
    assert finding("x-modules", seen).what == "libglxserver_nvidia.so is not here"


def test_virtualgl_in_another_place() -> None:
    found = finding("virtualgl", "troubled-container", display__virtualgl_dir="/opt/other")
    assert found.what == "VirtualGL is not in /opt/other"
    assert "display.virtualgl_dir" in found.remedy


# ------------------------------------------------------------------------------------- frames


def test_a_template_that_lets_the_screen_sleep() -> None:
    given = case("bare-t4")
    asleep = {name: text.replace("DPMS", "dPMS") for name, text in given.configurations.items()}
    assert {f.level for f in examine(replace(given, configurations=asleep)).of("frame-rate")} == {
        GREEN
    }  # Xorg does not care how it is written
    gone = {"3d": given.configurations["3d"].replace('"HardDPMS" "false"', '"HardDPMS" "true"')}
    (found,) = examine(replace(given, configurations=gone)).of("frame-rate")
    assert found.what == "the 3D X server's template lets the screen sleep"
    assert "HardDPMS" in found.remedy
    (found,) = examine(replace(given, configurations={"desktop": ""})).of("frame-rate")
    assert 'Option "DPMS" "false"' in found.remedy


def test_the_limiter_of_b_profiles() -> None:
    assert "45 frames/s" in finding("frame-rate", "t4-1b").what
    assert "60 frames/s" in finding("frame-rate", GOOD).what

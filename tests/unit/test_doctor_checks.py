"""Corners of the checks of licence, profile, and what is handed in, that no recorded machine has."""

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
    Licence,
    Machine,
    Node,
    Virtualization,
    known,
    unknown,
)

GREEN, YELLOW, RED = Level


# ----------------------------------------------------------------------------- licence, profile


def test_a_licence_that_cannot_be_told() -> None:
    seen = with_gpu(licence=unknown("the driver does not tell"))
    found = finding("licence", seen)
    assert found.level is YELLOW
    assert found.what.endswith(": the driver does not tell")


def test_a_licence_is_asked_for_on_a_vgpu_alone() -> None:
    none = unknown("this is no vGPU, so it needs none")
    bare = with_gpu(licence=none, virtualization=known(Virtualization.PASSTHROUGH))
    assert findings("licence", bare) == ()


def test_a_vgpu_that_only_its_name_tells_of() -> None:
    mode = unknown("the driver is too old to tell")
    unlicensed = with_gpu("a40-8q-unlicensed", virtualization=mode)
    assert levels("licence", unlicensed) == {RED}
    assert ", a vGPU, " in finding("gpu", unlicensed).what
    assert levels("licence", with_gpu(virtualization=mode, licence=mode)) == {YELLOW}


def test_a_licence_that_is_known_is_told() -> None:
    mode, name = unknown("the driver does not tell"), known("NVIDIA Something")
    unlicensed = known(Licence("vWS", licensed=False))
    assert levels("licence", with_gpu(name=name, virtualization=mode, licence=unlicensed)) == {RED}


def test_a_desktop_on_a_vgpu_may_be_cut() -> None:
    direct = {"display__plan": "direct"}
    for wish in ({"display__max_size": "7000x4000"}, {"display__size": "7680x4320"}):
        found = finding("profile", "t4-1b", **direct, **wish)
        assert found.level is YELLOW
        assert "cannot be as large as configured" in found.why
        assert levels("profile", "t4-1b", **wish) == {GREEN}  # by another plan it is not on it
    # Nobody wished for the largest size there is.
    found = finding("profile", "t4-1b", **direct)
    assert found.level is GREEN
    assert found.why.startswith(
        "the desktop is on the GPU: it starts with 1600x900 and can grow to "
    )
    assert finding("profile", "t4-1b", **direct, display__max_size="1920x1080").why == ""


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
    assert "60 frames/s; no" in finding("frame-rate", GOOD).what
    assert finding("frame-rate", "a40-8c").what == "no screen is put to sleep"  # it draws nothing


def test_without_a_licence_the_limiter_has_less_to_allow() -> None:
    found = finding("frame-rate", "a40-8q-unlicensed")
    assert (found.level, found.what) == (
        GREEN,
        "the vGPU's limiter allows 60 frames/s, once it is licensed; no screen sleeps",
    )

"""What files tell of GPUs, in made-up trees."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.unit.factual import config, make, make_gpu, told
from vizproxy.facts.calls import DriverCalls
from vizproxy.facts.files import read
from vizproxy.facts.model import (
    DriNode,
    Fact,
    KernelGpu,
    Library,
    Node,
    VirtualGLInstall,
    known,
    unknown,
)

TRIPLET = f"{os.uname().machine}-linux-gnu"
NOWHERE = {"PATH": ""}

# As a module has it among its texts, and writes it into Xorg's log.
X_DRIVER = (
    b"\x7fELF\0nvidia id: NVIDIA dlloader X Driver  550.54.14  Thu Feb 22 01:37:05 UTC 2024\0"
)
GLX_MODULE = b"\x7fELF\0nvidia id: NVIDIA GLX Module  550.54.14  Thu Feb 22 01:34:23 UTC 2024\0"


def node(path: str, mode: str = "0666", *, usable: bool = True) -> Node:
    return Node(path, mode, os.geteuid(), os.getegid(), usable)


def make_node(root: Path, *paths: str, mode: int = 0o666) -> None:
    make(root, *paths)
    for path in paths:
        (root / path).chmod(mode)


def make_card(root: Path, name: str, uevent: str, *, device: str) -> None:
    """A DRM device as /sys has it: a link to the device on its bus."""
    below = root / "sys/devices" / device
    make(root, f"sys/devices/{device}/uevent", content=uevent.encode())
    (root / "sys/class/drm" / name).mkdir(parents=True)
    (root / "sys/class/drm" / name / "device").symlink_to(below)


def test_a_bare_machine(tmp_path: Path) -> None:
    files = read(config(), NOWHERE, tmp_path)
    assert files.kernel_driver == unknown("NVIDIA's kernel driver is not loaded")
    assert files.virtualgl == unknown("VirtualGL is not installed")
    empty = ("kernel_gpus", "nvidia_nodes", "dri_nodes", "x_drivers", "x_modules", "gl_libraries")
    assert [getattr(files, name) for name in (*empty, "egl_vendors")] == [known(())] * 7
    assert told(files)


# ---------------------------------------------------------------------------------- the driver


@pytest.mark.parametrize(
    "banner",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\n",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.129.03  Release Build  (a@b)\n",
        "NVRM version: NVIDIA UNIX Kernel Module 535.129.03 Thu\nGCC version:  gcc version 12.2.0\n",
    ],
)
def test_the_kernel_driver_by_its_banner(tmp_path: Path, banner: str) -> None:
    make(tmp_path, "proc/driver/nvidia/version", content=banner.encode())
    assert read(config(), NOWHERE, tmp_path).kernel_driver == known("535.129.03")


def test_the_kernel_driver_by_its_module(tmp_path: Path) -> None:
    make(tmp_path, "sys/module/nvidia/version", content=b"550.54.14\n")
    assert read(config(), NOWHERE, tmp_path).kernel_driver == known("550.54.14")


def test_a_kernel_driver_that_tells_nothing(tmp_path: Path) -> None:
    make(tmp_path, "proc/driver/nvidia/version", content=b"\xff\xfe\0")
    found = read(config(), NOWHERE, tmp_path).kernel_driver
    assert found == unknown("/proc/driver/nvidia/version has no version in it")


def test_the_gpus_of_the_kernel(tmp_path: Path) -> None:
    make_gpu(tmp_path, "0000:3b:00.0", 0)
    make_gpu(tmp_path, "0000:AF:00.0", 1, "Tesla T4")
    make(tmp_path, "proc/driver/nvidia/gpus/0000:d8:00.0/information", content=b"Model: odd\n")
    (tmp_path / "proc/driver/nvidia/gpus/0000:d9:00.0/information").mkdir(parents=True)
    found = read(config(), NOWHERE, tmp_path).kernel_gpus
    first = KernelGpu("0000:3b:00.0", "NVIDIA A40", 0)
    assert found == known((first, KernelGpu("0000:af:00.0", "Tesla T4", 1)))


def test_a_kernel_driver_that_hangs(tmp_path: Path) -> None:
    """It costs the rest nothing, and is not waited for twice."""
    make(tmp_path, "sys/module/nvidia/version", content=b"550.54.14\n")
    make(tmp_path, "usr/share/glvnd/egl_vendor.d/10_nvidia.json")
    answered = threading.Event()
    calls = DriverCalls(0.05)
    with pytest.raises(TimeoutError):
        calls.wait(answered.wait)
    begun = time.monotonic()
    files = read(config(), NOWHERE, tmp_path, calls)
    answered.set()
    assert time.monotonic() - begun < 5
    silent: Fact[object] = unknown("NVIDIA's kernel driver has not answered in time")
    assert (files.kernel_driver, files.kernel_gpus) == (silent, silent)
    assert files.egl_vendors == known(("10_nvidia.json",))


# ----------------------------------------------------------------------------------- the nodes


def test_device_nodes_in_order(tmp_path: Path) -> None:
    make_node(tmp_path, *(f"dev/nvidia{n}" for n in (10, 9, 0)))
    make_node(tmp_path, "dev/nvidiactl", "dev/nvidia-caps/nvidia-cap1", "dev/nvme0")
    make_node(tmp_path, "dev/nvidia-modeset", mode=0o640)
    (tmp_path / "dev/nvidia11").symlink_to("nowhere")
    found = read(config(), NOWHERE, tmp_path).nvidia_nodes
    assert found == known(
        (
            *(node(f"/dev/nvidia{n}") for n in (0, 9, 10)),
            node("/dev/nvidia-modeset", "0640"),
            node("/dev/nvidiactl"),
        )
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use any node")
def test_a_node_of_somebody_else(tmp_path: Path) -> None:
    make_node(tmp_path, "dev/nvidia0", mode=0o400)
    found = read(config(), NOWHERE, tmp_path).nvidia_nodes
    assert found == known((node("/dev/nvidia0", "0400", usable=False),))


def test_dri_nodes(tmp_path: Path) -> None:
    make_node(tmp_path, "dev/dri/card0", "dev/dri/renderD128", "dev/dri/card1", mode=0o660)
    make(tmp_path, "dev/dri/by-path/pci-0000:03:00.0-card")
    uevent = "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:03:00.0\n"
    make_card(tmp_path, "card0", uevent, device="0000:03:00.0")
    (tmp_path / "sys/class/drm/renderD128").symlink_to("card0")
    found = read(config(), NOWHERE, tmp_path).dri_nodes
    amd = known("amdgpu"), known("0000:03:00.0")
    assert found == known(
        (
            DriNode(node("/dev/dri/card0", "0660"), *amd),
            DriNode(
                node("/dev/dri/card1", "0660"),
                unknown("the kernel tells no driver for it"),
                unknown("the kernel tells no PCI address for it"),
            ),
            DriNode(node("/dev/dri/renderD128", "0660"), *amd),
        )
    )


def test_a_virtual_gpu_hangs_below_its_place_on_the_bus(tmp_path: Path) -> None:
    make_node(tmp_path, "dev/dri/card0")
    make(tmp_path, "sys/devices/0000:00:02.0/uevent", content=b"PCI_SLOT_NAME=0000:00:02.0\n")
    make_card(tmp_path, "card0", "DRIVER=virtio_gpu\n", device="0000:00:02.0/virtio0")
    found = read(config(), NOWHERE, tmp_path).dri_nodes.get(())
    assert [(n.driver, n.address) for n in found] == [(known("virtio_gpu"), known("0000:00:02.0"))]


def test_a_place_that_is_no_directory(tmp_path: Path) -> None:
    make(tmp_path, "dev/dri")
    found = read(config(), NOWHERE, tmp_path).dri_nodes
    assert found == unknown(f"{tmp_path}/dev/dri cannot be read: not a directory")


# ------------------------------------------------------------------------- Xorg's modules


@pytest.mark.parametrize(
    ("drivers", "extensions"),
    [
        ("usr/lib/xorg/modules/drivers", "usr/lib/xorg/modules/extensions"),
        ("usr/lib64/xorg/modules/drivers", "usr/lib64/xorg/modules/extensions"),
        ("usr/lib/nvidia", "usr/lib/nvidia"),
        (f"usr/lib/{TRIPLET}/nvidia/xorg", f"usr/lib/{TRIPLET}/nvidia/xorg"),
        ("opt/x/modules/drivers", "opt/x/modules/extensions"),
    ],
)
def test_x_modules_where_they_may_be(tmp_path: Path, drivers: str, extensions: str) -> None:
    make(tmp_path, f"{drivers}/nvidia_drv.so", content=X_DRIVER)
    make(tmp_path, f"{extensions}/libglxserver_nvidia.so.550.54.14")
    link = tmp_path / extensions / "libglxserver_nvidia.so"
    link.symlink_to("libglxserver_nvidia.so.550.54.14")
    files = read(config(xorg="/opt/x/Xorg"), NOWHERE, tmp_path)
    assert files.x_drivers == known(("nvidia",))
    assert set(files.x_modules.get(())) == {
        Library(f"/{drivers}/nvidia_drv.so", "550.54.14"),
        Library(f"/{extensions}/libglxserver_nvidia.so", "550.54.14"),
    }
    assert len(files.x_modules.get(())) == 2


def test_a_glx_module_without_a_version_in_its_name(tmp_path: Path) -> None:
    make(tmp_path, "usr/lib/nvidia/libglxserver_nvidia.so", content=GLX_MODULE)
    found = read(config(), NOWHERE, tmp_path).x_modules
    assert found == known((Library("/usr/lib/nvidia/libglxserver_nvidia.so", "550.54.14"),))


def test_modules_that_are_none(tmp_path: Path) -> None:
    """A link that leads nowhere, a directory, and a file that tells no version."""
    drivers = tmp_path / "usr/lib/xorg/modules/drivers"
    (drivers / "nvidia_drv.so").mkdir(parents=True)
    (tmp_path / "usr/lib/nvidia").mkdir()
    (tmp_path / "usr/lib/nvidia/libglxserver_nvidia.so").symlink_to("nowhere")
    make(tmp_path, "usr/lib64/xorg/modules/drivers/nvidia_drv.so", content=b"\0" * 100)
    found = read(config(), NOWHERE, tmp_path).x_modules
    assert found == known((Library("/usr/lib64/xorg/modules/drivers/nvidia_drv.so", ""),))


def test_xorg_by_name_alone(tmp_path: Path) -> None:
    make(tmp_path, "usr/lib/xorg/modules/drivers/dummy_drv.so")
    assert read(config(xorg="Xorg"), NOWHERE, tmp_path).x_drivers == known(("dummy",))


# -------------------------------------------------------------------------- client libraries


def test_gl_libraries(tmp_path: Path) -> None:
    for name in ("GLX", "EGL"):
        make(tmp_path, f"usr/lib/{TRIPLET}/lib{name}_nvidia.so.550.54.14")
        link = tmp_path / f"usr/lib/{TRIPLET}/lib{name}_nvidia.so.0"
        link.symlink_to(f"lib{name}_nvidia.so.550.54.14")
    make(tmp_path, "opt/driver/libEGL_nvidia.so.535.129.03", f"usr/lib/{TRIPLET}/libGLX_mesa.so.0")
    environ = {**NOWHERE, "LD_LIBRARY_PATH": ":/opt/driver:relative"}
    found = read(config(), environ, tmp_path).gl_libraries
    assert found == known(
        (
            Library("/opt/driver/libEGL_nvidia.so.535.129.03", "535.129.03"),
            Library(f"/usr/lib/{TRIPLET}/libEGL_nvidia.so.0", "550.54.14"),
            Library(f"/usr/lib/{TRIPLET}/libGLX_nvidia.so.0", "550.54.14"),
        )
    )


def test_egl_vendors(tmp_path: Path) -> None:
    make(tmp_path, "usr/share/glvnd/egl_vendor.d/50_mesa.json", "etc/glvnd/egl_vendor.d/README")
    make(tmp_path, "etc/glvnd/egl_vendor.d/10_nvidia.json")
    found = read(config(), NOWHERE, tmp_path).egl_vendors
    assert found == known(("10_nvidia.json", "50_mesa.json"))


# ------------------------------------------------------------------------------------ VirtualGL


FAKER = b'dlopen"\n\0\x0020261123\x003.1.4\0VirtualGL\0VGL_DEBUG\0'


def test_virtualgl_by_its_script(tmp_path: Path) -> None:
    make(tmp_path, "opt/VirtualGL/lib64/libdlfaker.so", "opt/VirtualGL/lib64/libvglfaker.so")
    make(tmp_path, "opt/VirtualGL/bin/vglrun", content=b'\techo "VirtualGL v3.1.1 (Build 2026)"\n')
    (tmp_path / "opt/VirtualGL/bin/vglrun").chmod(0o755)
    found = read(config(), NOWHERE, tmp_path).virtualgl
    assert found == known(VirtualGLInstall("/opt/VirtualGL/lib64", known("3.1.1")))


@pytest.mark.parametrize(
    ("faker", "version"),
    [(FAKER, known("3.1.4")), (b"\x7fELF", unknown("its files do not tell"))],
)
def test_virtualgl_by_its_libraries(tmp_path: Path, faker: bytes, version: Fact[str]) -> None:
    make(tmp_path, "vgl/lib64/libdlfaker.so", "vgl/lib64/libvglfaker.so", content=faker)
    found = read(config(virtualgl_dir=tmp_path / "vgl"), NOWHERE, tmp_path).virtualgl
    assert found == known(VirtualGLInstall("/vgl/lib64", version))


def test_virtualgl_that_is_not_where_it_should_be(tmp_path: Path) -> None:
    found = read(config(virtualgl_dir=Path("/opt/vgl-not-there")), NOWHERE, tmp_path).virtualgl
    assert found == unknown("VirtualGL is not in /opt/vgl-not-there")


def test_this_machine() -> None:
    files = read(config(), os.environ)
    assert told(files)
    assert "dummy" in files.x_drivers.get(())

"""What plans are chosen from, on made-up machines; PCI addresses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import machines
from tests.unit.gpumachines import LIBRARIES, MODULES, VERSION, dri, gpu, machine, node, nvidia
from vizproxy.config import Config, Display, GpuDriver, Programs, Runtime
from vizproxy.display.facts import for_plan
from vizproxy.display.plan import Facts
from vizproxy.facts.model import (
    DriNode,
    Framebuffer,
    KernelGpu,
    Library,
    Machine,
    MigDevice,
    VirtualGLInstall,
    Virtualization,
    known,
    unknown,
)

CARD = "/dev/dri/card1"
DUMMY = GpuDriver.DUMMY
CONTAINER = {"container": True, "driver_capabilities": "all"}


def facts(machine: Machine, **display: Any) -> Facts:
    return for_plan(machine, Config(Runtime(Path("/run/x")), display=Display(**display)))


def whats(found: Facts) -> tuple[list[str], list[str]]:
    return [lack.what for lack in found.x_lacks], [lack.what for lack in found.egl_lacks]


# -------------------------------------------------------------------------------- which GPU it is


def test_a_bare_machine() -> None:
    assert facts(machine()) == Facts()


def test_a_gpu_with_all_that_it_needs() -> None:
    install = VirtualGLInstall("/opt/VirtualGL", known("3.1"))
    found = facts(nvidia(gpu(uuid="GPU-1"), virtualgl=install))
    assert found.gpu is not None
    assert str(found.gpu) == "NVIDIA A40, /dev/nvidia0"
    assert (found.gpu.uuid, found.gpu.bus_id) == ("GPU-1", "PCI:59@0:0:0")
    assert found.gpu.driver is GpuDriver.NVIDIA
    assert found.gpu.limits is None
    assert found == Facts(gpu=found.gpu, virtualgl=True)


def test_the_gpu_is_the_first_that_can_draw() -> None:
    of = nvidia(
        gpu("NVIDIA A40-8C", 0),
        gpu("NVIDIA A100-SXM4-40GB", 1, mig=True),
        gpu("NVIDIA A10", 2),
        gpu("NVIDIA A16", 3),
        gpu("NVIDIA L4", 4),
        nodes=("nvidia0", "nvidia1", node("nvidia2", usable=False), "nvidia4", "nvidiactl"),
    )
    found = facts(of).gpu
    assert found is not None
    assert found.name == "NVIDIA L4"


def test_without_nvml_the_kernel_tells_and_nodes_say_which_is_here() -> None:
    """A container may see every GPU of the node in /proc."""
    kernel = tuple(
        KernelGpu(f"0000:{bus}:00.0", "NVIDIA A40", minor)
        for minor, bus in enumerate(["3b", "5e", "af"])
    )
    of = machine(kernel_gpus=kernel, nvidia_nodes=(node("nvidia2"), node("nvidiactl")))
    found = facts(of).gpu
    assert found is not None
    assert (found.node, found.bus_id, found.name) == (
        "/dev/nvidia2",
        "PCI:175@0:0:0",
        "NVIDIA A40",
    )


def test_without_nvml_a_gpus_name_tells_that_it_does_not_draw() -> None:
    kernel = (KernelGpu("0000:3b:00.0", "NVIDIA A40-8C", 0),)
    of = machine(kernel_gpus=kernel, nvidia_nodes=(node("nvidia0"), node("nvidiactl")))
    why = "NVIDIA A40-8C is a vGPU of a C profile, which is for computing"
    assert whats(facts(of)) == ([why], [why])


def test_a_node_alone_is_a_gpu_whose_place_is_not_known() -> None:
    found = facts(machine(nvidia_nodes=(node("nvidia0"), node("nvidiactl")))).gpu
    assert found is not None
    assert (found.node, found.bus_id) == ("/dev/nvidia0", "")


def test_a_gpu_whose_minor_is_not_known_is_found_by_its_place() -> None:
    one = replace(gpu(minor=1), minor=unknown("the driver does not tell"))
    kernel = (KernelGpu("0000:3b:00.0", "x", 0), KernelGpu("0000:3c:00.0", "x", 1))
    of = nvidia(one, kernel_gpus=kernel, nodes=("nvidia0", "nvidia1", "nvidiactl"))
    assert facts(of).gpu == replace(facts(nvidia(one)).gpu, node="/dev/nvidia1")  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("name", "virtualization", "pixels"),
    [
        ("NVIDIA A40-2Q", Virtualization.VGPU, 36_864_000),
        ("NVIDIA A40-2Q", None, 36_864_000),
        ("NVIDIA A40-2Q", Virtualization.NONE, None),
        ("NVIDIA A40", Virtualization.VGPU, None),
    ],
)
def test_a_vgpu_has_limits(
    name: str, virtualization: Virtualization | None, pixels: int | None
) -> None:
    told: dict[str, Any] = {} if virtualization is None else {"virtualization": virtualization}
    found = facts(nvidia(gpu(name, **told))).gpu
    assert found is not None
    assert (found.limits.max_pixels if found.limits else None) == pixels


# --------------------------------------------------------------------------------- what is missing


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (nvidia(nodes=("nvidiactl",)), "NVIDIA A40 has no device node here"),
        (
            nvidia(nodes=(node("nvidia0", usable=False, mode="0660", gid=44), "nvidiactl")),
            "/dev/nvidia0 may not be opened (mode 0660, owner 0:44)",
        ),
        (nvidia(nodes=("nvidia0", "nvidia-modeset")), "/dev/nvidiactl is not there"),
        (
            nvidia(gpu("NVIDIA H100", mig=True)),
            "NVIDIA H100 is in MIG mode, whose slices compute and do not draw",
        ),
        (
            nvidia(gpu("GRID V100-8C")),
            "GRID V100-8C is a vGPU of a C profile, which is for computing",
        ),
        (
            nvidia(kernel_driver="550.144.03"),
            (
                "the driver's libraries are of version 550.127.05, but the kernel's part of version "
                "550.144.03"
            ),
        ),
        (
            nvidia(replace(gpu(), name=unknown("the GPU is lost"))),
            "/dev/nvidia0 does not answer (the GPU is lost)",
        ),
    ],
)
def test_what_keeps_programs_from_a_gpu(of: Machine, why: str) -> None:
    found = facts(of)
    assert found.gpu is None
    assert whats(found) == ([why], [why])
    assert len(found.signs) == 1


@pytest.mark.parametrize(
    ("mode", "gid", "remedy"),
    [
        ("0660", 44, "the group 44 for this user (in Kubernetes, supplementalGroups)"),
        ("0660", 0, "the mode 0666 for /dev/nvidia0"),
        ("0600", 44, "the mode 0666 for /dev/nvidia0"),
    ],
)
def test_how_a_node_can_be_opened(mode: str, gid: int, remedy: str) -> None:
    closed = node("nvidia0", usable=False, mode=mode, gid=gid)
    (lack,) = facts(nvidia(nodes=(closed, "nvidiactl"))).x_lacks
    assert lack.remedy == remedy


def test_some_slices_draw() -> None:
    size = known(Framebuffer(1, 0))
    part = MigDevice(known("NVIDIA RTX PRO 6000 MIG 1g.24gb+gfx"), known("MIG-1"), size)
    assert facts(nvidia(gpu(mig=True, mig_devices=(part,)))).gpu is not None


CDI = {"container": True, "driver_capabilities": "compute,utility"}
UNLINKED = replace(MODULES[1], path=f"{MODULES[1].path}.{VERSION}")
OPERATOR = (
    "the container was given no Xorg modules of NVIDIA's driver (nvidia_drv.so and "
    "libglxserver_nvidia.so)"
)
WITHOUT = (
    "NVIDIA_DRIVER_CAPABILITIES is 'utility', with which a container gets nothing to draw with"
)


@pytest.mark.parametrize(
    ("of", "x", "egl"),
    [
        (nvidia(), [], []),
        (
            nvidia(x_modules=MODULES[:1]),
            ["Xorg's part of NVIDIA's driver (libglxserver_nvidia.so) is not there"],
            [],
        ),
        (nvidia(x_modules=(), system=CONTAINER), [OPERATOR], []),
        (
            nvidia(x_modules=(), system={"container": True}),
            [
                (
                    f"{OPERATOR}: NVIDIA_DRIVER_CAPABILITIES is not set and asks for none, or the "
                    "node's driver has none"
                )
            ],
            [],
        ),
        (
            nvidia(x_modules=(), nodes=("nvidia0", "nvidiactl"), system=CDI),
            [
                (
                    f"{OPERATOR}: NVIDIA_DRIVER_CAPABILITIES is 'compute,utility' and asks for none, "
                    "or the node's driver has none"
                ),
                "/dev/nvidia-modeset is not there, which Xorg's driver opens",
            ],
            [],
        ),
        (
            nvidia(x_modules=(MODULES[0], UNLINKED)),
            [
                (
                    f"{UNLINKED.path} is there without a link libglxserver_nvidia.so, which is the "
                    "name that Xorg loads it by"
                )
            ],
            [],
        ),
        (
            nvidia(x_modules=(MODULES[0], replace(UNLINKED, version="525.1"))),
            ["Xorg's part of NVIDIA's driver (libglxserver_nvidia.so) is not there"],
            [],
        ),
        (
            nvidia(gl_libraries=(LIBRARIES[1], replace(LIBRARIES[0], version="525.1"))),
            [],
            ["libEGL_nvidia is of version 525.1, but the kernel's part of version 550.127.05"],
        ),
        (
            nvidia(gl_libraries=(LIBRARIES[0], replace(LIBRARIES[1], version="525.1"))),
            ["libGLX_nvidia is of version 525.1, but the kernel's part of version 550.127.05"],
            [],
        ),
        (
            nvidia(
                gl_libraries=(*LIBRARIES, *(replace(old, version="525.1") for old in LIBRARIES))
            ),
            [],
            [],
        ),
        (
            nvidia(
                x_modules=(),
                gl_libraries=(),
                nodes=("nvidia0", "nvidiactl"),
                system={"container": True, "driver_capabilities": "utility"},
            ),
            [WITHOUT],
            [WITHOUT],
        ),
        (
            nvidia(gl_libraries=(), system=CONTAINER),
            [],
            ["NVIDIA's EGL (libEGL_nvidia.so.0) is not there"],
        ),
        (
            nvidia(x_modules=tuple(replace(module, version="535.1") for module in MODULES)),
            [
                (
                    "Xorg's module /usr/lib/xorg/modules/drivers/nvidia_drv.so is of version 535.1, "
                    "but the driver of version 550.127.05"
                )
            ],
            [],
        ),
        (
            nvidia(nodes=("nvidia0", "nvidiactl")),
            ["/dev/nvidia-modeset is not there, which Xorg's driver opens"],
            [],
        ),
        (
            nvidia(egl_vendors=("50_mesa.json",)),
            [],
            [
                (
                    "EGL is not told of NVIDIA's driver (10_nvidia.json is not in "
                    "/usr/share/glvnd/egl_vendor.d)"
                )
            ],
        ),
        (nvidia(egl_vendors=("10_nvidia.json",), gl_libraries=LIBRARIES[:1]), [], []),
    ],
)
def test_what_a_gpu_lacks(of: Machine, x: list[str], egl: list[str]) -> None:
    found = facts(of)
    assert found.gpu is not None
    assert whats(found) == (x, egl)


@pytest.mark.parametrize(
    ("capabilities", "remedy"),
    [
        ("all", "`nvidia-modprobe -m` by root on the node, and starting the container anew"),
        ("compute,graphics", "NVIDIA_DRIVER_CAPABILITIES=all in the container"),
        (
            "compute,utility",
            (
                "NVIDIA_DRIVER_CAPABILITIES=all in the container, or `nvidia-modprobe -m` by root "
                "on the node, and starting the container anew"
            ),
        ),
    ],
)
def test_how_the_node_for_modes_comes_into_a_container(capabilities: str, remedy: str) -> None:
    system = {"container": True, "driver_capabilities": capabilities}
    (lack,) = facts(nvidia(nodes=("nvidia0", "nvidiactl"), system=system)).x_lacks
    assert lack.remedy == remedy


def test_a_closed_node_is_told_of_besides_what_the_capabilities_leave_out() -> None:
    closed = node("nvidia-modeset", usable=False, mode="0660")
    of = nvidia(x_modules=(), gl_libraries=(), nodes=("nvidia0", "nvidiactl", closed), system=CDI)
    assert whats(facts(of))[0][1:] == [
        "/dev/nvidia-modeset may not be opened (mode 0660, owner 0:0)"
    ]


def test_where_the_kernel_does_not_tell_its_version_nvml_does() -> None:
    old = tuple(replace(module, version="535.1") for module in MODULES)
    of = nvidia(x_modules=old)
    untold = replace(of, files=replace(of.files, kernel_driver=unknown("/proc is masked")))
    assert whats(facts(untold)) == whats(facts(of)) != ([], [])


def test_modules_of_another_version_beside_fitting_ones_are_no_lack() -> None:
    stray = Library("/usr/lib/nvidia/current/nvidia_drv.so", "525.147.05")
    recorded = machines.load("bare-t4")
    modules = recorded.files.x_modules.get(())
    found = facts(
        replace(recorded, files=replace(recorded.files, x_modules=known((*modules, stray))))
    )
    assert found == facts(recorded)


def test_what_is_told_of_a_gpu_is_printable() -> None:
    odd = facts(nvidia(gpu("A\x1b[31m", uuid="GPU-\x07"))).gpu
    assert odd is not None
    assert (odd.name, odd.uuid) == ("A\ufffd[31m", "GPU-\ufffd")
    useless = facts(nvidia(gpu("A\x1b[31m", mig=True)))
    assert useless.signs == ("A\ufffd[31m, /dev/nvidia0",)
    assert whats(useless)[0] == ["A\ufffd[31m is in MIG mode, whose slices compute and do not draw"]


@pytest.mark.parametrize(
    ("nodes", "display"),
    [
        ((), "egl0"),
        ((dri("card0", "nvidia", "0000:5e:00.0"), dri("card1", "nvidia", "0000:3b:00.0")), CARD),
        ((dri("card1", "nvidia", "0000:3b:00.0", usable=False, mode="0660"),), "egl0"),
        ((dri("renderD128", "nvidia", "0000:3b:00.0"),), "egl0"),
        ((dri("card0", "ast", "0000:03:00.0"),), "egl0"),
    ],
)
def test_virtualgl_is_told_which_gpu_it_is_for_egl(
    nodes: tuple[DriNode, ...], display: str
) -> None:
    by_nvml = facts(nvidia(dri_nodes=nodes))
    kernel = (KernelGpu("0000:3b:00.0", "NVIDIA A40", 0),)
    by_kernel = facts(
        machine(
            dri_nodes=nodes, kernel_gpus=kernel, nvidia_nodes=(node("nvidia0"), node("nvidiactl"))
        )
    )
    assert by_nvml.egl_display == by_kernel.egl_display == display


def test_without_a_gpu_or_in_its_place_egl_has_the_first() -> None:
    assert facts(machine()).egl_display == "egl0"
    dummy = facts(nvidia(dri_nodes=(dri("card1", "nvidia", "0000:3b:00.0"),)), gpu_driver=DUMMY)
    assert dummy.egl_display == "egl0"


def test_a_driver_that_is_named_is_taken_without_looking() -> None:
    found = facts(nvidia(x_modules=(), nodes=("nvidia0", "nvidiactl")), gpu_driver=GpuDriver.NVIDIA)
    assert (found.gpu_driver, found.x_lacks) == (GpuDriver.NVIDIA, ())


def test_virtualgl_is_missed_where_the_configuration_has_it() -> None:
    place = Path("/srv/vgl")
    assert facts(machine(), virtualgl_dir=place) == Facts(virtualgl_dir=place)


@pytest.mark.parametrize("visible", ["none", "void", ""])
def test_a_container_that_was_given_no_gpu_shows_no_sign_of_one(visible: str) -> None:
    assert facts(machine(system={"visible_devices": visible})).signs == ()


def test_signs_of_a_gpu_that_is_not_here() -> None:
    kernel = (KernelGpu("0000:3b:00.0", "Tesla T4", 0),)
    found = facts(machine(kernel_gpus=kernel, system={"visible_devices": "all"}))
    assert found.signs == ("Tesla T4 at 0000:3b:00.0", "NVIDIA_VISIBLE_DEVICES=all")
    assert (found.x_lacks, found.egl_lacks) == ((), ())


# ------------------------------------------------------------------------------- where modules are


def modules(*places: str, version: str = VERSION) -> tuple[Library, ...]:
    return tuple(Library(place, version) for place in places)


UBUNTU = "/usr/lib/x86_64-linux-gnu/nvidia/xorg"


@pytest.mark.parametrize(
    ("found", "paths"),
    [
        (MODULES, ()),
        (
            modules(f"{UBUNTU}/nvidia_drv.so", f"{UBUNTU}/libglxserver_nvidia.so"),
            (UBUNTU, "/usr/lib/xorg/modules", "/usr/lib64/xorg/modules"),
        ),
        (
            modules(
                "/usr/lib64/xorg/modules/drivers/nvidia_drv.so",
                "/usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so",
            ),
            ("/usr/lib64/xorg/modules", "/usr/lib/xorg/modules"),
        ),
        (
            (
                *modules("/usr/lib/xorg/modules/drivers/nvidia_drv.so", version="535.1"),
                *MODULES[1:],
            ),
            (),
        ),
        (
            (MODULES[0], *modules(f"{UBUNTU}/libglxserver_nvidia.so")),
            ("/usr/lib/xorg/modules", UBUNTU, "/usr/lib64/xorg/modules"),
        ),
        (
            (
                *modules(
                    "/usr/lib/xorg/modules/extensions/libglxserver_nvidia.so", version="535.1"
                ),
                *modules(f"{UBUNTU}/libglxserver_nvidia.so"),
                MODULES[0],
            ),
            (UBUNTU, "/usr/lib/xorg/modules", "/usr/lib64/xorg/modules"),
        ),
        ((*MODULES, *modules(f"{UBUNTU}/nvidia_drv.so", version="535.1")), ()),
        (
            (
                *modules("/usr/lib/xorg/modules/drivers/nvidia_drv.so", version="535.1"),
                *modules(f"{UBUNTU}/nvidia_drv.so", f"{UBUNTU}/libglxserver_nvidia.so"),
            ),
            (UBUNTU, "/usr/lib/xorg/modules", "/usr/lib64/xorg/modules"),
        ),
    ],
)
def test_modules_that_the_x_server_would_not_find_or_not_first(
    found: tuple[Library, ...], paths: tuple[str, ...]
) -> None:
    assert facts(nvidia(x_modules=found)).module_paths == paths


def test_the_x_server_looks_beside_itself() -> None:
    elsewhere = modules("/opt/x/modules/drivers/nvidia_drv.so")
    config = Config(Runtime(Path("/run/x")), programs=Programs(xorg="/opt/x/Xorg"))
    assert for_plan(nvidia(x_modules=elsewhere), config).module_paths == ()


@pytest.mark.parametrize("driver", GpuDriver)
@pytest.mark.parametrize("name", machines.NAMES)
def test_facts_of_recorded_machines_are_consistent(name: str, driver: GpuDriver) -> None:
    found = facts(machines.load(name), gpu_driver=driver)
    assert found.gpu is None or not found.signs
    for lack in (*found.x_lacks, *found.egl_lacks):
        assert lack.what
        assert lack.remedy
        assert not lack.what.endswith(".")

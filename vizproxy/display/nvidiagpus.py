"""NVIDIA's GPUs: which of them programs can draw on, and what is missing for that. Pure.

What a container gets of a driver is up to NVIDIA's container toolkit: see its ``graphics`` modifier for
Xorg's modules, and libnvidia-container's ``nvc_info.c`` for libraries and device nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Final

from vizproxy.config import GpuDriver
from vizproxy.display.candidates import Candidate, unusable
from vizproxy.display.plan import ChosenGpu, Lack
from vizproxy.facts import vgpu
from vizproxy.facts.model import Files, Gpu, Library, Machine, Node, System, Virtualization

X_MODULES: Final = ("nvidia_drv.so", "libglxserver_nvidia.so")
"""Xorg's modules of NVIDIA's driver. Without the second, GLX is Mesa's."""

_NUMBERED: Final = re.compile(r"nvidia(\d+)")
_ALL_CAPABILITIES: Final = "NVIDIA_DRIVER_CAPABILITIES=all in the container"
_GRAPHICS: Final = frozenset({"all", "graphics", "display"})
"""The capabilities with which the container toolkit mounts what is needed to draw."""


def candidates(machine: Machine, *, look: bool) -> Iterator[Candidate]:
    """The GPUs that are here. Without a ``look``, Xorg's part of the driver is taken for granted."""
    everywhere = tuple(_general_obstacles(machine))
    x_lacks = tuple(_x_lacks(machine)) if look else ()
    egl_lacks = tuple(_egl_lacks(machine))
    for gpu, obstacles in _gpus(machine):
        yield Candidate(gpu, (*obstacles, *everywhere), x_lacks, egl_lacks)


# --------------------------------------------------------------------------------- which there are


def _gpus(machine: Machine) -> Iterator[tuple[ChosenGpu, tuple[Lack, ...]]]:
    """Each GPU with what stands in its way: as NVML tells, else as the kernel and its nodes do."""
    if told := machine.nvml.gpus.get(()):
        for one in told:
            its_node = _node_of(one, machine.files)
            yield _told(one, its_node, machine), tuple(_obstacles(one, its_node, machine))
        return
    kernel = {gpu.minor: gpu for gpu in machine.files.kernel_gpus.get(())}
    for minor, node in numbered_nodes(machine.files).items():
        known = kernel.get(minor)
        model = "" if known is None else known.model
        gpu = ChosenGpu(
            GpuDriver.NVIDIA,
            node=node.path,
            name=model,
            address="" if known is None else known.address,
            limits=_limits(model),
        )
        yield gpu, () if node.usable else (unusable(node),)


def numbered_nodes(files: Files) -> Mapping[int, Node]:
    """The device nodes of GPUs (``/dev/nvidia0``), by their minor numbers."""
    found = {}
    for node in files.nvidia_nodes.get(()):
        if number := _NUMBERED.fullmatch(PurePath(node.path).name):
            found[int(number[1])] = node
    return dict(sorted(found.items()))


def _node_of(gpu: Gpu, files: Files) -> Node | None:
    nodes = numbered_nodes(files)
    minor = gpu.minor.value
    if minor is None:
        same = (k.minor for k in files.kernel_gpus.get(()) if k.address == gpu.address.value)
        minor = next(same, None)
    if minor is None:
        return next(iter(nodes.values())) if len(nodes) == 1 else None
    return nodes.get(minor)


def _told(gpu: Gpu, node: Node | None, machine: Machine) -> ChosenGpu:
    path = "" if node is None else node.path
    if not path and machine.files.nvidia_nodes.value is None and gpu.minor.value is not None:
        path = f"/dev/nvidia{gpu.minor.value}"
    guest = gpu.virtualization.get(Virtualization.VGPU) is Virtualization.VGPU
    name = gpu.name.get("")
    return ChosenGpu(
        GpuDriver.NVIDIA,
        node=path,
        name=name,
        uuid=gpu.uuid.get(""),
        address=gpu.address.get(""),
        limits=_limits(name) if guest else None,
    )


def _limits(name: str) -> vgpu.Limits | None:
    profile = vgpu.parse(name)
    return None if profile is None else vgpu.limits(profile)


def _obstacles(gpu: Gpu, node: Node | None, machine: Machine) -> Iterator[Lack]:
    """Why nothing can draw on a GPU that NVML tells of."""
    name = gpu.name.get("the GPU")
    if node is None and machine.files.nvidia_nodes.value is not None:
        yield Lack(
            f"{name} has no device node here",
            "giving the container that GPU (a resource nvidia.com/gpu, or docker's --gpus)",
        )
    if node is not None and not node.usable:
        yield unusable(node)
    if gpu.name.value is None and gpu.framebuffer.value is None:
        yield Lack(
            f"{'the GPU' if node is None else node.path} does not answer ({gpu.name.reason})",
            "another GPU, or restarting the node",
        )
    if gpu.mig.get(default=False) and not _slices_draw(gpu):
        yield Lack(
            f"{name} is in MIG mode, whose slices compute and do not draw",
            "a GPU that is not in MIG mode",
        )
    limits = _told(gpu, node, machine).limits
    if limits is not None and not limits.draws:
        yield Lack(
            f"{name} is a vGPU of a C profile, which is for computing", "a vGPU of a Q profile"
        )


def _slices_draw(gpu: Gpu) -> bool:
    """Whether a slice has graphics, as those of an RTX PRO 6000 may have (``1g.24gb+gfx``)."""
    return any("+gfx" in part.name.get("") for part in gpu.mig_devices.get(()))


# ------------------------------------------------------------------------------- what is missing


def _general_obstacles(machine: Machine) -> Iterator[Lack]:
    """What keeps programs from every GPU."""
    files = machine.files
    nodes = {PurePath(node.path).name: node for node in files.nvidia_nodes.get(())}
    control = nodes.get("nvidiactl")
    if files.nvidia_nodes.value is not None and control is None:
        yield Lack("/dev/nvidiactl is not there", "giving it to the container")
    if control is not None and not control.usable:
        yield unusable(control)
    kernel = files.kernel_driver.get("")
    others = {library.version for library in files.gl_libraries.get(()) if library.version}
    if kernel and others and kernel not in others:
        yield Lack(
            f"the driver's libraries are of version {', '.join(sorted(others))}, but the kernel's "
            f"part of version {kernel}",
            "starting the container anew, so that it gets the libraries of the driver that runs",
        )


def _x_lacks(machine: Machine) -> Iterator[Lack]:
    files = machine.files
    modules = files.x_modules.value
    if modules is not None:
        missing = [name for name in X_MODULES if not _of(modules, name)]
        if missing:
            lack = _no_modules(missing, machine)
            yield lack
            if lack.remedy == _ALL_CAPABILITIES:  # it brings the node, too
                return
        elif stray := _of_another_version(modules, files.kernel_driver.get("")):
            yield Lack(
                f"Xorg's module {stray.path} is of version {stray.version}, but the driver of "
                f"version {files.kernel_driver.value}",
                "an image without a driver of its own, so that the node's is mounted"
                if machine.system.container.get(default=False)
                else "installing both of one version",
            )
    yield from _modeset_lack(machine)


def _of(modules: tuple[Library, ...], name: str) -> list[Library]:
    """The modules of a name; the file's may end in the driver's version."""
    return [module for module in modules if PurePath(module.path).name.startswith(name)]


def _of_another_version(modules: tuple[Library, ...], kernel: str) -> Library | None:
    """A module of which there is none for the kernel's driver."""
    for name in X_MODULES:
        versions = [module for module in _of(modules, name) if module.version]
        if kernel and versions and all(module.version != kernel for module in versions):
            return versions[0]
    return None


def _no_modules(missing: list[str], machine: Machine) -> Lack:
    names = " and ".join(missing)
    if not machine.system.container.get(default=False):
        return Lack(
            f"Xorg's part of NVIDIA's driver ({names}) is not there",
            "installing it (Debian: xserver-xorg-video-nvidia)",
        )
    if without := _without_graphics(machine, has_graphics=_has_egl(machine.files)):
        return without
    return Lack(
        f"the container was given no Xorg modules of NVIDIA's driver ({names})",
        "the NVIDIA container runtime on a node whose driver has them (GPU Operator's images leave "
        "them out)",
    )


def _without_graphics(machine: Machine, *, has_graphics: bool) -> Lack | None:
    """The capabilities that the container was not given, if that is why something is missing."""
    capabilities = machine.system.driver_capabilities.get("")
    given = {word.strip() for word in capabilities.split(",")}
    if given & _GRAPHICS or (not capabilities and has_graphics):
        return None
    told = f"is {capabilities!r}" if capabilities else "is not set"
    return Lack(
        f"NVIDIA_DRIVER_CAPABILITIES {told}, with which a container gets nothing to draw with",
        _ALL_CAPABILITIES,
    )


def _modeset_lack(machine: Machine) -> Iterator[Lack]:
    """NVIDIA's X driver opens this node even where it sets no mode."""
    nodes: tuple[Node, ...] | None = machine.files.nvidia_nodes.value
    if nodes is None:
        return
    modeset = next((node for node in nodes if PurePath(node.path).name == "nvidia-modeset"), None)
    if modeset is not None:
        if not modeset.usable:
            yield unusable(modeset)
        return
    container = machine.system.container.get(default=False)
    yield Lack(
        "/dev/nvidia-modeset is not there, which Xorg's driver opens",
        _ALL_CAPABILITIES if container else "`nvidia-modprobe -m` by root",
    )


def _has_egl(files: Files) -> bool:
    return bool(_of(files.gl_libraries.get(()), "libEGL_nvidia"))


def _egl_lacks(machine: Machine) -> Iterator[Lack]:
    files, system = machine.files, machine.system
    if files.gl_libraries.value is not None and not _has_egl(files):
        yield _no_egl(machine, system)
        return
    vendors = files.egl_vendors.value
    if vendors is not None and not any("nvidia" in vendor for vendor in vendors):
        yield Lack(
            "EGL is not told of NVIDIA's driver (10_nvidia.json is not in "
            "/usr/share/glvnd/egl_vendor.d)",
            "putting that file there, as the container toolkit does where it mounts the driver",
        )


def _no_egl(machine: Machine, system: System) -> Lack:
    container = system.container.get(default=False)
    without = _without_graphics(machine, has_graphics=False) if container else None
    return without or Lack(
        "NVIDIA's EGL (libEGL_nvidia.so.0) is not there",
        "a driver on the node that was installed with its graphics libraries"
        if container
        else "installing it (Debian: libegl-nvidia0)",
    )

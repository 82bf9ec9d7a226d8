"""NVIDIA's GPUs: which of them programs can draw on, and what is missing for that. Pure.

What follows from which facts is in :mod:`vizproxy.facts.nvidia`; here it is put into words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Final

from vizproxy.config import GpuDriver
from vizproxy.display.candidates import Candidate, egl_display, unusable
from vizproxy.display.plan import ChosenGpu, Lack
from vizproxy.facts import nvidia, vgpu
from vizproxy.facts.model import Files, Gpu, Library, Machine, Node

_NUMBERED: Final = re.compile(r"nvidia(\d+)")
_ALL_CAPABILITIES: Final = f"{nvidia.VARIABLE}=all in the container"
_NODE_WITH_MODULES: Final = "a node whose driver has them (GPU Operator's images leave them out)"


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
        model, address = ("", "") if known is None else (known.model, known.address)
        profile = vgpu.parse(model)
        gpu = ChosenGpu(
            GpuDriver.NVIDIA,
            node=node.path,
            name=model,
            address=address,
            limits=None if profile is None else vgpu.limits(profile),
            egl_display=egl_display(address, machine.files),
        )
        closed = () if node.usable else (unusable(node),)
        yield gpu, closed if nvidia.draws(profile) else (*closed, _for_computing(model))


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
    address = gpu.address.get("")
    return ChosenGpu(
        GpuDriver.NVIDIA,
        node=path,
        name=gpu.name.get(""),
        uuid=gpu.uuid.get(""),
        address=address,
        limits=nvidia.limits(gpu),
        egl_display=egl_display(address, machine.files),
    )


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
    if not nvidia.answers(gpu):
        yield Lack(
            f"{'the GPU' if node is None else node.path} does not answer ({gpu.name.reason})",
            "another GPU, or restarting the node",
        )
    if nvidia.sliced(gpu):
        yield Lack(
            f"{name} is in MIG mode, whose slices compute and do not draw",
            "a GPU that is not in MIG mode",
        )
    if not nvidia.draws(nvidia.profile(gpu)):
        yield _for_computing(name)


def _for_computing(name: str) -> Lack:
    return Lack(f"{name} is a vGPU of a C profile, which is for computing", "a vGPU of a Q profile")


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
    if nvidia.gl_unfit(machine):
        yield _other_libraries(nvidia.gl_misfits(machine), machine)


def _other_libraries(misfits: tuple[Library, ...], machine: Machine) -> Lack:
    versions = ", ".join(sorted({library.version for library in misfits}))
    names = {PurePath(library.path).name.partition(".")[0] for library in misfits}
    which = "the driver's libraries are" if len(names) > 1 else f"{names.pop()} is"
    return Lack(
        f"{which} of version {versions}, but the kernel's part of version "
        f"{nvidia.running_version(machine)}",
        "starting the container anew, so that it gets the libraries of the driver that runs",
    )


def _x_lacks(machine: Machine) -> Iterator[Lack]:
    missing = _no_modules(machine)
    if missing is not None:
        yield missing
    if unlinked := nvidia.unlinked_x_modules(machine):
        yield _no_link(unlinked[0], machine)
    for stray in nvidia.x_misfits(machine)[:1]:
        yield Lack(
            f"Xorg's module {stray.path} is of version {stray.version}, but the driver of "
            f"version {nvidia.running_version(machine)}",
            "an image without a driver of its own, so that the node's is mounted"
            if machine.system.container.get(default=False)
            else "installing both of one version",
        )
    denied = missing is not None and nvidia.denied_graphics(machine)
    modeset = _modeset_lack(machine, denied=denied)
    if modeset is not None:
        yield modeset
    yield from _misfits_of("libGLX_nvidia", machine)


def _misfits_of(kind: str, machine: Machine) -> Iterator[Lack]:
    """What is wrong with one of the client libraries, if the other is in order."""
    misfits = nvidia.gl_misfits(machine)
    ours = tuple(found for found in misfits if PurePath(found.path).name.startswith(kind))
    if ours and not nvidia.gl_unfit(machine):
        yield _other_libraries(ours, machine)


def _no_modules(machine: Machine) -> Lack | None:
    """What there is to say of modules that are not here by any name."""
    unlinked = nvidia.unlinked_x_modules(machine)
    missing = [
        name
        for name in nvidia.missing_x_modules(machine.files)
        if not any(PurePath(found.path).name.startswith(name) for found in unlinked)
    ]
    if not missing:
        return None
    names = " and ".join(missing)
    if not machine.system.container.get(default=False):
        return Lack(
            f"Xorg's part of NVIDIA's driver ({names}) is not there",
            "installing it (Debian: xserver-xorg-video-nvidia)",
        )
    if nvidia.denied_graphics(machine):
        return _denied(machine)
    given = f"the container was given no Xorg modules of NVIDIA's driver ({names})"
    if "graphics" in nvidia.left_out(machine.system):
        return Lack(
            f"{given}: {_variable(machine)} and asks for none, or the node's driver has none",
            f"{_ALL_CAPABILITIES}, or {_NODE_WITH_MODULES}",
        )
    return Lack(given, f"the NVIDIA container runtime on {_NODE_WITH_MODULES}")


def _no_link(module: Library, machine: Machine) -> Lack:
    path = PurePath(module.path)
    link = path.with_name(path.name.partition(".so.")[0] + ".so")
    made = "a container toolkit that makes it, or " if machine.system.container.get(False) else ""
    return Lack(
        f"{path} is there without a link {link.name}, which is the name that Xorg loads it by",
        f"{made}`ln -s {path.name} {link}` by root",
    )


def _variable(machine: Machine) -> str:
    told = machine.system.driver_capabilities.get("")
    return f"{nvidia.VARIABLE} is {told!r}" if told else f"{nvidia.VARIABLE} is not set"


def _denied(machine: Machine) -> Lack:
    return Lack(
        f"{_variable(machine)}, with which a container gets nothing to draw with",
        _ALL_CAPABILITIES,
    )


def _modeset_lack(machine: Machine, *, denied: bool) -> Lack | None:
    """NVIDIA's X driver opens this node even where it sets no mode.

    What brings graphics to a container to which they were ``denied`` brings the node, too.
    """
    nodes: tuple[Node, ...] | None = machine.files.nvidia_nodes.value
    if nodes is None:
        return None
    modeset = next((node for node in nodes if PurePath(node.path).name == "nvidia-modeset"), None)
    if modeset is not None:
        return None if modeset.usable else unusable(modeset)
    if denied:
        return None
    return Lack(
        "/dev/nvidia-modeset is not there, which Xorg's driver opens", _modeset_remedy(machine)
    )


def _modeset_remedy(machine: Machine) -> str:
    left_out = nvidia.left_out(machine.system)
    on_the_node = "`nvidia-modprobe -m` by root"
    if machine.system.container.get(default=False):
        on_the_node += " on the node, and starting the container anew"
    if "display" not in left_out:
        return on_the_node
    # EGL is here, although graphics were not asked for: the variable may count for nothing.
    unheeded = "graphics" in left_out and nvidia.has_egl(machine.files)
    return f"{_ALL_CAPABILITIES}, or {on_the_node}" if unheeded else _ALL_CAPABILITIES


def _egl_lacks(machine: Machine) -> Iterator[Lack]:
    files = machine.files
    if files.gl_libraries.value is not None and not nvidia.has_egl(files):
        yield _no_egl(machine)
        return
    yield from _misfits_of("libEGL_nvidia", machine)
    vendors = files.egl_vendors.value
    if vendors is not None and not any("nvidia" in vendor for vendor in vendors):
        yield Lack(
            "EGL is not told of NVIDIA's driver (10_nvidia.json is not in "
            "/usr/share/glvnd/egl_vendor.d)",
            "putting that file there, as the container toolkit does where it mounts the driver",
        )


def _no_egl(machine: Machine) -> Lack:
    if nvidia.denied_graphics(machine):
        return _denied(machine)
    return Lack(
        "NVIDIA's EGL (libEGL_nvidia.so.0) is not there",
        "a driver on the node that was installed with its graphics libraries"
        if machine.system.container.get(default=False)
        else "installing it (Debian: libegl-nvidia0)",
    )

"""Checks of what the GPU's driver needs here: nodes, Xorg's modules, libraries, VirtualGL.

What the NVIDIA container toolkit mounts follows from NVIDIA_DRIVER_CAPABILITIES in its older mode, and
not with CDI. Which of the two is at work cannot be seen from within, so what counts is what is there;
the variable only explains what is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vizproxy import virtualgl as vgl
from vizproxy.doctor.case import Case
from vizproxy.doctor.check import Verdict, fine, lesser
from vizproxy.doctor.words import are, bits, listed
from vizproxy.facts.model import Library, Node

VARIABLE: Final = "NVIDIA_DRIVER_CAPABILITIES"
DEFAULT_CAPABILITIES: Final = "utility,compute"
"""What the toolkit takes where the variable is not set."""

_SET_ALL: Final = f"set {VARIABLE}=all in the container's environment (`env:` of the Pod)"
_MODESET: Final = "/dev/nvidia-modeset"
_MODULES: Final = ("nvidia_drv.so", "libglxserver_nvidia.so")
_SO_X_MODULES: Final = (
    "no X server can run on the GPU, so the plans virtualgl and direct, which have all of its GLX, "
    "are out"
)


def capabilities(case: Case) -> Iterator[Verdict]:
    """Does the container ask the toolkit for the driver's graphics?"""
    system = case.machine.system
    if not (case.nvidia and case.in_container and case.draws):
        return
    told = system.driver_capabilities.value
    said = f"{VARIABLE}={told}" if told is not None else f"{VARIABLE} is not set"
    asked = asked_for(case)
    lacking = _lacking_of_graphics(case)
    if {"graphics", "display"} <= asked or not lacking:
        yield fine(said if told is not None else f"{said}, and need not be")
        return
    left_out = "graphics and display" if "graphics" not in asked else "display"
    means = "" if told is not None else f", which means {DEFAULT_CAPABILITIES} and"
    yield lesser(
        f"{said}{means} leaves out {left_out}",
        f"the container toolkit gives the container {listed(f'no {thing}' for thing in lacking)}",
        f"{_SET_ALL}, and start it again; it also needs the nvidia runtime (runtimeClassName: nvidia)",
    )


def asked_for(case: Case) -> frozenset[str]:
    """The driver's capabilities that the container asks for; ``display`` brings ``graphics``."""
    told = case.machine.system.driver_capabilities.get(DEFAULT_CAPABILITIES)
    asked = {word.strip() for word in told.split(",")}
    if "all" in asked:
        asked |= {"graphics", "display"}
    if "display" in asked:
        asked.add("graphics")
    return frozenset(asked)


def _lacking_of_graphics(case: Case) -> list[str]:
    """What those capabilities would bring and is not here."""
    files = case.machine.files
    there = {
        "OpenGL libraries": bool(files.gl_libraries.value),
        "modules for Xorg": bool(files.x_modules.value),
        _MODESET: _MODESET in _nodes(case),
    }
    return [what for what, here in there.items() if not here]


def nodes(case: Case) -> Iterator[Verdict]:
    """Are the device nodes there, and may we use them?"""
    found = _nodes(case)
    if case.nvidia and found:
        yield from _nvidia_nodes(case, found)
    elif case.other:
        dri = {n.node.path: n.node for n in case.machine.files.dri_nodes.get(())}
        shut = [node for path, node in dri.items() if "render" in path and not node.usable]
        yield _shut(case, shut) if shut else fine(f"{', '.join(dri)}")


def _nodes(case: Case) -> dict[str, Node]:
    return {node.path: node for node in case.machine.files.nvidia_nodes.get(())}


def _nvidia_nodes(case: Case, found: dict[str, Node]) -> Iterator[Verdict]:
    gpu = case.gpu
    needed = ["/dev/nvidiactl"]
    if gpu is not None and gpu.minor.value is not None:
        needed.append(f"/dev/nvidia{gpu.minor.value}")
    missing = [path for path in needed if path not in found]
    # Without the capability it is that which has to change, and the check of it says so.
    explained = case.in_container and "display" not in asked_for(case)
    modeset_missing = _MODESET not in found and case.draws
    shut = [node for node in found.values() if not node.usable and "uvm" not in node.path]
    if missing:
        yield lesser(
            f"{listed(missing)} {are(len(missing))} not here",
            "programs cannot open the GPU, so all draw in software",
            "let the nvidia runtime make them (runtimeClassName: nvidia), rather than mount some of "
            "/dev by hand",
        )
    if shut:
        yield _shut(case, shut)
    if modeset_missing and not explained:
        yield lesser(
            f"{_MODESET} is not here",
            "Xorg cannot set a mode on the GPU without it",
            "load the module nvidia-modeset on the node (`nvidia-modprobe -m`), and start the "
            "container again",
        )
    if not missing and not shut and (explained or not modeset_missing):
        yield fine(", ".join(path for path in found if "uvm" not in path))


def _shut(case: Case, shut: list[Node]) -> Verdict:
    first = shut[0]
    uid = case.machine.system.uid
    group = (
        f"add group {first.gid} to the container (securityContext.supplementalGroups: [{first.gid}], "
        f"or `--group-add {first.gid}`)"
    )
    by_group = bits(first.mode) & 0o060 == 0o060
    mode = "have the mode of the node set to 0666 (nvidia-modprobe, or udev), or run as its owner"
    return lesser(
        f"{', '.join(node.path for node in shut)} may not be used by us (uid {uid}): mode "
        f"{first.mode}, owner {first.uid}:{first.gid}",
        "programs cannot draw on the GPU with it",
        group if by_group else mode,
    )


def x_modules(case: Case) -> Iterator[Verdict]:
    """Can Xorg load the GPU's driver, and is it of the kernel's version?"""
    if not case.nvidia or not case.draws or _no_gpu(case):
        return
    found = case.machine.files.x_modules.get(())
    lacking = [name for name in _MODULES if not any(name in module.path for module in found)]
    if lacking:
        yield lesser(
            f"{listed(lacking)} {are(len(lacking))} not here",
            _SO_X_MODULES,
            _why_no_modules(case),
        )
        return
    kernel = case.machine.files.kernel_driver.value
    other = _of_other_version(found, kernel)
    if other:
        names = listed(Path(module.path).name for module in other)
        versions = listed(sorted({module.version for module in other}))
        yield lesser(
            f"{names} {are(len(other))} of version {versions}, the kernel's module is {kernel}",
            f"the driver refuses modules of another version: {_SO_X_MODULES}",
            "remove the driver's packages from the image: the container toolkit mounts the modules of "
            "the node's driver; or restart the Pod, if the driver was just updated",
        )
        return
    yield fine(", ".join(module.path for module in found))


def _of_other_version(found: tuple[Library, ...], kernel: str | None) -> list[Library]:
    if not kernel:
        return []
    return [module for module in found if module.version and module.version != kernel]


def _why_no_modules(case: Case) -> str:
    if not case.in_container:
        return (
            "install the driver's X part (Debian: xserver-xorg-video-nvidia, Ubuntu: "
            "xserver-xorg-video-nvidia-VERSION)"
        )
    if "graphics" not in asked_for(case):
        return f"{_SET_ALL}; the node's driver needs them, too"
    # NVIDIA's images are built with that flag (github.com/NVIDIA/gpu-driver-container/issues/244).
    return (
        "use a node whose driver has them: driver images of the GPU Operator are built without. "
        "Install the driver on the node from packages (and the operator with driver.enabled=false), "
        "or build a driver image without --x-module-path=/tmp/null; the plan egl needs none"
    )


def _no_gpu(case: Case) -> bool:
    """Whether there is no GPU at all, so that it makes no sense to ask for what belongs to one."""
    return case.gpu is None and case.facts.drawing is None and not case.facts.x_lacks


def virtualgl(case: Case) -> Iterator[Verdict]:
    """Is VirtualGL there, which carries frames from the GPU to the desktop?"""
    found = case.machine.files.virtualgl
    if found.value is not None:
        version = found.value.version.value
        yield fine(f"{version} in {found.value.place}" if version else f"in {found.value.place}")
    elif not case.draws or _no_gpu(case):
        yield fine("it is not installed, and without a GPU it is not needed")
    else:
        directory = case.config.display.virtualgl_dir
        yield lesser(
            vgl.missing(directory),
            "without it programs draw on the GPU only in the plan direct, where viewers may see "
            "changes late",
            "install its package (https://virtualgl.org), here and wherever programs are started"
            + ("" if directory is None else ", or set another display.virtualgl_dir"),
        )


def egl(case: Case) -> Iterator[Verdict]:
    """Can programs draw by EGL, on the GPU or in software?"""
    files = case.machine.files
    vendors = files.egl_vendors.get(())
    if not case.nvidia or not case.draws or _no_gpu(case):
        if vendors:
            yield fine(f"by {', '.join(vendors)}")
        return
    lacking = []
    if not any("EGL_nvidia" in library.path for library in files.gl_libraries.get(())):
        lacking.append("libEGL_nvidia.so.0")
    if not any("nvidia" in name for name in vendors):
        lacking.append("/usr/share/glvnd/egl_vendor.d/10_nvidia.json")
    if not lacking:
        yield fine(f"by {', '.join(vendors)}")
        return
    asked = "graphics" in asked_for(case) or not case.in_container
    yield lesser(
        f"{listed(lacking)} {are(len(lacking))} not here",
        "programs cannot draw on the GPU by EGL, so the plan egl is out",
        "install the driver's EGL (Debian: libegl-nvidia0) on the node, and start the container again"
        if asked
        else _SET_ALL,
    )

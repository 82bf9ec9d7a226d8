"""Checks of what the GPU's driver needs here: nodes, Xorg's modules, libraries, VirtualGL.

What counts is what is there; what the container asks for only explains what is not. What follows from
which facts is in :mod:`vizproxy.facts.nvidia`, by which the plan is chosen, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from vizproxy import virtualgl as vgl
from vizproxy.doctor.case import Case
from vizproxy.doctor.check import Verdict, fine, lesser
from vizproxy.doctor.words import are, bits, listed
from vizproxy.facts import nvidia
from vizproxy.facts.model import Library, Node
from vizproxy.facts.nvml import NOT_HERE

_VARIABLE: Final = nvidia.VARIABLE
_SET_ALL: Final = f"set {_VARIABLE}=all in the container's environment (`env:` of the Pod)"
_MODESET: Final = "/dev/nvidia-modeset"
_SO_X_MODULES: Final = (
    "no X server can run on the GPU, so the plans virtualgl and direct, which have all of its GLX, "
    "are out"
)
_SO_EGL: Final = "programs cannot draw on the GPU by EGL, so the plan egl is out"
_VENDORS: Final = "/usr/share/glvnd/egl_vendor.d"


def capabilities(case: Case) -> Iterator[Verdict]:
    """Does the container ask the toolkit for all of the driver that is needed?"""
    if not (case.given and case.in_container and case.draws):
        return
    told = case.machine.system.driver_capabilities.get("")
    said = f"{_VARIABLE}={told}" if told else f"{_VARIABLE} is not set"
    left_out = [word for word in nvidia.left_out(case.machine.system) if _matters(word, case)]
    lacking = {word: things for word in left_out if (things := _brought_by(word, case))}
    if not lacking:
        yield fine(said if told else f"{said}, and need not be")
        return
    means = "" if told else f", which means {nvidia.DEFAULT_CAPABILITIES} and"
    what = f"{said}{means} leaves out {listed(lacking)}"
    utility = lacking.pop("utility", None)
    if not lacking:
        yield lesser(
            what,
            f"{listed(utility or ())} is not here, so neither the GPU's memory nor its state can be "
            "told, and no app can be held to its share",
            f"add utility to {_VARIABLE} (or set it to all), and start the container again",
        )
        return
    things = [thing for of_one in lacking.values() for thing in of_one] + (utility or [])
    given = listed(f"no {thing}" for thing in things)
    # What brought EGL did not heed the variable, or it came with the image.
    unheeded = "graphics" in left_out and nvidia.has_egl(case.machine.files)
    yield lesser(
        what,
        f"that may be why the container has {given}; it has NVIDIA's EGL all the same, so that the "
        "node's driver may be to blame as well"
        if unheeded
        else f"the container toolkit gives the container {given}",
        f"{_SET_ALL}, and start it again; it also needs the nvidia runtime (runtimeClassName: nvidia)",
    )


def _matters(capability: str, case: Case) -> bool:
    """Whether what a capability brings is needed here: ``display`` is for an X server on the GPU."""
    return capability != "display" or not case.elsewhere


def _brought_by(capability: str, case: Case) -> list[str]:
    """What a capability would bring and is not here."""
    files, nvml = case.machine.files, case.machine.nvml
    there = {
        "graphics": {
            "OpenGL libraries": bool(files.gl_libraries.value),
            "modules for Xorg": bool(files.x_modules.value) or case.elsewhere,
        },
        "display": {_MODESET: _MODESET in _nodes(case)},
        "utility": {"NVML's library": NOT_HERE not in {nvml.gpus.reason, nvml.driver.reason}},
    }
    return [what for what, here in there[capability].items() if not here]


def nodes(case: Case) -> Iterator[Verdict]:
    """Are the device nodes there, and may we use them?"""
    found = _nodes(case)
    if case.expects_gpu and found:
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
    explained = "display" in nvidia.left_out(case.machine.system)
    modeset_missing = _MODESET not in found and case.draws and not case.elsewhere
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
    if not case.expects_gpu or not case.draws or _no_gpu(case) or case.elsewhere:
        return
    machine = case.machine
    missing = nvidia.missing_x_modules(machine.files)
    if missing:
        yield _missing_modules(case, missing)
        return
    found = machine.files.x_modules.get(())
    running = nvidia.running_version(machine)
    if misfits := nvidia.x_misfits(machine):
        yield lesser(
            f"{_versions(misfits)}, the kernel's module is {running}",
            f"the driver refuses modules of another version: {_SO_X_MODULES}",
            "remove the driver's packages from the image: the container toolkit mounts the modules of "
            "the node's driver; or restart the Pod, if the driver was just updated"
            if case.in_container
            else f"install the driver's X part of version {running}",
        )
        return
    strays = nvidia.x_strays(machine)
    used = ", ".join(module.path for module in found if module not in strays)
    yield fine(f"{used} (not in use: {_versions(strays)})" if strays else used)


def _versions(found: tuple[Library, ...]) -> str:
    names = listed(dict.fromkeys(PurePath(library.path).name for library in found))
    versions = listed(sorted({library.version for library in found}))
    return f"{names} {are(len(found))} of version {versions}"


def _missing_modules(case: Case, missing: tuple[str, ...]) -> Verdict:
    unlinked = nvidia.unlinked_x_modules(case.machine)
    if len(unlinked) < len(missing):
        return lesser(
            f"{listed(missing)} {are(len(missing))} not here", _SO_X_MODULES, _why_no_modules(case)
        )
    path = PurePath(unlinked[0].path)
    link = path.with_name(missing[0])
    made = "use a container toolkit that makes it by its hook, or " if case.in_container else ""
    return lesser(
        f"{path} has no link {link.name} beside it",
        f"Xorg loads the module by that name alone: {_SO_X_MODULES}",
        f"{made}make it: `ln -s {path.name} {link}`, by root",
    )


def _why_no_modules(case: Case) -> str:
    if not case.in_container:
        return (
            "install the driver's X part (Debian: xserver-xorg-video-nvidia, Ubuntu: "
            "xserver-xorg-video-nvidia-VERSION)"
        )
    if nvidia.denied_graphics(case.machine):
        return f"{_SET_ALL}; the node's driver needs them, too"
    first = f"{_SET_ALL}; if that does not help, " * (
        "graphics" in nvidia.left_out(case.machine.system)
    )
    # NVIDIA's images are built with that flag (github.com/NVIDIA/gpu-driver-container/issues/244).
    return (
        f"{first}use a node whose driver has them: driver images of the GPU Operator are built "
        "without. Install the driver on the node from packages (and the operator with "
        "driver.enabled=false), or build a driver image without --x-module-path=/tmp/null; the plan "
        "egl needs none"
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
    if not case.expects_gpu or not case.draws or _no_gpu(case):
        if vendors:
            yield fine(f"by {', '.join(vendors)}")
        return
    lacking = [] if nvidia.has_egl(files) else ["libEGL_nvidia.so.0"]
    if not any("nvidia" in name for name in vendors):
        lacking.append(f"{_VENDORS}/10_nvidia.json")
    misfits = nvidia.gl_misfits(case.machine)
    unfit = tuple(one for one in misfits if "libEGL_nvidia" in one.path)
    if lacking:
        yield lesser(f"{listed(lacking)} {are(len(lacking))} not here", _SO_EGL, _egl_remedy(case))
    elif unfit and not nvidia.gl_unfit(case.machine):
        running = nvidia.running_version(case.machine)
        yield lesser(
            f"{_versions(unfit)}, the kernel's module is {running}",
            _SO_EGL,
            "start the container again, so that it gets the libraries of the driver that runs",
        )
    else:
        yield fine(f"by {', '.join(vendors)}")


def _egl_remedy(case: Case) -> str:
    if nvidia.denied_graphics(case.machine):
        return _SET_ALL
    if nvidia.has_egl(case.machine.files):
        return f"put that file into {_VENDORS}, as the container toolkit does"
    where = " on the node, and start the container again" if case.in_container else ""
    return f"install the driver's EGL (Debian: libegl-nvidia0){where}"

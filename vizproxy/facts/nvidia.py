"""What follows from facts about NVIDIA's GPUs and their driver. Pure.

Whoever plans, and whoever explains what is wrong, asks here, so that they cannot contradict each other.

What a container gets of a driver is up to NVIDIA's container toolkit: see its ``graphics`` modifier for
Xorg's modules, and libnvidia-container's ``nvc_info.c`` for libraries and device nodes. In its older
mode that depends on NVIDIA_DRIVER_CAPABILITIES; with CDI, its default since version 1.18, it does not.
Which mode is at work cannot be seen from within, so what counts is what is there. The variable can
only explain what is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final

from vizproxy.facts import vgpu
from vizproxy.facts.model import Files, Gpu, Library, Machine, System, Virtualization

X_DRIVER: Final = "nvidia_drv.so"
"""Xorg's driver."""

X_GLX: Final = "libglxserver_nvidia.so"
"""Xorg's GLX of NVIDIA's. Without it, GLX is Mesa's. Xorg loads it by exactly this name."""

X_MODULES: Final = (X_DRIVER, X_GLX)
GL_LIBRARIES: Final = ("libGLX_nvidia", "libEGL_nvidia")
"""What the names of NVIDIA's client libraries begin with."""

VARIABLE: Final = "NVIDIA_DRIVER_CAPABILITIES"
DEFAULT_CAPABILITIES: Final = "utility,compute"
"""What the container toolkit takes where the variable is not set."""

_OF_INTEREST: Final = ("utility", "graphics", "display")
_GFX: Final = re.compile(r"\+gfx\b")


# ------------------------------------------------------------------------------------- GPUs


def is_vgpu(gpu: Gpu) -> bool:
    """Whether a GPU is a share of one; by its name where its virtualization is not known."""
    mode = gpu.virtualization.value
    if mode is None:
        return vgpu.parse(gpu.name.get("")) is not None
    return mode is Virtualization.VGPU


def profile(gpu: Gpu) -> vgpu.Profile | None:
    """The profile of a vGPU; None if it is none, or has a name that tells no profile."""
    return vgpu.parse(gpu.name.get("")) if is_vgpu(gpu) else None


def limits(gpu: Gpu) -> vgpu.Limits | None:
    """What a vGPU's profile allows; None where there is no profile."""
    found = profile(gpu)
    return None if found is None else vgpu.limits(found)


def slices_draw(gpu: Gpu) -> bool:
    """Whether a MIG slice has graphics, as those of an RTX PRO 6000 may (``1g.24gb+gfx``)."""
    return any(_GFX.search(part.name.get("")) for part in gpu.mig_devices.get(()))


def sliced(gpu: Gpu) -> bool:
    """Whether a GPU is cut into MIG slices that have no graphics."""
    return gpu.mig.get(default=False) and not slices_draw(gpu)


def draws(found: vgpu.Profile | None) -> bool:
    """Whether a profile is for drawing, as all but those for computing are. A whole GPU has none."""
    return found is None or vgpu.limits(found).draws


def can_draw(gpu: Gpu) -> bool:
    """Whether a GPU could draw, were all else right: no MIG slices, no profile for computing."""
    return not sliced(gpu) and draws(profile(gpu))


# --------------------------------------------------------------------------- modules and libraries


def running_version(machine: Machine) -> str:
    """The version of the driver that runs; empty if nothing tells it.

    That is the kernel module's. NVML works with no other, so what it tells is as good.
    """
    return machine.files.kernel_driver.get("") or machine.nvml.driver.get("")


def missing_x_modules(files: Files) -> tuple[str, ...]:
    """The names of the modules that Xorg would look for in vain; none where nobody could look."""
    modules = files.x_modules.value
    if modules is None:
        return ()
    there = {_name(module) for module in modules}
    return tuple(name for name in X_MODULES if name not in there)


def unlinked_x_modules(machine: Machine) -> tuple[Library, ...]:
    """Modules that would do, but for their names: Xorg does not load ``….so.550.127.05``.

    The container toolkit mounts the GLX module under such a name, and makes the link in a hook of its
    own. A link that is here is what is told, with the version of the file that it leads to.
    """
    missing = missing_x_modules(machine.files)
    version = running_version(machine)
    fitting = [m for m in machine.files.x_modules.get(()) if of_version(m, version)]
    return tuple(m for m in fitting for name in missing if _name(m).startswith(f"{name}."))


def x_misfits(machine: Machine) -> tuple[Library, ...]:
    """Xorg's modules of another version than the driver that runs, where none of its version is."""
    loadable = [m for m in machine.files.x_modules.get(()) if _name(m) in X_MODULES]
    return _misfits(loadable, X_MODULES, running_version(machine))


def x_strays(machine: Machine) -> tuple[Library, ...]:
    """Xorg's modules of another version that lie beside fitting ones, and so are not in use."""
    loadable = [m for m in machine.files.x_modules.get(()) if _name(m) in X_MODULES]
    return _strays(loadable, X_MODULES, running_version(machine))


def gl_misfits(machine: Machine) -> tuple[Library, ...]:
    """Client libraries of another version than the driver's, where none of its version is."""
    found = machine.files.gl_libraries.get(())
    return _misfits(found, GL_LIBRARIES, running_version(machine))


def gl_unfit(machine: Machine) -> bool:
    """Whether there are client libraries and none fits the driver, so that nothing can draw."""
    found = machine.files.gl_libraries.get(())
    return bool(found) and len(gl_misfits(machine)) == len(found)


def gl_strays(machine: Machine) -> tuple[Library, ...]:
    """Client libraries of another version that lie beside fitting ones."""
    return _strays(machine.files.gl_libraries.get(()), GL_LIBRARIES, running_version(machine))


def has_egl(files: Files) -> bool:
    """Whether NVIDIA's EGL is here."""
    return any(_name(found).startswith("libEGL_nvidia") for found in files.gl_libraries.get(()))


def of_version(found: Library, version: str) -> bool:
    """Whether a library is of a version, as far as is known of both."""
    return not version or not found.version or found.version == version


def _misfits(found: Iterable[Library], names: Iterable[str], version: str) -> tuple[Library, ...]:
    groups = [[one for one in found if _name(one).startswith(name)] for name in names]
    unfit = [group for group in groups if not any(of_version(one, version) for one in group)]
    return tuple(one for group in unfit for one in group)


def _strays(found: Iterable[Library], names: Iterable[str], version: str) -> tuple[Library, ...]:
    found = tuple(found)
    unfit = _misfits(found, names, version)
    return tuple(one for one in found if one not in unfit and not of_version(one, version))


def _name(found: Library) -> str:
    return PurePath(found.path).name


# -------------------------------------------------------------------------------- capabilities


def capabilities(system: System) -> frozenset[str]:
    """The driver's capabilities that a container asks for; ``display`` brings ``graphics``."""
    told = system.driver_capabilities.get("") or DEFAULT_CAPABILITIES
    asked = {word.strip() for word in told.split(",")}
    if "all" in asked:
        asked |= set(_OF_INTEREST)
    if "display" in asked:
        asked.add("graphics")
    return frozenset(asked)


def left_out(system: System) -> tuple[str, ...]:
    """The capabilities that matter here and that a container does not ask for; none outside of one."""
    if not system.container.get(default=False):
        return ()
    asked = capabilities(system)
    return tuple(word for word in _OF_INTEREST if word not in asked)


def denied_graphics(machine: Machine) -> bool:
    """Whether the variable is why a container has nothing to draw with.

    It is not, or not alone, where NVIDIA's EGL is here: what brought that did not heed the variable.
    """
    return "graphics" in left_out(machine.system) and not has_egl(machine.files)


def answers(gpu: Gpu) -> bool:
    """Whether a GPU that NVML counts tells anything of itself; one that is lost does not."""
    return gpu.name.value is not None or gpu.framebuffer.value is not None

"""What a rendering plan needs to know, made of the facts about a machine. Pure.

The GPU is the first that programs can draw on: NVIDIA's before others', unless the configuration names
another driver.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Final

from vizproxy.config import Config, GpuDriver
from vizproxy.display import drigpus, nvidiagpus
from vizproxy.display.candidates import Candidate, each_once
from vizproxy.display.plan import ChosenGpu, Facts, Lack
from vizproxy.facts import nvidia
from vizproxy.facts.model import Machine
from vizproxy.facts.reading import printable

_MODULE_KINDS: Final = frozenset({"drivers", "extensions"})
_USUAL_MODULES: Final = (
    "/usr/lib/xorg/modules",  # Debian, Arch
    "/usr/lib64/xorg/modules",  # Fedora, RHEL
)


def for_plan(machine: Machine, config: Config) -> Facts:
    """Say what plans are to be chosen from, on a machine and by a configuration."""
    display = config.display
    driver = display.gpu_driver
    candidates = _candidates(machine, driver)
    chosen = next((found for found in candidates if not found.obstacles), None)
    obstacles = each_once(lack for found in candidates for lack in found.obstacles)
    x_lacks, egl_lacks = (obstacles,) * 2 if chosen is None else (chosen.x_lacks, chosen.egl_lacks)
    if driver is GpuDriver.NVIDIA and chosen is not None and chosen.gpu.driver is not driver:
        x_lacks = (Lack("no NVIDIA GPU was found", "display.gpu_driver = 'auto'"),)
    return Facts(
        gpu=None if chosen is None else _printable_gpu(chosen.gpu),
        x_lacks=tuple(map(_printable_lack, x_lacks)),
        egl_lacks=tuple(map(_printable_lack, egl_lacks)),
        virtualgl=machine.files.virtualgl.value is not None,
        virtualgl_dir=display.virtualgl_dir,
        gpu_driver=driver,
        module_paths=_module_paths(machine, config.programs.xorg),
        signs=() if chosen is not None else tuple(map(printable, _signs(machine, candidates))),
    )


def _printable_gpu(gpu: ChosenGpu) -> ChosenGpu:
    return replace(
        gpu,
        node=printable(gpu.node),
        name=printable(gpu.name),
        uuid=printable(gpu.uuid),
        address=printable(gpu.address),
        egl_display=printable(gpu.egl_display),
    )


def _printable_lack(lack: Lack) -> Lack:
    return Lack(printable(lack.what), printable(lack.remedy))


def _candidates(machine: Machine, driver: GpuDriver) -> list[Candidate]:
    """The GPUs that are here, the best one first."""
    others = list(drigpus.candidates(machine, driver))
    if driver in {GpuDriver.MODESETTING, GpuDriver.AMDGPU}:
        return others
    return [*nvidiagpus.candidates(machine, look=driver is GpuDriver.AUTO), *others]


def _signs(machine: Machine, candidates: list[Candidate]) -> tuple[str, ...]:
    """Signs of GPUs none of which can be used."""
    if candidates:
        return each_once(str(found.gpu) for found in candidates)
    # A container sees every GPU of its node there.
    of_the_node = machine.system.container.get(False)
    kernel = () if of_the_node else machine.files.kernel_gpus.get(())
    signs = [f"{gpu.model} at {gpu.address}" for gpu in kernel]
    visible = machine.system.visible_devices.get("")
    if visible not in {"", "none", "void"}:  # the container toolkit's words for no GPU
        signs.append(f"NVIDIA_VISIBLE_DEVICES={visible}")
    return each_once(signs)


def _module_paths(machine: Machine, xorg: str) -> tuple[str, ...]:
    """The directories to search for modules, if NVIDIA's lie where the X server does not look.

    Modules of the running driver's version come before others: an image may have brought its own.
    Named in a configuration, directories replace the server's own, which therefore come last.
    """
    usual = each_once([str(PurePath(xorg).parent / "modules"), *_USUAL_MODULES])
    written = [m for m in machine.files.x_modules.get(()) if _can_be_written(m.path)]
    modules = [m for m in written if PurePath(m.path).name in nvidia.X_MODULES]
    strays = nvidia.x_strays(machine)
    needed = each_once(_home(module.path) for module in modules if module not in strays)
    if all(home == usual[0] for home in needed):
        return ()
    # Xorg takes the first of a name. So what has a module of another version, too, comes later, and
    # what may have one before that.
    running = nvidia.running_version(machine)
    with_strays = {_home(stray.path) for stray in strays}
    sure = {_home(module.path) for module in modules if module.version == running}
    ordered = sorted(needed, key=lambda home: (home in with_strays, home not in sure))
    return each_once([*ordered, *usual])


def _can_be_written(path: str) -> bool:
    """Whether xorg.conf can name a path: nothing can be escaped there."""
    return path.isprintable() and '"' not in path


def _home(module: str) -> str:
    """The directory to name so that a module in it, or in one for its kind, is found."""
    directory = PurePath(module).parent
    return str(directory.parent if directory.name in _MODULE_KINDS else directory)

"""Checks of the GPU itself: is it there, does its driver fit, what may it do?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from vizproxy.amounts import amount_text
from vizproxy.config import Display, GpuDriver
from vizproxy.display.plan import RenderingPlan
from vizproxy.doctor.case import Case
from vizproxy.doctor.check import Verdict, fine, lesser, wrong
from vizproxy.doctor.words import are, listed
from vizproxy.facts import nvidia
from vizproxy.facts.model import Gpu, Library, Virtualization
from vizproxy.facts.nvml import NOT_HERE
from vizproxy.facts.vgpu import Limits

NO_DRAWING: Final = "no program can draw on the GPU, so all draw in software"
SOFTWARE: Final = "programs draw in software"
_SEE_DRIVER: Final = "do what is said of the driver; `nvidia-smi` should then list the GPU"
_HAND_IN: Final = (
    "give the container the GPU: runtimeClassName: nvidia and a limit of nvidia.com/gpu: 1 in the "
    "Pod, or `--gpus all` with docker"
)
_START_ANEW: Final = (
    "restart the Pod; if that does not help, the node has to be rebooted: `dmesg` there names the "
    "fault as an Xid"
)


def gpu(case: Case) -> Iterator[Verdict]:
    """Is there a GPU, and does it answer?"""
    found = case.gpu
    if found is None:
        yield _not_shown(case)
        return
    if nvidia.answers(found):
        yield fine(_described(found) + _beside(case))
    else:
        reason = found.name.reason
        what = reason if "GPU" in reason else f"the GPU does not answer: {reason}"
        yield wrong(what, NO_DRAWING, _START_ANEW)
    for another in case.gpus:
        if another is not found and not nvidia.answers(another):
            name = another.address.value or another.uuid.value
            yield lesser(
                f"another GPU{f', {name},' if name else ''} does not answer ({another.name.reason})",
                "what draws or computes on it fails; the desktop does not use it",
                _START_ANEW,
            )


def _not_shown(case: Case) -> Verdict:
    """What there is to say where NVML shows no GPU."""
    chosen = case.facts.gpu
    if case.facts.pretends:
        return fine("the dummy driver stands in for one, as configured")
    if chosen is not None and chosen.driver is GpuDriver.NVIDIA:
        return lesser(
            f"{chosen}, of which NVML tells nothing: {case.machine.nvml.gpus.reason}",
            "how much of its memory is in use cannot be told, nor whether it is well",
            _bring_nvml(case) if case.machine.nvml.gpus.reason == NOT_HERE else _SEE_DRIVER,
        )
    if chosen is not None:
        return fine(f"{chosen.name or 'one'} ({chosen.node}), by the driver {chosen.driver}")
    if case.expects_gpu:
        return _hidden(case)
    if case.other:
        return lesser(
            f"{listed(case.facts.signs)}, which cannot be used",
            NO_DRAWING,
            listed((f"try {lack.remedy}" for lack in case.facts.egl_lacks), "or") or _HAND_IN,
        )
    node = _of_the_node(case)
    if node:
        return fine(f"the node has {node}; none is given to this container", SOFTWARE)
    return fine(f"there is none: {SOFTWARE}")


def _of_the_node(case: Case) -> str:
    """The GPUs that the kernel's driver tells of: in a container, those of the node."""
    models = [gpu.model or "an NVIDIA GPU" for gpu in case.machine.files.kernel_gpus.get(())]
    counts = {model: models.count(model) for model in models}
    return listed(name if n == 1 else f"{name} ({n} of them)" for name, n in counts.items())


def _described(gpu: Gpu) -> str:
    parts = [gpu.name.get("a GPU whose name is not known")]
    if nvidia.is_vgpu(gpu):
        parts.append("a vGPU")
    elif gpu.virtualization.value is Virtualization.PASSTHROUGH:
        parts.append("passed through to this machine")
    memory = gpu.framebuffer.value
    if memory is not None:
        parts.append(f"{amount_text(memory.total)}, {amount_text(memory.used)} of it in use")
    return ", ".join(parts)


def _beside(case: Case) -> str:
    """What to say of further GPUs."""
    if len(case.gpus) > 1:
        return f"; {len(case.gpus)} GPUs are here, and this one is used"
    more = len(case.machine.files.kernel_gpus.get(())) - 1
    if more > 0:
        return f"; {more} more of this machine {are(more)} not given to us"
    return ""


def _hidden(case: Case) -> Verdict:
    """An NVIDIA GPU should be here, or is, and nothing can be done with it."""
    if case.machine.nvml.gpus.value == ():
        return lesser("the driver is here, but shows no GPU", NO_DRAWING, _HAND_IN)
    node = _of_the_node(case)
    if case.given:
        return wrong(
            f"{node or 'the GPU'} cannot be used: {case.machine.nvml.gpus.reason}",
            NO_DRAWING,
            _SEE_DRIVER,
        )
    there = f"the node has {node}; none is given to this container" if node else "none is here"
    return lesser(f"{there}, although {case.asked}", NO_DRAWING, _HAND_IN)


def driver(case: Case) -> Iterator[Verdict]:
    """Are kernel module and libraries of one version?"""
    version = nvidia.running_version(case.machine)
    if not version or not (case.given or case.machine.nvml.gpus.value is not None):
        return
    if nvidia.gl_unfit(case.machine):
        yield wrong(
            f"the kernel's module is {version}, the libraries are "
            f"{_versions(nvidia.gl_misfits(case.machine))}",
            "libraries of one version refuse to work with a module of another: programs fail to "
            "draw, or draw in software",
            "restart the Pod, which mounts the libraries of the driver that the node runs now; if "
            "they are part of the image, remove them from it",
        )
        return
    troubles = [*_without_nvml(case, version), *_of_other_versions(case, version)]
    yield from troubles or [fine(f"{version}, the same in kernel and libraries")]


def _of_other_versions(case: Case, version: str) -> Iterator[Verdict]:
    """Libraries that do not fit, where others do: those for EGL alone, say, or an image's own."""
    misfits, strays = nvidia.gl_misfits(case.machine), nvidia.gl_strays(case.machine)
    remedy = "remove the packages that they are of"
    if case.in_container:
        remedy += " from the image: the container toolkit mounts the libraries of the node's driver"
    if misfits:
        yield lesser(
            f"the kernel's module is {version}, {_names(misfits)} {are(len(misfits))} of version "
            f"{_versions(misfits)}",
            "programs that draw by them fail, or draw in software",
            remedy,
        )
    if strays:
        yield lesser(
            f"{_names(strays)} of version {_versions(strays)} {are(len(strays))} beside the "
            f"libraries of {version}, which runs",
            "a program that finds them first fails to draw, or draws in software",
            remedy,
        )


def _without_nvml(case: Case, version: str) -> Iterator[Verdict]:
    gpus = case.machine.nvml.gpus
    if gpus.value is not None:
        return
    if gpus.reason == NOT_HERE:  # which keeps nobody from drawing
        yield lesser(
            f"{version} is loaded, but {gpus.reason}",
            "neither the GPU's memory nor its state can be told; programs draw all the same",
            _bring_nvml(case),
        )
        return
    yield wrong(
        f"{version} is loaded, but NVML does not work: {gpus.reason}",
        "neither the GPU's memory nor its state can be told, and what draws on it may fail, too",
        "restart the Pod; try `nvidia-smi` here and on the node, and see `dmesg` there",
    )


def _bring_nvml(case: Case) -> str:
    """What to do where NVML's library is not here."""
    if not case.in_container:
        return "install NVML's library (Debian: libnvidia-ml1)"
    if "utility" in nvidia.left_out(case.machine.system):
        return f"add utility to {nvidia.VARIABLE} (or set it to all), and start the container again"
    return "start the container with the nvidia runtime (runtimeClassName: nvidia), which mounts it"


def _names(found: tuple[Library, ...]) -> str:
    return listed(PurePath(library.path).name for library in found)


def _versions(found: tuple[Library, ...]) -> str:
    return listed(sorted({library.version for library in found}))


def licence(case: Case) -> Iterator[Verdict]:
    """Is the vGPU licensed?

    What an unlicensed one does is from NVIDIA's Control Panel help, "About GRID Licensing".
    """
    found = case.gpu
    if found is None:
        return
    held = found.licence.value
    if held is None and not nvidia.is_vgpu(found):
        return
    if held is None:
        reason = found.licence.reason
        yield lesser(
            f"whether the vGPU is licensed cannot be told: {reason}",
            "an unlicensed vGPU slows down, minutes after the machine was started",
            "look at `nvidia-smi -q` under 'vGPU Software Licensed Product'",
        )
    elif held.licensed:
        yield fine(", ".join(filter(None, (held.product, "licensed", held.detail))))
    else:
        what = ", ".join(filter(None, (held.product, "not licensed", held.detail)))
        yield wrong(
            what,
            "an unlicensed vGPU slows down step by step after the machine was started, in the end to "
            "3 frames/s, and refuses CUDA",
            "have the machine's administrator install the licence's client token "
            "(/etc/nvidia/ClientConfigToken) and see that the licence server can be reached: "
            "`journalctl -u nvidia-gridd`",
        )


def profile(case: Case) -> Iterator[Verdict]:
    """What does the vGPU's profile, or a MIG slice, leave out?"""
    found = case.gpu
    if found is None:
        return
    if case.sliced:
        yield lesser(
            f"the GPU is in MIG mode{_slices(found)}, whose slices cannot draw",
            NO_DRAWING,
            "ask for a whole GPU, a time-sliced one or a vGPU with a Q profile; a MIG slice can only "
            "compute",
        )
        return
    allowed = case.limits
    if allowed is None:
        return
    name = found.name.get("")
    if not allowed.draws:
        yield lesser(
            f"{name} is a profile for computing alone (C series)",
            NO_DRAWING,
            "ask for a vGPU with a Q profile (RTX Virtual Workstation), such as "
            f"{name.removesuffix('C')}Q",
        )
    elif _cut_short(case):
        yield lesser(
            f"{name} shows {_shown(allowed)}",
            f"the desktop is on the GPU and cannot be as large as configured: {_cut(case)}",
            "ask for a larger Q profile, or use the plan virtualgl, whose desktop is in main memory",
        )
    else:
        cut = _cut(case)
        why = f"the desktop is on the GPU: {cut}" if cut else ""
        yield fine(f"{name} shows {_shown(allowed)}", why)


def _slices(gpu: Gpu) -> str:
    names = [device.name.value for device in gpu.mig_devices.get(()) if device.name.value]
    return f" ({listed(names)})" if names else ""


def _cut(case: Case) -> str:
    """What the desktop is cut to; empty if it is as large as configured."""
    if not isinstance(case.plan, RenderingPlan) or not case.plan.size_reason:
        return ""
    return f"it starts with {case.plan.size} and can grow to {case.plan.max_size}"


def _cut_short(case: Case) -> bool:
    """Whether the desktop is smaller than was asked for; nobody asked for the default ``max_size``."""
    if not _cut(case) or not isinstance(case.plan, RenderingPlan):
        return False
    wanted = case.config.display
    return case.plan.size != wanted.size or wanted.max_size != Display().max_size


def _shown(allowed: Limits) -> str:
    heads = "one screen" if allowed.heads == 1 else f"{allowed.heads} screens"
    return (
        f"{heads} of at most {allowed.max_width}x{allowed.max_height}, "
        f"{allowed.max_pixels / 1e6:.1f} million pixels in all"
    )

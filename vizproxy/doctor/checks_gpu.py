"""Checks of the GPU itself: is it there, does its driver fit, what may it do?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vizproxy.amounts import amount_text
from vizproxy.display.plan import RenderingPlan
from vizproxy.doctor.case import Case
from vizproxy.doctor.check import Verdict, fine, lesser, wrong
from vizproxy.doctor.words import are, listed
from vizproxy.facts.model import Gpu, Virtualization
from vizproxy.facts.vgpu import Limits

NO_DRAWING: Final = "no program can draw on the GPU, so all draw in software"
_SEE_DRIVER: Final = "do what is said of the driver; `nvidia-smi` should then list the GPU"
_HAND_IN: Final = (
    "give the container the GPU: runtimeClassName: nvidia and a limit of nvidia.com/gpu: 1 in the "
    "Pod, or `--gpus all` with docker"
)


def gpu(case: Case) -> Iterator[Verdict]:
    """Is there a GPU, and does it answer?"""
    found, chosen = case.gpu, case.facts.gpu
    if found is not None and found.name.value is None:
        reason = found.name.reason
        yield wrong(
            reason if "GPU" in reason else f"the GPU does not answer: {reason}",
            NO_DRAWING,
            "restart the Pod; if that does not help, the node has to be rebooted: `dmesg` there names "
            "the fault as an Xid",
        )
    elif found is not None:
        yield fine(_described(found) + _beside(case))
    elif case.facts.pretends:
        yield fine("the dummy driver stands in for one, as configured")
    elif chosen is not None and case.nvidia:
        yield lesser(
            f"{chosen}, of which NVML tells nothing: {case.machine.nvml.gpus.reason}",
            "how much of its memory is in use cannot be told, nor whether it is well",
            _SEE_DRIVER,
        )
    elif chosen is not None:
        yield fine(f"{chosen.name or 'one'} ({chosen.node}), by the driver {chosen.driver}")
    elif case.nvidia:
        yield _hidden(case)
    elif case.other:
        yield lesser(
            f"{listed(case.facts.signs)}, which cannot be used",
            NO_DRAWING,
            listed((f"try {lack.remedy}" for lack in case.facts.egl_lacks), "or") or _HAND_IN,
        )
    else:
        yield fine("there is none: programs draw in software")


def _described(gpu: Gpu) -> str:
    parts = [gpu.name.get("")]
    kind = gpu.virtualization.value
    if kind is Virtualization.VGPU:
        parts.append("a vGPU")
    elif kind is Virtualization.PASSTHROUGH:
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
    files = case.machine.files
    if not files.kernel_driver.value and not files.nvidia_nodes.value:
        signs = listed(case.facts.signs)
        return lesser(
            f"none is here, although there are signs of one: {signs}" if signs else "none is here",
            NO_DRAWING,
            _HAND_IN,
        )
    if case.machine.nvml.gpus.value == ():
        return lesser("the driver is here, but shows no GPU", NO_DRAWING, _HAND_IN)
    model = next((known.model for known in files.kernel_gpus.get(()) if known.model), "the GPU")
    return wrong(
        f"{model} cannot be used: {case.machine.nvml.gpus.reason}", NO_DRAWING, _SEE_DRIVER
    )


def driver(case: Case) -> Iterator[Verdict]:
    """Are kernel module and libraries of one version?"""
    files, nvml = case.machine.files, case.machine.nvml
    kernel = files.kernel_driver.value
    if not kernel and nvml.driver.value is None:
        return
    version = kernel or nvml.driver.get("")
    others = sorted(
        {library.version for library in files.gl_libraries.get(()) if library.version} - {version}
    )
    if nvml.driver.value is not None and nvml.driver.value != version:
        others.append(nvml.driver.value)
    if others:
        yield wrong(
            f"the kernel's module is {version}, the libraries are {listed(others)}",
            "libraries of one version refuse to work with a module of another: programs fail to "
            "draw, or draw in software",
            "restart the Pod, which mounts the libraries of the driver that the node runs now; if "
            "they are part of the image, remove them from it",
        )
    elif nvml.gpus.value is None:
        yield wrong(
            f"{version} is loaded, but NVML does not work: {nvml.gpus.reason}",
            "neither the GPU's memory nor its state can be told, and what draws on it may fail, too",
            "restart the Pod; try `nvidia-smi` here and on the node, and see `dmesg` there",
        )
    else:
        yield fine(f"{version}, the same in kernel and libraries")


def licence(case: Case) -> Iterator[Verdict]:
    """Is the vGPU licensed?

    What an unlicensed one does is from NVIDIA's Control Panel help, "About GRID Licensing".
    """
    found = case.gpu
    if found is None or found.virtualization.value is not Virtualization.VGPU:
        return
    held = found.licence.value
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
    elif cut := _cut(case):
        yield lesser(
            f"{name} shows {_shown(allowed)}",
            f"the desktop is on the GPU and cannot be as large as configured: {cut}",
            "ask for a larger Q profile, or use the plan virtualgl, whose desktop is in main memory",
        )
    else:
        yield fine(f"{name} shows {_shown(allowed)}")


def _slices(gpu: Gpu) -> str:
    names = [device.name.value for device in gpu.mig_devices.get(()) if device.name.value]
    return f" ({listed(names)})" if names else ""


def _cut(case: Case) -> str:
    """What the desktop is cut to; empty if it is as large as configured."""
    if not isinstance(case.plan, RenderingPlan) or not case.plan.size_reason:
        return ""
    return f"it starts with {case.plan.size} and can grow to {case.plan.max_size}"


def _shown(allowed: Limits) -> str:
    heads = "one screen" if allowed.heads == 1 else f"{allowed.heads} screens"
    return (
        f"{heads} of at most {allowed.max_width}x{allowed.max_height}, "
        f"{allowed.max_pixels / 1e6:.1f} million pixels in all"
    )

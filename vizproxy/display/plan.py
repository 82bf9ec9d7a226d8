"""The rendering plan: which X servers to start and how apps draw, as pure functions of facts.

============= =============================== =============================================
plan          X servers                       an app draws
============= =============================== =============================================
``software``  desktop (dummy driver)          on the desktop, by Mesa's llvmpipe
``direct``    desktop (GPU)                   on the desktop, by the GPU
``virtualgl`` desktop (dummy), 3D (GPU)       on the 3D server; VirtualGL copies the frames
``egl``       desktop (dummy)                 by EGL on the GPU; VirtualGL copies the frames
============= =============================== =============================================

``auto`` is the first of ``virtualgl``, ``direct``, ``egl`` and ``software`` that is possible. On a GPU
that is not NVIDIA's it is ``egl`` or ``software``: Mesa's EGL has all that its GLX has, and an X server
of our own would take the card from whoever has it (DRM master). With the dummy driver in the GPU's
place every plan can be tried on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from vizproxy import virtualgl
from vizproxy.config import Display, GpuDriver, Plan, Size
from vizproxy.display.busid import xorg_bus_id
from vizproxy.errors import PlanError
from vizproxy.virtualgl import EGL_DISPLAY

if TYPE_CHECKING:
    from vizproxy.facts.vgpu import Limits

_T = TypeVar("_T")

TEMPLATES: Final[Mapping[GpuDriver, str]] = MappingProxyType(
    {
        GpuDriver.NVIDIA: "nvidia.conf",
        GpuDriver.MODESETTING: "modesetting.conf",
        GpuDriver.AMDGPU: "amdgpu.conf",
        GpuDriver.DUMMY: "dummy.conf",
    }
)
"""The template of an X server with each driver."""

DUMMY_TEMPLATE: Final = TEMPLATES[GpuDriver.DUMMY]

_PREFERENCE: Final = (Plan.VIRTUALGL, Plan.DIRECT, Plan.EGL)
_PREFERENCE_ELSE: Final = (Plan.EGL, Plan.VIRTUALGL, Plan.DIRECT)
_WITH_X: Final = frozenset({Plan.VIRTUALGL, Plan.DIRECT})
"""The plans that have an X server on the GPU."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that the machine has not got: a clause that says what, and what to try."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ChosenGpu:
    """The GPU that programs draw on.

    ``address`` is its place on the PCI bus as the kernel writes it (``0000:3b:00.0``), ``driver`` the
    one that an X server on it has, ``node`` its device node (``/dev/nvidia0``, ``/dev/dri/card0``).
    Name, UUID and address are empty where they are not known. There are ``limits`` for a vGPU alone.
    ``egl_display`` is what VirtualGL draws on by EGL: the GPU's card node, or ``egl0`` for the first
    GPU where that node is not known or cannot be used.
    """

    driver: GpuDriver
    node: str = ""
    name: str = ""
    uuid: str = ""
    address: str = ""
    limits: Limits | None = None
    egl_display: str = EGL_DISPLAY

    @property
    def bus_id(self) -> str:
        """Its place on the PCI bus as xorg.conf writes it; empty if that is not known."""
        return xorg_bus_id(self.address)

    def __str__(self) -> str:
        return ", ".join(text for text in (self.name, self.node) if text)


_STAND_IN: Final = ChosenGpu(GpuDriver.DUMMY, name="dummy driver")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on the machine, as far as plans depend on it.

    ``x_lacks`` says why no X server can run on the GPU, ``egl_lacks`` why programs cannot draw on it by
    EGL; either may also say why there is no ``gpu`` to be used. VirtualGL is not among them.
    ``module_paths`` are directories that the X server must search for modules, in this order; none if
    it finds them by itself. ``signs`` are signs of a GPU where there is none to be used.
    """

    gpu: ChosenGpu | None = None
    x_lacks: tuple[Lack, ...] = ()
    egl_lacks: tuple[Lack, ...] = ()
    virtualgl: bool = False
    virtualgl_dir: Path | None = None
    gpu_driver: GpuDriver = GpuDriver.AUTO
    module_paths: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()

    @property
    def pretends(self) -> bool:
        """Whether the dummy driver stands in for a GPU."""
        return self.gpu_driver is GpuDriver.DUMMY

    @property
    def named(self) -> bool:
        """Whether the configuration names the driver of a GPU."""
        return self.gpu_driver not in {GpuDriver.AUTO, GpuDriver.DUMMY}

    @property
    def drawing(self) -> ChosenGpu | None:
        """The GPU that programs draw on, or what stands in for it."""
        return _STAND_IN if self.pretends else self.gpu

    @property
    def egl_display(self) -> str:
        """What VirtualGL draws on by EGL."""
        return EGL_DISPLAY if self.drawing is None else self.drawing.egl_display


@dataclass(frozen=True, slots=True)
class RenderingPlan:
    """The plan that was chosen, and why.

    ``warning`` is a sentence about what ``auto`` would rather have chosen; empty if nothing.
    ``desktop_template`` and ``gpu_template`` are the configurations of the desktop's X server and of
    the 3D X server; there is no 3D X server without the latter. ``gpu`` is what programs draw on; None
    where they draw in software. ``size`` and ``max_size`` are the desktop's, in pixels, at the start
    and at most; ``size_reason`` says why they are not the configured ones, and is empty if they are.
    """

    name: Plan
    reason: str
    warning: str = ""
    desktop_template: str = DUMMY_TEMPLATE
    gpu_template: str | None = None
    gpu: ChosenGpu | None = None
    size: Size = field(default_factory=lambda: Display().size)
    max_size: Size = field(default_factory=lambda: Display().max_size)
    size_reason: str = ""


_NOTHING_FAILED: Final[Mapping[Plan, str]] = MappingProxyType({})


def choose(
    display: Display, facts: Facts, failed: Mapping[Plan, str] = _NOTHING_FAILED
) -> RenderingPlan:
    """Choose the plan for what ``display`` asks for (``auto`` included) on a machine with ``facts``.

    ``failed`` are plans that turned out not to work here, each with the reason as a clause. Two plans
    put an X server on the GPU; what failed one of them, fails the other.

    Raises:
        PlanError: the plan that was asked for cannot be carried out.
    """
    requested = display.plan
    if requested is Plan.AUTO:
        return _best(display, facts, failed)
    if lacks := _lacking(requested, facts, failed):
        raise PlanError(
            f"use the rendering plan {requested.value!r}",
            _listed(lack.what for lack in lacks),
            f"{_listed((lack.remedy for lack in lacks), 'or')}, or the plan "
            f"{_quoted(possible(facts, failed))}",
        )
    return _plan(requested, display, facts, "it was asked for")


def possible(facts: Facts, failed: Mapping[Plan, str] = _NOTHING_FAILED) -> tuple[Plan, ...]:
    """The plans that can be carried out, the best one first."""
    found = [plan for plan in _preference(facts) if not _lacking(plan, facts, failed)]
    return (*found, Plan.SOFTWARE)


def choose_for_app(requested: Plan | None, plan: Plan, facts: Facts) -> Plan:
    """Choose how an app draws on a desktop that runs by ``plan``.

    Without a request it is the desktop's own way.

    Raises:
        PlanError: the app cannot draw as was asked; the text names the plans that it can use.
    """
    if requested is None or requested is Plan.AUTO:
        return plan
    why = _unfit_for_app(requested, plan, facts)
    if why:
        raise PlanError(
            f"draw by the plan {requested.value!r}",
            why,
            f"--plan {_quoted(possible_for_app(plan, facts), quote='')}",
        )
    return requested


def possible_for_app(plan: Plan, facts: Facts) -> tuple[Plan, ...]:
    """How apps can draw on a desktop that runs by ``plan``, the best way first."""
    candidates = (*_PREFERENCE, Plan.SOFTWARE)
    return tuple(p for p in candidates if not _unfit_for_app(p, plan, facts))


def _unfit_for_app(requested: Plan, plan: Plan, facts: Facts) -> str:
    """Why an app cannot draw by a plan on a desktop that runs by another one; empty if it can.

    Software is possible on every X server. So is EGL, which needs nothing of it, if there is a GPU
    and VirtualGL. The two others need the X server that their own plan starts.
    """
    if requested in {plan, Plan.SOFTWARE}:
        return ""
    match requested:
        case Plan.EGL:
            lacks = _lacking(Plan.EGL, facts, _NOTHING_FAILED)
            return _listed(lack.what for lack in lacks) if lacks else ""
        case Plan.VIRTUALGL:
            return f"the desktop's plan is {plan.value!r}, which has no 3D X server"
        case _:
            return f"the desktop's plan is {plan.value!r}, whose X server does not draw on a GPU"


def _carries_x(facts: Facts) -> bool:
    """Whether ``auto`` may put an X server on the GPU: if there is one, it is NVIDIA's."""
    gpu = facts.drawing
    return gpu is None or gpu.driver in {GpuDriver.NVIDIA, GpuDriver.DUMMY}


def _preference(facts: Facts) -> tuple[Plan, ...]:
    return _PREFERENCE if _carries_x(facts) else _PREFERENCE_ELSE


def _best(display: Display, facts: Facts, failed: Mapping[Plan, str]) -> RenderingPlan:
    candidates = _PREFERENCE if _carries_x(facts) else (Plan.EGL,)
    feasible = (plan for plan in candidates if not _lacking(plan, facts, failed))
    chosen = next(feasible, Plan.SOFTWARE)
    # If NVIDIA's driver was asked for, another maker's GPU is not what was meant.
    meant = facts.gpu_driver is GpuDriver.NVIDIA and facts.x_lacks
    wanted = _PREFERENCE if meant else candidates
    warning = "" if chosen is wanted[0] else _warning(chosen, wanted, facts, failed)
    return _plan(chosen, display, facts, _there(facts), warning)


def _there(facts: Facts) -> str:
    """What of a GPU is there."""
    if facts.pretends:
        return "the dummy driver stands in for a GPU"
    if facts.gpu is not None:
        return f"a GPU is there ({facts.gpu})"
    signs = ", ".join(facts.signs)
    if facts.x_lacks or facts.egl_lacks:
        return f"a GPU is there and cannot be used ({signs})"
    return (
        f"no GPU was found, though there are signs of one ({signs})"
        if signs
        else "no GPU was found"
    )


_CONSEQUENCES: Final = {
    Plan.DIRECT: "programs draw on the GPU's own X server, where viewers may see changes late",
    Plan.EGL: "programs draw by EGL, which lacks some of GLX",
    Plan.SOFTWARE: "programs draw in software although there is a GPU",
}
_IN_VAIN: Final = "programs draw in software although a GPU's driver is configured"


def _warning(
    chosen: Plan, candidates: tuple[Plan, ...], facts: Facts, failed: Mapping[Plan, str]
) -> str:
    """What is missing for the plans that would be better; empty if nobody speaks of a GPU."""
    if facts.drawing is None and not facts.named and not facts.x_lacks and not facts.egl_lacks:
        return ""
    # What is missing for the best is missing for the next best, too, or is about VirtualGL alone.
    wanted = candidates if chosen is Plan.SOFTWARE else candidates[:1]
    lacks = _each_once(lack for plan in wanted for lack in _lacking(plan, facts, failed))
    remedies = _each_once(lack.remedy for lack in lacks)
    here = facts.drawing is not None or facts.x_lacks or facts.egl_lacks
    consequence = _CONSEQUENCES[chosen] if here else _IN_VAIN
    return f"{consequence}: {_listed(lack.what for lack in lacks)}; try {_listed(remedies)}"


def _lacking(plan: Plan, facts: Facts, failed: Mapping[Plan, str]) -> tuple[Lack, ...]:
    """What a plan needs and is not there."""
    if plan is Plan.SOFTWARE:
        return ()
    lacks = [] if facts.pretends else list(_lacking_gpu(plan, facts))
    if plan is not Plan.DIRECT and not facts.virtualgl:
        remedy = "installing it (https://virtualgl.org)"
        if facts.virtualgl_dir is not None:
            remedy = "another display.virtualgl_dir"
        lacks.append(Lack(virtualgl.missing(facts.virtualgl_dir), remedy))
    alike = _WITH_X if plan in _WITH_X else {plan}
    lacks.extend(Lack(why, "`vizproxy doctor`") for name, why in failed.items() if name in alike)
    return _each_once(lacks)


def _lacking_gpu(plan: Plan, facts: Facts) -> Iterator[Lack]:
    lacks = facts.egl_lacks if plan is Plan.EGL else facts.x_lacks
    if lacks:
        yield from lacks
    elif (
        facts.gpu is None
        and facts.named
        and not (facts.gpu_driver is GpuDriver.NVIDIA and facts.signs)
    ):
        yield Lack(
            f"no GPU was found for the driver {facts.gpu_driver.value!r}",
            "display.gpu_driver = 'auto'",
        )
    elif facts.gpu is None and facts.signs:
        signs = ", ".join(facts.signs)
        yield Lack(
            f"no GPU was found, though there are signs of one ({signs})",
            "giving the container a GPU (a resource nvidia.com/gpu, or docker's --gpus)",
        )
    elif facts.gpu is None:
        yield Lack("no GPU was found", "a machine with one")


def _plan(
    name: Plan, display: Display, facts: Facts, reason: str, warning: str = ""
) -> RenderingPlan:
    gpu = None if name is Plan.SOFTWARE else facts.drawing
    template = DUMMY_TEMPLATE if gpu is None else TEMPLATES[gpu.driver]
    limits = gpu.limits if gpu is not None and name is Plan.DIRECT else None
    max_size = _cut(display.max_size, limits)
    size = _cut(_within(display.size, max_size), limits)
    cut = (size, max_size) != (display.size, display.max_size)
    return RenderingPlan(
        name,
        reason,
        warning,
        desktop_template=template if name is Plan.DIRECT else DUMMY_TEMPLATE,
        gpu_template=template if name is Plan.VIRTUALGL else None,
        gpu=gpu,
        size=size,
        max_size=max_size,
        size_reason=_size_reason(gpu, limits) if cut else "",
    )


def _cut(size: Size, limits: Limits | None) -> Size:
    """The largest size within ``size`` that a vGPU can show on one of its heads."""
    if limits is None:
        return size
    size = _within(size, Size(limits.max_width, limits.max_height))
    if size.width * size.height <= limits.max_pixels:
        return size
    shrink = math.sqrt(limits.max_pixels / (size.width * size.height))
    return Size(max(1, int(size.width * shrink)), max(1, int(size.height * shrink)))


def _within(size: Size, bound: Size) -> Size:
    return Size(min(size.width, bound.width), min(size.height, bound.height))


def _size_reason(gpu: ChosenGpu | None, limits: Limits | None) -> str:
    if gpu is None or limits is None:
        return ""
    return (
        f"the vGPU {gpu.name} shows at most {limits.max_width}x{limits.max_height} on a head and "
        f"{limits.max_pixels} pixels in all"
    )


def _each_once(items: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(items))


def _listed(words: Iterable[str], last: str = "and") -> str:
    *most, final = words
    return f"{', '.join(most)} {last} {final}" if most else final


def _quoted(plans: Iterable[Plan], quote: str = "'") -> str:
    return _listed((f"{quote}{plan.value}{quote}" for plan in plans), "or")

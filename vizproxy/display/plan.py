"""The rendering plan: which X servers to start and how apps draw, as pure functions of facts.

============= =============================== =============================================
plan          X servers                       an app draws
============= =============================== =============================================
``software``  desktop (dummy driver)          on the desktop, by Mesa's llvmpipe
``direct``    desktop (GPU)                   on the desktop, by the GPU
``virtualgl`` desktop (dummy), 3D (GPU)       on the 3D server; VirtualGL copies the frames
``egl``       desktop (dummy)                 by EGL on the GPU; VirtualGL copies the frames
============= =============================== =============================================

``auto`` is the first of ``virtualgl``, ``direct``, ``egl`` and ``software`` that is possible. With the
dummy driver in the GPU's place every plan can be tried on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vizproxy import virtualgl
from vizproxy.config import GpuDriver, Plan
from vizproxy.errors import PlanError

DUMMY_TEMPLATE: Final = "dummy.conf"
NVIDIA_TEMPLATE: Final = "nvidia.conf"
EGL_DISPLAY: Final = "egl0"
"""VirtualGL's name of the first GPU, as EGL counts them."""

_PREFERENCE: Final = (Plan.VIRTUALGL, Plan.DIRECT, Plan.EGL)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on the machine, and what the configuration says about it.

    ``gpu_nodes`` are the device nodes of NVIDIA GPUs, ``render_nodes`` those by which any GPU draws
    without an X server. ``gpu_bus_id`` is where the first GPU is, as xorg.conf writes it; empty if
    that is not known. ``x_driver`` says whether the X server can load the GPU's driver.
    """

    gpu_nodes: tuple[str, ...] = ()
    render_nodes: tuple[str, ...] = ()
    gpu_bus_id: str = ""
    x_driver: bool = False
    virtualgl: bool = False
    virtualgl_dir: Path | None = None
    gpu_driver: GpuDriver = GpuDriver.AUTO

    @property
    def pretends(self) -> bool:
        """Whether the dummy driver stands in for a GPU."""
        return self.gpu_driver is GpuDriver.DUMMY


@dataclass(frozen=True, slots=True)
class RenderingPlan:
    """The plan that was chosen, and why.

    ``warning`` is a sentence about what ``auto`` would rather have chosen; empty if nothing.
    ``desktop_template`` and ``gpu_template`` are the configurations of the desktop's X server and of
    the 3D X server; there is no 3D X server without the latter. ``gpu_bus_id`` is for either.
    """

    name: Plan
    reason: str
    warning: str = ""
    desktop_template: str = DUMMY_TEMPLATE
    gpu_template: str | None = None
    gpu_bus_id: str = ""


@dataclass(frozen=True, slots=True)
class _Lack:
    """Something that a plan needs and the machine has not got."""

    what: str
    remedy: str


def choose(requested: Plan, facts: Facts) -> RenderingPlan:
    """Choose the plan for ``requested`` (``auto`` included) on a machine with ``facts``.

    Raises:
        PlanError: the plan that was asked for cannot be carried out.
    """
    if requested is Plan.AUTO:
        return _best(facts)
    if lacks := _lacking(requested, facts):
        raise PlanError(
            f"use the rendering plan {requested.value!r}",
            _listed(lack.what for lack in lacks),
            f"{_listed((lack.remedy for lack in lacks), 'or')}, or the plan "
            f"{_quoted(possible(facts))}",
        )
    return _plan(requested, facts, "it was asked for")


def possible(facts: Facts) -> tuple[Plan, ...]:
    """The plans that can be carried out, the best one first."""
    found = [plan for plan in _PREFERENCE if not _lacking(plan, facts)]
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
            lacks = _lacking(Plan.EGL, facts)
            return _listed(lack.what for lack in lacks) if lacks else ""
        case Plan.VIRTUALGL:
            return f"the desktop's plan is {plan.value!r}, which has no 3D X server"
        case _:
            return f"the desktop's plan is {plan.value!r}, whose X server does not draw on a GPU"


def _best(facts: Facts) -> RenderingPlan:
    gpus = facts.gpu_nodes or facts.render_nodes
    if not gpus and not facts.pretends:
        return _plan(Plan.SOFTWARE, facts, "no GPU was found")
    there = f"a GPU is there ({', '.join(gpus)})"
    if facts.pretends:
        there = "the dummy driver stands in for a GPU"
    chosen = possible(facts)[0]
    return _plan(chosen, facts, there, _warning(chosen, facts))


_CONSEQUENCES: Final = {
    Plan.DIRECT: "programs draw on the GPU's own X server, where viewers may see changes late",
    Plan.EGL: "programs draw by EGL, which lacks some of GLX",
    Plan.SOFTWARE: "programs draw in software although there is a GPU",
}


def _warning(chosen: Plan, facts: Facts) -> str:
    """What is missing for the best plan that the GPU allows; empty if nothing is."""
    # A GPU that has a render node alone is not NVIDIA's; EGL is the best for it.
    nvidia = bool(facts.gpu_nodes) or facts.pretends
    lacks = _lacking(Plan.VIRTUALGL if nvidia else Plan.EGL, facts)
    if not lacks:
        return ""
    return (
        f"{_CONSEQUENCES[chosen]}: {_listed(lack.what for lack in lacks)}; "
        f"try {_listed(lack.remedy for lack in lacks)}"
    )


def _lacking(plan: Plan, facts: Facts) -> tuple[_Lack, ...]:
    """What a plan needs and is not there."""
    if plan is Plan.SOFTWARE:
        return ()
    lacks = [] if facts.pretends else list(_lacking_gpu(plan, facts))
    if plan is not Plan.DIRECT and not facts.virtualgl:
        remedy = "installing it (https://virtualgl.org)"
        if facts.virtualgl_dir is not None:
            remedy = "another display.virtualgl_dir"
        lacks.append(_Lack(virtualgl.missing(facts.virtualgl_dir), remedy))
    return tuple(lacks)


def _lacking_gpu(plan: Plan, facts: Facts) -> Iterator[_Lack]:
    if plan is Plan.EGL:
        if not facts.gpu_nodes and not facts.render_nodes:
            yield _Lack("no GPU was found", "a machine with one")
    elif not facts.gpu_nodes:
        yield _Lack("no NVIDIA GPU was found", "a machine with one")
    elif not facts.x_driver:
        yield _Lack(
            "the GPU's X driver (nvidia_drv.so and libglxserver_nvidia.so) is not there",
            "NVIDIA_DRIVER_CAPABILITIES=all in the container, on a node whose driver has X modules",
        )


def _plan(name: Plan, facts: Facts, reason: str, warning: str = "") -> RenderingPlan:
    gpu = DUMMY_TEMPLATE if facts.pretends else NVIDIA_TEMPLATE
    return RenderingPlan(
        name,
        reason,
        warning,
        desktop_template=gpu if name is Plan.DIRECT else DUMMY_TEMPLATE,
        gpu_template=gpu if name is Plan.VIRTUALGL else None,
        gpu_bus_id=facts.gpu_bus_id,
    )


def _listed(words: Iterable[str], last: str = "and") -> str:
    *most, final = words
    return f"{', '.join(most)} {last} {final}" if most else final


def _quoted(plans: Iterable[Plan], quote: str = "'") -> str:
    return _listed((f"{quote}{plan.value}{quote}" for plan in plans), "or")

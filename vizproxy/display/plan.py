"""The rendering plan: which X servers to start, as a pure function of what the machine has."""

from __future__ import annotations

from dataclasses import dataclass

from vizproxy.config import Plan
from vizproxy.errors import PlanError


@dataclass(frozen=True, slots=True)
class Facts:
    """What was probed. ``gpu_nodes`` are the paths of the NVIDIA device nodes, if any."""

    gpu_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderingPlan:
    """The plan that was chosen, why, and the template of its desktop server."""

    name: Plan
    reason: str
    xorg_template: str


def choose(requested: Plan, facts: Facts) -> RenderingPlan:
    """Choose the plan for ``requested`` (``auto`` included) on a machine with ``facts``.

    Raises:
        PlanError: the plan that was asked for cannot be carried out.
    """
    match requested:
        case Plan.SOFTWARE:
            return _software("it was asked for")
        case Plan.AUTO if facts.gpu_nodes:
            nodes = ", ".join(facts.gpu_nodes)
            return _software(f"a GPU is there ({nodes}), but this version draws in software only")
        case Plan.AUTO:
            return _software("no GPU was found")
        case _:
            raise PlanError(
                f"use the rendering plan {requested.value!r}",
                "this version draws in software only",
                "the plan 'auto' or 'software'",
            )


def _software(reason: str) -> RenderingPlan:
    return RenderingPlan(Plan.SOFTWARE, reason, "dummy.conf")

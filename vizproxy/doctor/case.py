"""A case: all that the checks look at, put together once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vizproxy.config import Config, GpuDriver
from vizproxy.display import facts as display_facts
from vizproxy.display import plan as plans
from vizproxy.display import xorgconf
from vizproxy.errors import PlanError, VizproxyError
from vizproxy.facts.model import Gpu, Machine, Virtualization
from vizproxy.facts.vgpu import Limits, Profile, limits, parse

_NO_DEVICES: Final = frozenset({"", "none", "void"})
"""What NVIDIA_VISIBLE_DEVICES is where no GPU is asked for."""


@dataclass(frozen=True, slots=True)
class PlanInForce:
    """What a running desktop says of its rendering plan."""

    name: str
    reason: str
    warning: str


@dataclass(frozen=True, slots=True)
class Case:
    """A machine, a configuration, and what follows from them.

    ``plan`` is the plan that this machine would run by, or why the one that was asked for cannot be.
    ``configurations`` are the X servers' configurations by the servers' names (``desktop``, ``3d``);
    ``unreadable`` says why they could not be made, and is empty if they could. ``in_force`` is what
    the running desktop says of its plan, if one was asked.
    """

    machine: Machine
    config: Config
    facts: plans.Facts
    plan: plans.RenderingPlan | PlanError
    configurations: Mapping[str, str]
    unreadable: str = ""
    in_force: PlanInForce | None = None

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that NVML shows."""
        return self.machine.nvml.gpus.get(())

    @property
    def gpu(self) -> Gpu | None:
        """What NVML tells of the GPU that was chosen, else of the first one."""
        chosen = self.facts.gpu
        if chosen is not None:
            for gpu in self.gpus:
                if chosen.uuid and gpu.uuid.value == chosen.uuid:
                    return gpu
        return next(iter(self.gpus), None)

    @property
    def nvidia(self) -> bool:
        """Whether there is an NVIDIA GPU, or one is meant to be here."""
        files, chosen = self.machine.files, self.facts.gpu
        if self.gpus or files.kernel_gpus.value or files.nvidia_nodes.value:
            return True
        if chosen is not None:
            return chosen.driver is GpuDriver.NVIDIA
        visible = self.machine.system.visible_devices.get("")
        return bool(files.kernel_driver.value) or visible not in _NO_DEVICES

    @property
    def other(self) -> bool:
        """Whether there is a GPU of another maker, be it that it can be used or not."""
        return not self.nvidia and bool(self.facts.gpu or self.facts.signs)

    @property
    def profile(self) -> Profile | None:
        """The vGPU's profile; None if the GPU is no vGPU."""
        gpu = self.gpu
        if gpu is None or gpu.virtualization.value is not Virtualization.VGPU:
            return None
        return parse(gpu.name.get(""))

    @property
    def limits(self) -> Limits | None:
        """What the vGPU's profile allows; None if the GPU is no vGPU."""
        profile = self.profile
        return None if profile is None else limits(profile)

    @property
    def sliced(self) -> bool:
        """Whether the GPU is cut into MIG slices without graphics.

        Some of an RTX PRO 6000's have graphics, and say so by their names (``1g.24gb+gfx``).
        """
        gpu = self.gpu
        if gpu is None or not gpu.mig.get(False):
            return False
        return not any("+gfx" in device.name.get("") for device in gpu.mig_devices.get(()))

    @property
    def draws(self) -> bool:
        """Whether the GPU could draw, were all else right: no MIG slice, no compute profile."""
        allowed = self.limits
        return not self.sliced and (allowed is None or allowed.draws)

    @property
    def in_container(self) -> bool:
        """Whether this is a container, as far as can be told."""
        return self.machine.system.container.get(False)


def make_case(
    machine: Machine,
    config: Config,
    templates: Path,
    *,
    plan: plans.RenderingPlan | None = None,
    in_force: PlanInForce | None = None,
) -> Case:
    """Put a case together. Reads the templates and nothing else.

    ``plan`` is the one that is in force, where that is known; else it is chosen as the daemon would.
    """
    seen = display_facts.for_plan(machine, config)
    chosen: plans.RenderingPlan | PlanError
    configurations: dict[str, str] = {}
    unreadable = ""
    try:
        chosen = plans.choose(config.display, seen) if plan is None else plan
    except PlanError as error:
        chosen = error
    else:
        try:
            configurations["desktop"] = xorgconf.desktop_conf(config, chosen, seen, templates)
            three_d = xorgconf.gpu_conf(config, chosen, seen, templates)
            if three_d is not None:
                configurations["3d"] = three_d
        except VizproxyError as error:
            unreadable = str(error)
    return Case(machine, config, seen, chosen, configurations, unreadable, in_force)

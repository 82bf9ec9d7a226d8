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
from vizproxy.facts import nvidia
from vizproxy.facts.model import Gpu, Machine
from vizproxy.facts.vgpu import Limits

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
    the running desktop says of its plan, if one was asked. ``here`` says that the desktop which answers
    is known to run in this container; else it may run in another one.
    """

    machine: Machine
    config: Config
    facts: plans.Facts
    plan: plans.RenderingPlan | PlanError
    configurations: Mapping[str, str]
    unreadable: str = ""
    in_force: PlanInForce | None = None
    here: bool = False

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that NVML shows."""
        return self.machine.nvml.gpus.get(())

    @property
    def gpu(self) -> Gpu | None:
        """What NVML tells of the GPU that was chosen, else of the first one that answers."""
        chosen = self.facts.gpu
        if chosen is not None:
            for gpu in self.gpus:
                if chosen.uuid and gpu.uuid.value == chosen.uuid:
                    return gpu
        answering = (gpu for gpu in self.gpus if nvidia.answers(gpu))
        return next(answering, next(iter(self.gpus), None))

    @property
    def given(self) -> bool:
        """Whether we were given an NVIDIA GPU, be it that it works or not.

        That is so if NVML shows one, or a device node is here. What the kernel's driver tells counts
        outside of containers alone: in each container /sys and /proc show what the node has.
        """
        files = self.machine.files
        if self.gpus:
            return True
        if files.nvidia_nodes.value and self._visible != "none":  # with which the others are made
            return True
        kernels = bool(files.kernel_driver.value or files.kernel_gpus.value)
        return kernels and not self.in_container

    @property
    def asked(self) -> str:
        """What asks for an NVIDIA GPU, as a clause; empty if nothing does."""
        if self._visible not in _NO_DEVICES:
            return f"NVIDIA_VISIBLE_DEVICES={self._visible} asks for one"
        if self.config.display.gpu_driver is GpuDriver.NVIDIA:
            return "the configuration asks for one (display.gpu_driver)"
        return ""

    @property
    def expects_gpu(self) -> bool:
        """Whether there should be an NVIDIA GPU: we were given one, or one was asked for."""
        chosen = self.facts.gpu
        if self.given or chosen is None:
            return self.given or bool(self.asked)
        return chosen.driver is GpuDriver.NVIDIA

    @property
    def _visible(self) -> str:
        return self.machine.system.visible_devices.get("")

    @property
    def other(self) -> bool:
        """Whether there is a GPU of another maker, be it that it can be used or not."""
        return not self.expects_gpu and bool(self.facts.gpu or self.facts.egl_lacks)

    @property
    def limits(self) -> Limits | None:
        """What the vGPU's profile allows; None if the GPU is no vGPU."""
        gpu = self.gpu
        return None if gpu is None else nvidia.limits(gpu)

    @property
    def sliced(self) -> bool:
        """Whether the GPU is cut into MIG slices without graphics."""
        gpu = self.gpu
        return gpu is not None and nvidia.sliced(gpu)

    @property
    def draws(self) -> bool:
        """Whether the GPU could draw, were all else right: no MIG slice, no compute profile."""
        gpu = self.gpu
        return gpu is None or nvidia.can_draw(gpu)

    @property
    def elsewhere(self) -> bool:
        """Whether a desktop answers that cannot run here, so that it runs in another container.

        It cannot if a program of it is not here: a daemon has all of them when it starts.
        """
        programs = self.machine.system.programs
        lacking = any(program.path.value is None for program in programs)
        return self.machine.desktop.value is not None and not self.here and lacking

    @property
    def served(self) -> bool:
        """Whether a desktop answers that needs nothing of what it would need here.

        It is ready, or runs elsewhere.
        """
        running = self.machine.desktop.value
        if running is None or self.here:
            return False
        return self.elsewhere or running.state == "ready"

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
    here: bool = False,
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
    return Case(machine, config, seen, chosen, configurations, unreadable, in_force, here)

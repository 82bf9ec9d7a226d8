"""How much framebuffer there is for apps to share."""

from __future__ import annotations

from typing import Final

from vizproxy.broker.leases import Limits, limits_for
from vizproxy.config import Config
from vizproxy.display.gpu import GpuFramebuffer, watched
from vizproxy.display.plan import ChosenGpu, RenderingPlan
from vizproxy.facts.model import Gpu, Machine

PIXMAP_BUDGET_BYTES: Final = 2 * 1024**3
"""What all apps share where there is no GPU and nothing is configured."""


def limits(
    config: Config,
    machine: Machine,
    chosen: RenderingPlan,
    read: GpuFramebuffer | None,
) -> Limits:
    """The limits by a plan; ``read`` is what was last read of the GPU."""
    settings = config.broker
    framebuffer = settings.framebuffer
    if framebuffer is None:
        framebuffer = _framebuffer_total(machine, chosen, read) or PIXMAP_BUDGET_BYTES
    return limits_for(settings.max_apps, framebuffer, settings.app_framebuffer)


def _framebuffer_total(
    machine: Machine, chosen: RenderingPlan, read: GpuFramebuffer | None
) -> int | None:
    """The bytes of framebuffer of the GPU that a plan draws on, if that is known."""
    gpu = watched(chosen)
    if gpu is None:
        return None
    if read is not None:
        return read.total
    known = listed(machine, gpu)
    return known.framebuffer.value.total if known and known.framebuffer.value else None


def listed(machine: Machine, gpu: ChosenGpu | None) -> Gpu | None:
    """What NVML has told of a GPU at the start, if it has."""
    if gpu is None:
        return None
    for one in machine.nvml.gpus.get(()):
        if one.uuid.value == gpu.uuid if gpu.uuid else one.address.value == gpu.address:
            return one
    return None

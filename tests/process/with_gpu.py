"""``vizproxy`` on a machine with a GPU whose driver does as the file named by ``FAKE_GPU`` says.

The words in it: ``fine``; ``throw``: every call fails; ``hang``: none comes back; ``gone``: there is no
driver any more; ``vanished``: there is a driver, and no such GPU; ``xid 79``: the GPU answers, and that
Xid is reported once; ``app 123``: the process of that PID draws on it from then on.
``FAKE_GPU_PATIENCE`` is how many seconds a call may take. ``FAKE_GPU_PROFILE`` makes the GPU a licensed
vGPU of that type (``A40-8Q``). The dummy driver stands in for it in X servers. Run as
``python -m tests.process.with_gpu serve``.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pynvml

from tests.unit.gpudriver import GPU, Driver, Event
from tests.unit.nvidia import Card, Memory, Process, error, features
from vizproxy import assembly, budget, daemon
from vizproxy.cli import main
from vizproxy.display import gpuwatch
from vizproxy.display.plan import ChosenGpu, RenderingPlan
from vizproxy.facts import nvml
from vizproxy.facts.calls import PATIENCE_SECONDS, DriverCalls

READ_SECONDS = 0.1
MEBIBYTE = 1024**2
APP_BYTES = 32 * MEBIBYTE
"""What a process that draws on the GPU has of its framebuffer."""


def obey(driver: Driver, orders: Path, call: str) -> None:
    """Do to a call what the file says."""
    while (order := orders.read_text()) == "hang":
        time.sleep(0.05)
    match order.split():
        case ["throw"]:
            raise error(pynvml.NVML_ERROR_UNKNOWN)
        case ["gone"]:
            raise error(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        case ["vanished"] if call.startswith("nvmlDeviceGetHandle"):
            raise error(pynvml.NVML_ERROR_NOT_FOUND)
        case ["app", pid]:
            (the_card,) = driver.cards
            assert isinstance(the_card, Card)
            the_card.drawing = (Process(int(pid), APP_BYTES),)
            orders.write_text("fine")
        case ["xid", number] if call == "nvmlEventSetWait":
            driver.events.put(Event(int(number)))
            orders.write_text("fine")


def card(profile: str) -> Card:
    """The GPU; a vGPU of a type, if it has one."""
    found = Card(
        memory=Memory(4096 * MEBIBYTE, 100 * MEBIBYTE), memory_busy=3, encoding=1, encoder_busy=12
    )
    if not profile:
        return found
    return replace(
        found,
        name=f"NVIDIA {profile}",
        virtualization=pynvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU,
        features=features(("NVIDIA RTX Virtual Workstation", 1, 1)),
    )


def run(orders: Path, patience: float, profile: str) -> int:
    the_card = card(profile)
    gpu = replace(GPU, name=the_card.name)
    driver = Driver(the_card)
    driver.before = partial(obey, driver, orders)

    def the_gpu(plan: RenderingPlan) -> ChosenGpu | None:
        return gpu if plan.gpu is not None else None

    for module, name, replacement in (
        (assembly, "watched", the_gpu),
        (budget, "watched", the_gpu),
        (assembly, "GpuWatch", partial(gpuwatch.GpuWatch, library=driver)),
        (gpuwatch, "READ_SECONDS", READ_SECONDS),
        (nvml, "NVML", driver),
        (daemon, "DriverCalls", partial(DriverCalls, patience)),
    ):
        assert hasattr(module, name)
        setattr(module, name, replacement)
    return main.main()


if __name__ == "__main__":
    patience = float(os.environ.get("FAKE_GPU_PATIENCE", PATIENCE_SECONDS))
    profile = os.environ.get("FAKE_GPU_PROFILE", "")
    sys.exit(run(Path(os.environ["FAKE_GPU"]), patience, profile))

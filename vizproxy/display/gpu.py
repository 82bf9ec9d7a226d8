"""The GPU's framebuffer, by NVML (NVIDIA Management Library).

Never run on hardware yet: written from NVML's reference and tested on doubles of its answers. Within a
container NVML may give the PIDs of the host; those match no app and are counted in the total alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pynvml

log = logging.getLogger(__name__)

READ_SECONDS: Final = 5.0
_NVML: Final[Any] = pynvml  # it comes without types


@dataclass(frozen=True, slots=True)
class GpuFramebuffer:
    """The framebuffer of all GPUs that are here, in bytes, and what each process uses, by PID."""

    total: int
    used: int
    by_pid: Mapping[int, int]


class Library(Protocol):
    """The part of NVML that is used; :mod:`pynvml`, or a test's double."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: N802 - NVML's names
    def nvmlDeviceGetCount(self) -> int: ...  # noqa: N802
    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any: ...  # noqa: N802


def read_framebuffer(nvml: Library = _NVML) -> GpuFramebuffer | None:
    """Read the framebuffer of every GPU; None where there is no driver, no GPU, or no answer.

    Blocks for as long as the driver does: not for the event loop.
    """
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        memory = [nvml.nvmlDeviceGetMemoryInfo(handle) for handle in handles]
    except nvml.NVMLError as error:
        log.debug("NVML does not answer: %s", error)
        return None
    if not handles:
        return None
    by_pid: dict[int, int] = {}
    for handle in handles:
        for pid, used in _processes(nvml, handle).items():
            by_pid[pid] = by_pid.get(pid, 0) + used
    return GpuFramebuffer(sum(m.total for m in memory), sum(m.used for m in memory), by_pid)


def _processes(nvml: Library, handle: Any) -> dict[int, int]:
    """What each process uses of one GPU; one that draws and computes is listed twice, alike."""
    found: dict[int, int] = {}
    for listed in (
        nvml.nvmlDeviceGetGraphicsRunningProcesses,
        nvml.nvmlDeviceGetComputeRunningProcesses,
    ):
        try:
            processes = listed(handle)
        except nvml.NVMLError as error:  # not every vGPU profile tells
            log.debug("NVML lists no processes: %s", error)
            continue
        for process in processes:
            if process.usedGpuMemory is not None:
                found[process.pid] = max(found.get(process.pid, 0), process.usedGpuMemory)
    return found


def read_utilisation(nvml: Library = _NVML) -> int:
    """How busy the busiest GPU was lately, in percent of the time; 0 where that cannot be told.

    Blocks as :func:`read_framebuffer` does, after which it is called.
    """
    busiest = 0
    try:
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            busiest = max(busiest, int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
    except nvml.NVMLError as error:  # a MIG device has none
        log.debug("NVML tells no utilisation: %s", error)
    return busiest


class GpuMeter:
    """Reads the GPU's framebuffer and utilisation now and then, on a thread.

    ``changed`` is called when the framebuffer's reading differs.
    """

    def __init__(
        self,
        first: GpuFramebuffer | None,
        changed: Callable[[], None],
        read: Callable[[], GpuFramebuffer | None] = read_framebuffer,
        read_percent: Callable[[], int] = read_utilisation,
    ) -> None:
        self.reading = first
        self.percent = 0
        self._changed = changed
        self._read = read
        self._read_percent = read_percent

    async def watch(self) -> None:
        """Go on for ever, if there was a GPU in the first place."""
        while self.reading is not None:
            await asyncio.sleep(READ_SECONDS)
            reading = await asyncio.to_thread(self._read)
            self.percent = await asyncio.to_thread(self._read_percent)
            if reading is not None and reading != self.reading:
                self.reading = reading
                self._changed()

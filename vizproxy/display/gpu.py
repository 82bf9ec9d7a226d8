"""Reading the GPU that the desktop draws on, by NVML (NVIDIA Management Library).

Within a container NVML may give the PIDs of the host; those match no app and are counted in the total
alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pynvml

from vizproxy.config import GpuDriver
from vizproxy.display.plan import ChosenGpu, RenderingPlan

log = logging.getLogger(__name__)

_NO_AMOUNT: Final = 2**64 - 1  # NVML_VALUE_NOT_AVAILABLE
VANISHED: Final = "the driver does not know it any more"
"""What :func:`vanished` means, as a reason."""

_NOT_TOLD: Final = frozenset({pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION})


@dataclass(frozen=True, slots=True)
class GpuFramebuffer:
    """The GPU's framebuffer, in bytes, and what each process uses of it, by PID."""

    total: int
    used: int
    by_pid: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a GPU tells at one moment: its framebuffer, and how busy it was lately in percent.

    No framebuffer where it keeps that to itself; 0 % likewise.
    """

    framebuffer: GpuFramebuffer | None
    percent: int


class Library(Protocol):
    """The part of NVML that is used; :mod:`pynvml`, or a test's double."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: N802 - NVML's names
    def nvmlShutdown(self) -> None: ...  # noqa: N802
    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any: ...  # noqa: N802
    def nvmlDeviceGetHandleByPciBusId(self, address: str) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetSupportedEventTypes(self, handle: Any) -> int: ...  # noqa: N802
    def nvmlEventSetCreate(self) -> Any: ...  # noqa: N802
    def nvmlDeviceRegisterEvents(self, handle: Any, types: int, events: Any) -> None: ...  # noqa: N802
    def nvmlEventSetWait(self, events: Any, milliseconds: int) -> Any: ...  # noqa: N802
    def nvmlEventSetFree(self, events: Any) -> None: ...  # noqa: N802


NVML: Final[Library] = pynvml


def watched(plan: RenderingPlan) -> ChosenGpu | None:
    """The GPU that a desktop draws on by a plan, if NVML can tell of it."""
    gpu = plan.gpu
    if gpu is None or gpu.driver is not GpuDriver.NVIDIA or not (gpu.uuid or gpu.address):
        return None
    return gpu


def handle_of(library: Library, gpu: ChosenGpu) -> Any:
    """NVML's handle of a GPU. Raises NVML's errors."""
    if gpu.uuid:
        return library.nvmlDeviceGetHandleByUUID(gpu.uuid)
    return library.nvmlDeviceGetHandleByPciBusId(gpu.address)


def vanished(error: BaseException) -> bool:
    """Whether NVML answers that there is no such GPU: the driver is there, and has lost sight of it."""
    return bool(getattr(error, "value", None) == pynvml.NVML_ERROR_NOT_FOUND)


class GpuReader:
    """Reads one GPU again and again. Blocks for as long as the driver does: not for the event loop.

    NVML is initialized by the first reading, and anew by the next one after a failure: a driver that
    was unloaded and is back is not found by a library that knows the former one.
    """

    def __init__(self, gpu: ChosenGpu, library: Library = NVML) -> None:
        self._gpu = gpu
        self._nvml = library
        self._initialized = False

    def read(self) -> Reading:
        """Read it. Raises NVML's errors, and what else its binding may raise."""
        try:
            if not self._initialized:
                self._nvml.nvmlInit()
                self._initialized = True
            handle = handle_of(self._nvml, self._gpu)
            return Reading(self._framebuffer(handle), self._percent(handle))
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the driver."""
        if self._initialized:
            self._initialized = False
            with suppress(Exception):  # a driver that is gone has nothing to be told
                self._nvml.nvmlShutdown()

    def _framebuffer(self, handle: Any) -> GpuFramebuffer | None:
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        except self._nvml.NVMLError as error:
            if getattr(error, "value", None) in _NOT_TOLD:
                return None
            raise
        return GpuFramebuffer(int(memory.total), int(memory.used), self._processes(handle))

    def _processes(self, handle: Any) -> dict[int, int]:
        """What each process uses; one that draws and computes is listed twice, alike."""
        found: dict[int, int] = {}
        for listed in (
            self._nvml.nvmlDeviceGetGraphicsRunningProcesses,
            self._nvml.nvmlDeviceGetComputeRunningProcesses,
        ):
            try:
                processes = listed(handle)
            except self._nvml.NVMLError as error:  # not every vGPU profile tells
                log.debug("NVML lists no processes: %s", error)
                continue
            for process in processes:
                used = process.usedGpuMemory
                if used is not None and used != _NO_AMOUNT:
                    found[process.pid] = max(found.get(process.pid, 0), used)
        return found

    def _percent(self, handle: Any) -> int:
        try:
            return int(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        except self._nvml.NVMLError as error:  # a GPU in MIG mode tells none
            log.debug("NVML tells no utilisation: %s", error)
            return 0

"""The GPU that the desktop draws on, as NVML (NVIDIA Management Library) knows it.

Within a container NVML may give the PIDs of the host; those match no app and are counted in the total
alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pynvml

from vizproxy.config import GpuDriver
from vizproxy.display.plan import ChosenGpu, RenderingPlan

VANISHED: Final = "the driver does not know it any more"
"""What :func:`vanished` means, as a reason."""


@dataclass(frozen=True, slots=True)
class GpuFramebuffer:
    """The GPU's framebuffer, in bytes, and what each process uses of it, by PID.

    ``used`` has what the driver keeps for itself, too (``nvmlMemory_t``).
    """

    total: int
    used: int
    by_pid: Mapping[int, int]


class Library(Protocol):
    """The part of NVML that is used; :mod:`pynvml`, or a test's double."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: N802 - NVML's names
    def nvmlShutdown(self) -> None: ...  # noqa: N802
    def nvmlSystemGetDriverVersion(self) -> str: ...  # noqa: N802
    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any: ...  # noqa: N802
    def nvmlDeviceGetHandleByPciBusId(self, address: str) -> Any: ...  # noqa: N802
    def nvmlDeviceGetName(self, handle: Any) -> str: ...  # noqa: N802
    def nvmlDeviceGetUUID(self, handle: Any) -> str: ...  # noqa: N802
    def nvmlDeviceGetVirtualizationMode(self, handle: Any) -> int: ...  # noqa: N802
    def nvmlDeviceGetGridLicensableFeatures(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetEncoderUtilization(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetEncoderStats(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetTemperatureV(self, handle: Any, sensor: int) -> int: ...  # noqa: N802
    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int: ...  # noqa: N802
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

"""Reading the GPU that the desktop draws on, by NVML (NVIDIA Management Library).

Whether a GPU is well is what its handle and its framebuffer say. All else is asked question by
question, and what is not answered is not known: drivers leave out some (a vGPU's guest tells no
temperature, a GPU in MIG mode no utilisation), and none of it is worth a restart of an X server.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import pynvml

from vizproxy.display.gpu import NVML, GpuFramebuffer, Library, handle_of
from vizproxy.display.gpumeters import GpuMeters
from vizproxy.display.plan import ChosenGpu
from vizproxy.facts import nvml, vgpu

log = logging.getLogger(__name__)

T = TypeVar("T")

LICENCE_SECONDS: Final = 60.0
"""For how long what was told of the licence is taken to hold: it is leased for a day or so."""

_NO_AMOUNT: Final = 2**64 - 1  # NVML_VALUE_NOT_AVAILABLE
_MICROSECONDS: Final = 1_000_000

_NOT_TOLD: Final = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    }
)


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """Which GPU it is, in the terms of :class:`~vizproxy.display.gpumeters.GpuSnapshot`.

    What is not told is empty. ``guest`` says whether it is a vGPU, which needs a licence.
    """

    name: str = ""
    uuid: str = ""
    driver: str = ""
    virtualization: str = ""
    profile: str = ""
    guest: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a GPU tells at one moment. No framebuffer where it keeps that to itself."""

    framebuffer: GpuFramebuffer | None = None
    meters: GpuMeters = field(default_factory=GpuMeters)
    identity: GpuIdentity = field(default_factory=GpuIdentity)

    @property
    def percent(self) -> int:
        """How busy it was lately, in percent; 0 where that is not told."""
        return self.meters.percent or 0


class GpuReader:
    """Reads one GPU again and again. Blocks for as long as the driver does: not for the event loop.

    NVML is initialized by the first reading, and anew by the next one after a failure: a driver that
    was unloaded and is back is not found by a library that knows the former one. Which GPU it is, is
    asked then alone. ``clock`` is one that never jumps, in seconds; it is read on the caller's thread.
    """

    def __init__(
        self,
        gpu: ChosenGpu,
        library: Library = NVML,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gpu = gpu
        self._nvml = library
        self._clock = clock
        self._initialized = False
        self._identity: GpuIdentity | None = None
        self._licensed: bool | None = None
        self._licence_until: float | None = None
        self._untold: dict[str, str] = {}

    def read(self) -> Reading:
        """Read it. Raises NVML's errors, and what else its binding may raise."""
        try:
            if not self._initialized:
                self._nvml.nvmlInit()
                self._initialized = True
            handle = handle_of(self._nvml, self._gpu)
            framebuffer = self._framebuffer(handle)
            if self._identity is None:
                self._identity = self._identify(handle)
            return Reading(framebuffer, self._meters(handle, self._identity), self._identity)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the driver."""
        self._identity, self._licence_until = None, None
        self._untold.clear()
        if self._initialized:
            self._initialized = False
            with suppress(Exception):  # a driver that is gone has nothing to be told
                self._nvml.nvmlShutdown()

    # what counts

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
        for kind, listed in (
            ("draws", self._nvml.nvmlDeviceGetGraphicsRunningProcesses),
            ("computes", self._nvml.nvmlDeviceGetComputeRunningProcesses),
        ):
            # Not every vGPU profile tells.
            for process in self._ask(f"what {kind} on it", listed, handle) or ():
                used = process.usedGpuMemory
                if used is not None and used != _NO_AMOUNT:
                    found[process.pid] = max(found.get(process.pid, 0), used)
        return found

    # what is good to know

    def _meters(self, handle: Any, identity: GpuIdentity) -> GpuMeters:
        library = self._nvml
        rates = self._ask("its utilisation", library.nvmlDeviceGetUtilizationRates, handle)
        encoder = self._ask(
            "the utilisation of its encoder", library.nvmlDeviceGetEncoderUtilization, handle
        )
        stats = self._ask("what its encoder does", library.nvmlDeviceGetEncoderStats, handle)
        sessions, fps, latency = (None, None, None) if stats is None else stats
        return GpuMeters(
            percent=None if rates is None else int(rates.gpu),
            memory_percent=None if rates is None else int(rates.memory),
            encoder_percent=None if encoder is None else int(encoder[0]),
            encoder_sessions=sessions,
            encoder_fps=fps,
            encoder_latency=None if latency is None else latency / _MICROSECONDS,
            temperature=self._ask("its temperature", self._temperature, handle),
            licensed=self._licence(handle) if identity.guest else None,
        )

    def _temperature(self, handle: Any) -> int:
        """In degrees Celsius. Drivers such as R550 lack the function that takes the old one's place."""
        sensor = pynvml.NVML_TEMPERATURE_GPU
        try:
            return self._nvml.nvmlDeviceGetTemperatureV(handle, sensor)
        except (self._nvml.NVMLError, AttributeError):  # the binding may be older, too
            return self._nvml.nvmlDeviceGetTemperature(handle, sensor)

    def _licence(self, handle: Any) -> bool | None:
        """Whether a vGPU has its licence; not asked each time."""
        now = self._clock()
        if self._licence_until is None or now >= self._licence_until:
            features = self._nvml.nvmlDeviceGetGridLicensableFeatures
            licence = self._ask("its licence", lambda it: nvml.licence_of(features(it)), handle)
            self._licensed = None if licence is None else licence.licensed
            self._licence_until = now + LICENCE_SECONDS
        return self._licensed

    def _identify(self, handle: Any) -> GpuIdentity:
        library = self._nvml
        name = self._ask("its name", library.nvmlDeviceGetName, handle) or ""
        mode = self._ask(
            "how it is virtualized",
            lambda it: nvml.virtualization_of(library.nvmlDeviceGetVirtualizationMode(it)),
            handle,
        )
        guest = nvml.is_guest(name, mode)
        return GpuIdentity(
            name=name,
            uuid=self._ask("its UUID", library.nvmlDeviceGetUUID, handle) or "",
            driver=self._ask("its driver", lambda _: library.nvmlSystemGetDriverVersion(), handle)
            or "",
            virtualization="" if mode is None else mode.value,
            profile=_profile(name) if guest else "",
            guest=guest,
        )

    def _ask(self, what: str, question: Callable[[Any], T], handle: Any) -> T | None:
        """The answer to a question that a GPU need not answer; None if it does not."""
        try:
            return question(handle)
        except (self._nvml.NVMLError, *nvml.ODD_ERRORS) as error:
            reason = nvml.reason(error)
            if self._untold.get(what) != reason:  # once, not every few seconds
                self._untold[what] = reason
                log.debug("of the GPU, %s is not known: %s", what, reason)
            return None


def _profile(name: str) -> str:
    """The vGPU type, which is the GPU's name but for the maker's; empty if it is none."""
    return "" if vgpu.parse(name) is None else name.removeprefix("GRID ").removeprefix("NVIDIA ")

"""Doubles of NVML: drivers with GPUs that a test has made up, which answer as NVML does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pynvml

NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED


def error(code: int) -> pynvml.NVMLError:
    return pynvml.NVMLError(code)


@dataclass
class Memory:
    total: int
    used: int


@dataclass
class Process:
    pid: int
    usedGpuMemory: int | None  # noqa: N815 - NVML's name


@dataclass
class Rates:
    gpu: int
    memory: int = 0


@dataclass
class Pci:
    busId: str  # noqa: N815


@dataclass
class Slice:
    """A device of a GPU in MIG mode."""

    name: str = "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
    uuid: str = "MIG-1"
    memory: Memory = field(default_factory=lambda: Memory(4864, 6))


@dataclass
class Card:
    """A GPU. The calls in ``failing`` fail on it."""

    name: str = "Tesla T4"
    uuid: str = "GPU-1"
    bus_id: str = "00000000:3B:00.0"
    minor: int = 0
    virtualization: int = pynvml.NVML_GPU_VIRTUALIZATION_MODE_NONE
    features: Any = None
    memory: Memory = field(default_factory=lambda: Memory(8000, 900))
    drawing: Sequence[Process] = ()
    computing: Sequence[Process] = ()
    busy: int = 0
    memory_busy: int = 0
    encoding: int = 0
    encoder_busy: int = 0
    temperature: int = 41
    compute_mode: int = pynvml.NVML_COMPUTEMODE_DEFAULT
    mig: int | None = None
    slices: Sequence[Slice | Exception] = ()
    failing: Mapping[str, Exception] = field(default_factory=dict)


def features(*products: tuple[str, int, int], supported: int = 1, **expiry: int) -> Any:
    """What a guest's driver says of licences: of each product, whether it is enabled and licensed."""
    listed = pynvml.c_nvmlGridLicensableFeatures_v4_t()
    listed.isGridLicenseSupported = supported
    listed.licensableFeaturesCount = len(products)
    for feature, (name, enabled, licensed) in zip(
        listed.gridLicensableFeatures, products, strict=False
    ):
        feature.productName = name.encode()
        feature.featureEnabled = enabled
        feature.featureState = licensed
        for key, value in expiry.items():
            setattr(feature.licenseExpiry, key, value)
    return listed


class FakeNvml:
    """NVML with some GPUs. A GPU that is an error has no handle.

    The calls in ``failing`` fail, whichever GPU they are about. ``before`` is called with the name of
    every call, and may block or raise.
    """

    NVMLError: type[Exception] = pynvml.NVMLError

    def __init__(
        self,
        *cards: Card | Exception,
        driver: str = "550.127.05",
        failing: Mapping[str, Exception] | None = None,
        before: Callable[[str], object] = lambda call: None,
    ) -> None:
        self.cards = cards
        self.driver = driver
        self.failing = failing or {}
        self.before = before
        self.uses = 0
        """How often it was initialized and not shut down."""

    def _asked(self, call: str, card: Any = None) -> None:
        self.before(call)
        if call != "nvmlInit" and self.uses < 1:
            raise error(pynvml.NVML_ERROR_UNINITIALIZED)
        for failing in (self.failing, getattr(card, "failing", {})):
            if call in failing:
                raise failing[call]

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        self._asked("nvmlInit")
        self.uses += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self._asked("nvmlShutdown")
        self.uses -= 1

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        self._asked("nvmlSystemGetDriverVersion")
        return self.driver

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetCount")
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:  # noqa: N802
        self._asked("nvmlDeviceGetHandleByIndex")
        card = self.cards[index]
        if isinstance(card, Exception):
            raise card
        return card

    def nvmlDeviceGetName(self, handle: Card | Slice) -> str:  # noqa: N802
        self._asked("nvmlDeviceGetName", handle)
        return handle.name

    def nvmlDeviceGetUUID(self, handle: Card | Slice) -> str:  # noqa: N802
        self._asked("nvmlDeviceGetUUID", handle)
        return handle.uuid

    def nvmlDeviceGetPciInfo(self, handle: Card) -> Pci:  # noqa: N802
        self._asked("nvmlDeviceGetPciInfo", handle)
        return Pci(handle.bus_id)

    def nvmlDeviceGetMinorNumber(self, handle: Card) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetMinorNumber", handle)
        return handle.minor

    def nvmlDeviceGetVirtualizationMode(self, handle: Card) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetVirtualizationMode", handle)
        return handle.virtualization

    def nvmlDeviceGetGridLicensableFeatures(self, handle: Card) -> Any:  # noqa: N802
        self._asked("nvmlDeviceGetGridLicensableFeatures", handle)
        return handle.features

    def nvmlDeviceGetMemoryInfo(self, handle: Card | Slice) -> Memory:  # noqa: N802
        self._asked("nvmlDeviceGetMemoryInfo", handle)
        return handle.memory

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Card) -> Sequence[Process]:  # noqa: N802
        self._asked("nvmlDeviceGetGraphicsRunningProcesses", handle)
        return handle.drawing

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Card) -> Sequence[Process]:  # noqa: N802
        self._asked("nvmlDeviceGetComputeRunningProcesses", handle)
        return handle.computing

    def nvmlDeviceGetUtilizationRates(self, handle: Card) -> Rates:  # noqa: N802
        self._asked("nvmlDeviceGetUtilizationRates", handle)
        return Rates(handle.busy, handle.memory_busy)

    def nvmlDeviceGetEncoderUtilization(self, handle: Card) -> list[int]:  # noqa: N802
        self._asked("nvmlDeviceGetEncoderUtilization", handle)
        return [handle.encoder_busy, 166_000]

    def nvmlDeviceGetEncoderStats(self, handle: Card) -> tuple[int, int, int]:  # noqa: N802
        self._asked("nvmlDeviceGetEncoderStats", handle)
        return handle.encoding, 60, 1000

    def nvmlDeviceGetTemperatureV(self, handle: Card, sensor: int) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetTemperatureV", handle)
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return handle.temperature

    def nvmlDeviceGetTemperature(self, handle: Card, sensor: int) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetTemperature", handle)
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return handle.temperature

    def nvmlDeviceGetComputeMode(self, handle: Card) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetComputeMode", handle)
        return handle.compute_mode

    def nvmlDeviceGetMigMode(self, handle: Card) -> list[int]:  # noqa: N802
        self._asked("nvmlDeviceGetMigMode", handle)
        if handle.mig is None:
            raise error(NOT_SUPPORTED)
        return [handle.mig, handle.mig]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Card) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetMaxMigDeviceCount", handle)
        return len(handle.slices)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Card, index: int) -> Slice:  # noqa: N802
        self._asked("nvmlDeviceGetMigDeviceHandleByIndex", handle)
        found = handle.slices[index]
        if isinstance(found, Exception):
            raise found
        return found

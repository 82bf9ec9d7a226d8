"""What NVML tells: NVIDIA's management library, which comes with the driver.

Written from its reference (https://docs.nvidia.com/deploy/nvml-api/). Each question is asked by itself,
since what a GPU answers depends on its kind: a vGPU tells no temperature, a GPU in MIG mode keeps its
memory to itself, an old driver lacks functions. Whatever is not answered becomes a reason.

In a container, the process IDs may be those of another namespace.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

import pynvml

from vizproxy.errors import system_reason
from vizproxy.facts import vgpu
from vizproxy.facts.calls import PATIENCE_SECONDS, DriverCalls
from vizproxy.facts.model import (
    Fact,
    Framebuffer,
    Gpu,
    GpuProcess,
    Licence,
    MigDevice,
    Nvml,
    ProcessKind,
    Virtualization,
    known,
    unknown,
)

T = TypeVar("T")


class Library(Protocol):
    """The part of NVML that is used here; :mod:`pynvml`, or a test's double."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: N802 - NVML's names
    def nvmlShutdown(self) -> None: ...  # noqa: N802
    def nvmlSystemGetDriverVersion(self) -> str: ...  # noqa: N802
    def nvmlDeviceGetCount(self) -> int: ...  # noqa: N802
    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any: ...  # noqa: N802
    def nvmlDeviceGetName(self, handle: Any) -> str: ...  # noqa: N802
    def nvmlDeviceGetUUID(self, handle: Any) -> str: ...  # noqa: N802
    def nvmlDeviceGetPciInfo(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMinorNumber(self, handle: Any) -> int: ...  # noqa: N802
    def nvmlDeviceGetVirtualizationMode(self, handle: Any) -> int: ...  # noqa: N802
    def nvmlDeviceGetGridLicensableFeatures(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetEncoderStats(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetComputeMode(self, handle: Any) -> int: ...  # noqa: N802
    def nvmlDeviceGetMigMode(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int: ...  # noqa: N802
    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int) -> Any: ...  # noqa: N802


NVML: Final[Library] = pynvml
"""The real one. It loads NVIDIA's library when it is initialized, not before."""

NOT_HERE: Final = "NVIDIA's driver library libnvidia-ml.so.1 is not here"
NOT_LOADED: Final = "NVIDIA's kernel driver is not loaded"
MISMATCH: Final = "NVIDIA's driver library and its kernel module are of different versions"
LOST: Final = "the GPU is lost: it does not answer on its bus any more"
RESET_NEEDED: Final = "the GPU must be reset before it can be used again"
BLOCKED: Final = "the system keeps this process from the GPU"
SILENT: Final = f"NVML has not answered within {PATIENCE_SECONDS:g} s"
NOT_TOLD: Final = "the driver does not tell"
TOO_OLD: Final = "the driver is too old to tell"
NOT_ALLOWED: Final = "this process may not ask for it"
NO_LICENCE_NEEDED: Final = "this is no vGPU, so it needs none"
NO_LICENCE_KNOWN: Final = "the driver knows of no licence for this vGPU"

_REASONS: Final[Mapping[int, str]] = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: NOT_TOLD,
    pynvml.NVML_ERROR_NO_PERMISSION: NOT_ALLOWED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: NOT_LOADED,
    pynvml.NVML_ERROR_TIMEOUT: "the driver has not answered in time",
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: NOT_HERE,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: TOO_OLD,
    pynvml.NVML_ERROR_GPU_IS_LOST: LOST,
    pynvml.NVML_ERROR_RESET_REQUIRED: RESET_NEEDED,
    pynvml.NVML_ERROR_OPERATING_SYSTEM: BLOCKED,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: MISMATCH,
    # Also what a container sees whose device cgroup was rewritten, as by `systemctl daemon-reload`.
    pynvml.NVML_ERROR_UNKNOWN: "the driver reports an unknown error",
}

_GONE: Final = frozenset(
    {
        pynvml.NVML_ERROR_GPU_IS_LOST,  # "has fallen off the bus or has otherwise become inaccessible"
        pynvml.NVML_ERROR_RESET_REQUIRED,  # "requires a reset before it can be used again"
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,  # it was there before, so somebody has unloaded it
        pynvml.NVML_ERROR_GPU_NOT_FOUND,
    }
)
"""Not among them: a version mismatch, since what draws goes on with the libraries that it has; and the
unknown error, since a container that lost its right to open devices keeps those that are open."""

ODD_ERRORS: Final[tuple[type[Exception], ...]] = (
    pynvml.NVMLLibraryMismatchError,  # a function is missing; no NVMLError
    OSError,
    ValueError,  # among them text that is not UTF-8
    AttributeError,
    ctypes.ArgumentError,
)
"""What the binding raises besides NVML's own errors."""

_ADDRESS: Final = re.compile(
    r"(?P<domain>[0-9a-f]{4,8}):(?P<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.IGNORECASE
)
_VIRTUALIZATION: Final[Mapping[int, Virtualization]] = {
    pynvml.NVML_GPU_VIRTUALIZATION_MODE_NONE: Virtualization.NONE,
    pynvml.NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH: Virtualization.PASSTHROUGH,
    pynvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU: Virtualization.VGPU,
    pynvml.NVML_GPU_VIRTUALIZATION_MODE_HOST_VGPU: Virtualization.HOST_VGPU,
    pynvml.NVML_GPU_VIRTUALIZATION_MODE_HOST_VSGA: Virtualization.HOST_VSGA,
}
_COMPUTE_MODES: Final[Mapping[int, str]] = {
    pynvml.NVML_COMPUTEMODE_DEFAULT: "default",
    pynvml.NVML_COMPUTEMODE_EXCLUSIVE_THREAD: "exclusive thread",
    pynvml.NVML_COMPUTEMODE_PROHIBITED: "prohibited",
    pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: "exclusive process",
}
_NO_AMOUNT: Final = 2**64 - 1  # NVML_VALUE_NOT_AVAILABLE
_EXPIRES: Final = 2  # NVML_GRID_LICENSE_EXPIRY_VALID; pynvml's own constants are tuples
_PERMANENT: Final = 4


def read_within(calls: DriverCalls, library: Library = NVML) -> Nvml:
    """The same as :func:`read`, but given up after the patience of ``calls``. Never raises."""
    try:
        return calls.wait(lambda: read(library))
    except TimeoutError:
        return Nvml(unknown(SILENT), unknown(SILENT))


def read(library: Library = NVML) -> Nvml:
    """Ask NVML for the driver and all GPUs that this process may use. Never raises.

    Blocks for as long as the driver does: two to three seconds for a GPU that wakes up, for ever for
    one that hangs. Use :func:`read_within`.
    """
    try:
        library.nvmlInit()
        try:
            reader = _Reader(library)
            return Nvml(reader.ask(library.nvmlSystemGetDriverVersion), reader.gpus())
        finally:
            with suppress(Exception):  # what was read was read
                library.nvmlShutdown()
    except Exception as error:  # noqa: BLE001 - a collector: whatever it is, it is a reason
        why = reason(error)
        return Nvml(unknown(why), unknown(why))


def reason(error: Exception) -> str:
    """Say why NVML has not answered, fit for the middle of a sentence."""
    if isinstance(error, pynvml.NVMLLibraryMismatchError):
        return TOO_OLD
    if isinstance(error, UnicodeDecodeError):
        return "the driver's answer is no text"
    if isinstance(error, OSError):
        return system_reason(error)
    code = _code(error)
    if code in _REASONS:
        return _REASONS[code]
    text = str(error).removeprefix("b'").removesuffix("'")  # pynvml asks NVML for rare ones' text
    return (
        text.strip().rstrip(".").lower() or f"the driver's answer is odd ({type(error).__name__})"
    )


def lost(error: BaseException) -> bool:
    """Whether an error says that a GPU which was there is gone, or useless until it is reset."""
    return _code(error) in _GONE


def _code(error: BaseException) -> int:
    """NVML's number for an error; 0, which is its success, for what is no error of NVML."""
    code = getattr(error, "value", 0)
    return code if isinstance(code, int) else 0


class _Reader:
    """Asks an initialized NVML."""

    def __init__(self, library: Library) -> None:
        self._nvml = library
        self._errors = (library.NVMLError, *ODD_ERRORS)

    def ask(self, question: Callable[[], T]) -> Fact[T]:
        try:
            return known(question())
        except self._errors as error:
            return unknown(reason(error))

    def gpus(self) -> Fact[tuple[Gpu, ...]]:
        count = self.ask(self._nvml.nvmlDeviceGetCount)
        if count.value is None:
            return unknown(count.reason)
        found = []
        for index in range(count.value):
            handle = self._handle(self._nvml.nvmlDeviceGetHandleByIndex, index)
            # All GPUs of the machine are counted, and those that are not ours may not be opened.
            if handle.reason != NOT_ALLOWED:
                found.append(self._gpu(handle))
        if count.value and not found:
            return unknown("this process may use none of the GPUs that are there")
        return known(tuple(found))

    def _handle(self, get: Callable[..., Any], *which: Any) -> Fact[tuple[Any]]:
        """A handle, boxed: what it is, is the library's business, and it may be anything."""
        return self.ask(lambda: (get(*which),))

    def _gpu(self, handle: Fact[tuple[Any]]) -> Gpu:
        nvml = self._nvml
        boxed = handle.value

        def ask(question: Callable[[Any], T]) -> Fact[T]:
            if boxed is None:
                return unknown(handle.reason)
            return self.ask(lambda: question(boxed[0]))

        name = ask(nvml.nvmlDeviceGetName)
        virtualization = ask(self._virtualization)
        mig = ask(self._mig)
        return Gpu(
            name=name,
            uuid=ask(nvml.nvmlDeviceGetUUID),
            address=ask(lambda it: kernel_address(nvml.nvmlDeviceGetPciInfo(it).busId)),
            minor=ask(nvml.nvmlDeviceGetMinorNumber),
            virtualization=virtualization,
            licence=_flat(ask(lambda it: self._licence(it, name, virtualization))),
            framebuffer=ask(self._framebuffer),
            processes=ask(self._processes),
            utilisation=ask(lambda it: int(nvml.nvmlDeviceGetUtilizationRates(it).gpu)),
            encoder_sessions=ask(lambda it: int(nvml.nvmlDeviceGetEncoderStats(it)[0])),
            compute_mode=ask(lambda it: _named(_COMPUTE_MODES, nvml.nvmlDeviceGetComputeMode(it))),
            mig=mig,
            mig_devices=_flat(ask(lambda it: self._mig_devices(it, mig))),
        )

    def _virtualization(self, handle: Any) -> Virtualization:
        return virtualization_of(self._nvml.nvmlDeviceGetVirtualizationMode(handle))

    def _framebuffer(self, handle: Any) -> Framebuffer:
        memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        return Framebuffer(int(memory.total), int(memory.used))

    def _licence(
        self, handle: Any, name: Fact[str], virtualization: Fact[Virtualization]
    ) -> Fact[Licence]:
        if not is_guest(name.get(""), virtualization.value):
            return unknown(NO_LICENCE_NEEDED)
        licence = licence_of(self._nvml.nvmlDeviceGetGridLicensableFeatures(handle))
        return unknown(NO_LICENCE_KNOWN) if licence is None else known(licence)

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        """All processes. A GPU that only draws, or only computes, has but one of the two lists."""
        found: list[GpuProcess] = []
        lacking = []
        for kind, listed in (
            (ProcessKind.GRAPHICS, self._nvml.nvmlDeviceGetGraphicsRunningProcesses),
            (ProcessKind.COMPUTE, self._nvml.nvmlDeviceGetComputeRunningProcesses),
        ):
            try:
                processes = listed(handle)
            except self._nvml.NVMLError as error:
                if _code(error) != pynvml.NVML_ERROR_NOT_SUPPORTED:
                    raise
                lacking.append(error)
                continue
            for process in processes:
                used = process.usedGpuMemory
                found.append(GpuProcess(process.pid, kind, None if used == _NO_AMOUNT else used))
        if len(lacking) == len(ProcessKind):
            raise lacking[0]
        return tuple(found)

    def _mig(self, handle: Any) -> bool:
        try:
            return bool(self._nvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_ENABLE)
        except self._nvml.NVMLError as error:
            if _code(error) in (
                pynvml.NVML_ERROR_NOT_SUPPORTED,  # this GPU cannot
                pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,  # the driver is older than MIG
            ):
                return False
            raise

    def _mig_devices(self, handle: Any, mig: Fact[bool]) -> Fact[tuple[MigDevice, ...]]:
        if mig.value is not True:
            return unknown(mig.reason) if mig.value is None else known(())
        found = []
        why = ""
        for index in range(self._nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            slot = self._handle(self._nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
            if slot.value is not None:
                found.append(self._mig_device(slot.value[0]))
            elif slot.reason != _EMPTY_SLOT:
                why = slot.reason
        return known(tuple(found)) if found or not why else unknown(why)

    def _mig_device(self, handle: Any) -> MigDevice:
        return MigDevice(
            name=self.ask(lambda: self._nvml.nvmlDeviceGetName(handle)),
            uuid=self.ask(lambda: self._nvml.nvmlDeviceGetUUID(handle)),
            framebuffer=self.ask(lambda: self._framebuffer(handle)),
        )


_EMPTY_SLOT: Final = reason(pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND))


def kernel_address(bus_id: str) -> str:
    """A PCI address as the kernel writes it: NVML's ``00000000:3B:00.0`` is ``0000:3b:00.0``.

    Raises:
        ValueError: it is no address.
    """
    found = _ADDRESS.fullmatch(bus_id)
    if found is None:
        raise ValueError(f"the driver's answer is no PCI address: {bus_id!r}")
    return f"{int(found['domain'], 16):04x}:{found['rest'].lower()}"


def virtualization_of(mode: int) -> Virtualization:
    """What ``nvmlDeviceGetVirtualizationMode`` tells.

    Raises:
        ValueError: it is a mode that nobody knows here.
    """
    return _named(_VIRTUALIZATION, mode)


def is_guest(name: str, virtualization: Virtualization | None) -> bool:
    """Whether a GPU is a vGPU's guest side, which needs a licence.

    Where its virtualization is not known, its name tells: that of a vGPU is that of its type.
    """
    if virtualization is None:
        return vgpu.parse(name) is not None
    return virtualization is Virtualization.VGPU


def licence_of(listed: Any) -> Licence | None:
    """What ``nvmlDeviceGetGridLicensableFeatures`` tells; None if it knows of no licence."""
    features = list(listed.gridLicensableFeatures)[: listed.licensableFeaturesCount]
    if not listed.isGridLicenseSupported or not features:
        return None
    # Of the products that a licence may be for, the one that this vGPU needs is enabled.
    needed = [feature for feature in features if feature.featureEnabled] or features
    for feature in needed:
        if feature.featureState:
            return Licence(feature.productName, True, _expiry(feature.licenseExpiry))
    return Licence(needed[0].productName, False)


def _named(names: Mapping[int, T], number: int) -> T:
    if number not in names:
        raise ValueError(f"the driver's answer is not known here: {number}")
    return names[number]


def _flat(fact: Fact[Fact[T]]) -> Fact[T]:
    return unknown(fact.reason) if fact.value is None else fact.value


def _expiry(expiry: Any) -> str:
    if expiry.status == _PERMANENT:
        return "without end"
    if expiry.status != _EXPIRES:
        return ""
    day = f"{expiry.year:04d}-{expiry.month:02d}-{expiry.day:02d}"
    return f"until {day} {expiry.hour:02d}:{expiry.min:02d}:{expiry.sec:02d} GMT"

"""Reading the GPU's framebuffer, on doubles of NVML's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pynvml
import pytest

from vizproxy.display import gpu
from vizproxy.display.gpu import (
    GpuFramebuffer,
    GpuMeter,
    read_framebuffer,
    read_utilisation,
)


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
class Gpu:
    memory: Memory
    drawing: list[Process] = field(default_factory=list)
    computing: list[Process] = field(default_factory=list)
    percent: int = 0


class FakeNvml:
    """A driver with some GPUs; the calls in ``failing`` fail, on all or on one: ``(call, 1)``."""

    NVMLError: type[Exception] = pynvml.NVMLError

    def __init__(self, gpus: Sequence[Gpu], failing: Sequence[str | tuple[str, int]] = ()) -> None:
        self.gpus = gpus
        self.failing = failing

    def _fail(self, call: str, index: int | None = None) -> None:
        if call in self.failing or (index is not None and (call, index) in self.failing):
            raise self.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        self._fail("init")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._fail("count")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        self._fail("handle", index)
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Memory:  # noqa: N802
        self._fail("memory", handle)
        return self.gpus[handle].memory

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: int) -> list[Process]:  # noqa: N802
        self._fail("drawing", handle)
        return self.gpus[handle].drawing

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Process]:  # noqa: N802
        self._fail("computing", handle)
        return self.gpus[handle].computing

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Rates:  # noqa: N802
        self._fail("rates", handle)
        return Rates(self.gpus[handle].percent)


ONE = Gpu(Memory(8000, 900), [Process(10, 100), Process(11, 200)], [Process(12, 300)])
TWO = Gpu(Memory(4000, 50), [Process(10, 7)])


def test_one_gpu() -> None:
    assert read_framebuffer(FakeNvml([ONE])) == GpuFramebuffer(
        8000, 900, {10: 100, 11: 200, 12: 300}
    )


def test_two_gpus_add_up() -> None:
    assert read_framebuffer(FakeNvml([ONE, TWO])) == GpuFramebuffer(
        12000, 950, {10: 107, 11: 200, 12: 300}
    )


def test_a_process_that_draws_and_computes_is_counted_once() -> None:
    both = Gpu(Memory(1, 1), [Process(10, 100)], [Process(10, 90), Process(10, 100)])
    reading = read_framebuffer(FakeNvml([both]))
    assert reading is not None
    assert reading.by_pid == {10: 100}


def test_amounts_that_are_kept_secret() -> None:
    """As in a container without the host's PIDs, or by some drivers."""
    some = Gpu(Memory(1, 1), [Process(10, None), Process(11, 5)], [Process(10, None)])
    reading = read_framebuffer(FakeNvml([some]))
    assert reading is not None
    assert reading.by_pid == {11: 5}


def test_without_a_gpu() -> None:
    assert read_framebuffer(FakeNvml([])) is None


def test_the_busiest_gpu_tells_the_utilisation() -> None:
    idle, busy = Gpu(Memory(1, 1), percent=3), Gpu(Memory(1, 1), percent=80)
    assert read_utilisation(FakeNvml([idle, busy, idle])) == 80
    assert read_utilisation(FakeNvml([idle])) == 3
    assert read_utilisation(FakeNvml([])) == 0


def test_a_gpu_that_tells_no_utilisation() -> None:
    busy = Gpu(Memory(1, 1), percent=80)
    assert read_utilisation(FakeNvml([busy], ["rates"])) == 0
    assert read_utilisation(FakeNvml([busy, busy], [("rates", 1)])) == 80
    assert read_utilisation(FakeNvml([busy], ["count"])) == 0


@pytest.mark.parametrize("call", ["init", "count", "handle", "memory"])
def test_a_driver_that_does_not_answer(call: str) -> None:
    assert read_framebuffer(FakeNvml([ONE, TWO], [call])) is None


@pytest.mark.parametrize("call", ["handle", "memory"])
def test_one_gpu_of_two_that_does_not_answer(call: str) -> None:
    """Half of a budget would be a wrong one."""
    assert read_framebuffer(FakeNvml([ONE, TWO], [(call, 1)])) is None


def test_a_vgpu_that_lists_no_processes() -> None:
    silent = FakeNvml([ONE], ["drawing", "computing"])
    assert read_framebuffer(silent) == GpuFramebuffer(8000, 900, {})
    half = FakeNvml([ONE, TWO], [("drawing", 0)])
    assert read_framebuffer(half) == GpuFramebuffer(12000, 950, {12: 300, 10: 7})


def test_a_machine_without_nvml() -> None:
    class Missing(FakeNvml):
        def nvmlInit(self) -> None:  # noqa: N802
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    assert read_framebuffer(Missing([ONE])) is None


# ----------------------------------------------------------------------------------------- meter

FIRST = GpuFramebuffer(8000, 900, {})
SECOND = GpuFramebuffer(8000, 901, {})


class Readings:
    """Gives what a test has put in, one after another, and says when all was read."""

    def __init__(self, *readings: GpuFramebuffer | None) -> None:
        self._readings = list(readings)
        self._loop = asyncio.get_running_loop()
        self.read = asyncio.Event()

    def __call__(self) -> GpuFramebuffer | None:
        if len(self._readings) == 1:
            self._loop.call_soon_threadsafe(self.read.set)
            return self._readings[0]
        return self._readings.pop(0)


async def test_the_meter_tells_of_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "READ_SECONDS", 0)
    changes: list[GpuFramebuffer | None] = []
    readings = Readings(FIRST, None, SECOND, SECOND, FIRST, None)
    meter = GpuMeter(FIRST, lambda: changes.append(meter.reading), readings, lambda: 42)
    watching = asyncio.create_task(meter.watch())
    await readings.read.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert changes == [SECOND, FIRST]
    assert meter.reading == FIRST, "a driver that says nothing for once"
    assert meter.percent == 42


async def test_without_a_gpu_there_is_nothing_to_watch() -> None:
    def never() -> GpuFramebuffer | None:
        raise AssertionError("it was read")

    meter = GpuMeter(None, lambda: None, never)
    await meter.watch()
    assert meter.reading is None

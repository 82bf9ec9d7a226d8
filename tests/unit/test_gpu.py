"""Reading the GPU that the desktop draws on, by doubles of NVML's answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pynvml
import pytest

from tests.unit.gpudriver import GPU, LOST, NOT_LOADED, Driver
from tests.unit.nvidia import NOT_SUPPORTED, Card, Memory, Process, error
from vizproxy.config import GpuDriver, Plan
from vizproxy.display.gpu import GpuFramebuffer, GpuReader, Reading, watched
from vizproxy.display.plan import RenderingPlan

NOBODY_USES = GpuFramebuffer(8000, 900, {})


def card(**changes: Any) -> Card:
    return Card(**{"busy": 7, **changes})


def read(*cards: Card) -> Reading:
    return GpuReader(GPU, Driver(*cards)).read()


def test_the_gpu_of_the_plan_is_read_and_no_other() -> None:
    other = card(uuid="GPU-2", bus_id="00000000:5E:00.0", memory=Memory(1, 1), busy=99)
    ours = card(drawing=[Process(10, 100), Process(11, 200)], computing=[Process(12, 300)], busy=42)
    expected = Reading(GpuFramebuffer(8000, 900, {10: 100, 11: 200, 12: 300}), 42)
    assert read(other, ours) == read(ours, other) == expected


def test_a_gpu_of_unknown_name_is_found_by_its_address() -> None:
    nameless = replace(GPU, uuid="")
    other = card(bus_id="00000000:5E:00.0", memory=Memory(1, 1))
    assert GpuReader(nameless, Driver(other, card())).read() == Reading(NOBODY_USES, 7)


def test_a_process_that_draws_and_computes_is_counted_once() -> None:
    both = card(drawing=[Process(10, 100)], computing=[Process(10, 90), Process(10, 100)])
    framebuffer = read(both).framebuffer
    assert framebuffer is not None
    assert framebuffer.by_pid == {10: 100}


@pytest.mark.parametrize("secret", [None, 2**64 - 1])
def test_amounts_that_are_kept_secret(secret: int | None) -> None:
    """As in a container without the host's PIDs, or by some drivers."""
    some = card(drawing=[Process(10, secret), Process(11, 5)], computing=[Process(10, secret)])
    framebuffer = read(some).framebuffer
    assert framebuffer is not None
    assert framebuffer.by_pid == {11: 5}


def test_what_a_gpu_does_not_tell_is_left_out() -> None:
    refuses = error(NOT_SUPPORTED)
    lists = "nvmlDeviceGetGraphicsRunningProcesses", "nvmlDeviceGetComputeRunningProcesses"
    assert read(card(failing=dict.fromkeys(lists, refuses))) == Reading(NOBODY_USES, 7)
    half = card(computing=[Process(12, 300)], failing={lists[0]: refuses})
    assert read(half) == Reading(GpuFramebuffer(8000, 900, {12: 300}), 7)
    assert read(card(failing={"nvmlDeviceGetUtilizationRates": refuses})) == Reading(NOBODY_USES, 0)
    for code in (NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION):
        silent = card(failing={"nvmlDeviceGetMemoryInfo": error(code)})
        assert read(silent) == Reading(None, 7)


@pytest.mark.parametrize(
    "call", ["nvmlInit", "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetMemoryInfo"]
)
def test_a_failure_is_told_and_the_next_reading_begins_anew(call: str) -> None:
    driver = Driver(card())
    reader = GpuReader(GPU, driver)
    driver.failing = {call: LOST}
    for _ in range(2):
        with pytest.raises(pynvml.NVMLError):
            reader.read()
        assert driver.uses == 0, "a driver that comes back is not found by one who holds the former"
    driver.failing = {}
    assert reader.read() == reader.read() == Reading(NOBODY_USES, 7)
    assert driver.uses == 1
    reader.close()
    reader.close()
    assert driver.uses == 0


def test_a_driver_that_is_gone_need_not_be_shut_down() -> None:
    driver = Driver(card())
    reader = GpuReader(GPU, driver)
    reader.read()
    driver.failing = {"nvmlDeviceGetMemoryInfo": NOT_LOADED, "nvmlShutdown": OSError("gone")}
    with pytest.raises(pynvml.NVMLError, match="Driver Not Loaded"):
        reader.read()


def test_only_what_nvml_can_tell_of_is_watched() -> None:
    drawn = RenderingPlan(Plan.VIRTUALGL, "", gpu=GPU)
    assert watched(drawn) == GPU
    assert watched(replace(drawn, gpu=None)) is None
    for driver in (GpuDriver.DUMMY, GpuDriver.AMDGPU, GpuDriver.MODESETTING):
        assert watched(replace(drawn, gpu=replace(GPU, driver=driver))) is None
    assert watched(replace(drawn, gpu=replace(GPU, uuid=""))) is not None
    assert watched(replace(drawn, gpu=replace(GPU, uuid="", address=""))) is None

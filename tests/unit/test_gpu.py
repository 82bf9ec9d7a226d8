"""Reading the GPU that the desktop draws on, by doubles of NVML's answers."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import Any

import pynvml
import pytest

from tests.unit.gpudriver import GPU, LOST, NOT_LOADED, UNKNOWN, Driver
from tests.unit.nvidia import NOT_SUPPORTED, Card, Memory, Process, error, features
from vizproxy.config import GpuDriver, Plan
from vizproxy.display.gpu import GpuFramebuffer, watched
from vizproxy.display.gpumeters import GpuMeters
from vizproxy.display.gpureader import LICENCE_SECONDS, GpuIdentity, GpuReader, Reading
from vizproxy.display.plan import RenderingPlan

NOBODY_USES = GpuFramebuffer(8000, 900, {})


def card(**changes: Any) -> Card:
    return Card(**{"busy": 7, **changes})


def read(*cards: Card) -> Reading:
    return GpuReader(GPU, Driver(*cards)).read()


def counted(reading: Reading) -> tuple[GpuFramebuffer | None, int]:
    """What the budget and the activity are told."""
    return reading.framebuffer, reading.percent


def test_the_gpu_of_the_plan_is_read_and_no_other() -> None:
    other = card(uuid="GPU-2", bus_id="00000000:5E:00.0", memory=Memory(1, 1), busy=99)
    ours = card(drawing=[Process(10, 100), Process(11, 200)], computing=[Process(12, 300)], busy=42)
    expected = GpuFramebuffer(8000, 900, {10: 100, 11: 200, 12: 300}), 42
    assert read(other, ours) == read(ours, other)
    assert counted(read(other, ours)) == expected


def test_a_gpu_of_unknown_name_is_found_by_its_address() -> None:
    nameless = replace(GPU, uuid="")
    other = card(bus_id="00000000:5E:00.0", memory=Memory(1, 1))
    reading = GpuReader(nameless, Driver(other, card())).read()
    assert counted(reading) == (NOBODY_USES, 7)
    assert reading.identity.uuid == "GPU-1"


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
    assert counted(read(card(failing=dict.fromkeys(lists, refuses)))) == (NOBODY_USES, 7)
    half = card(computing=[Process(12, 300)], failing={lists[0]: refuses})
    assert counted(read(half)) == (GpuFramebuffer(8000, 900, {12: 300}), 7)
    idle = card(failing={"nvmlDeviceGetUtilizationRates": refuses})
    assert counted(read(idle)) == (NOBODY_USES, 0)
    for code in UNTOLD:
        silent = card(failing={"nvmlDeviceGetMemoryInfo": error(code)})
        assert counted(read(silent)) == (None, 7)


# --------------------------------------------------------------------------------------- meters

UNTOLD = (
    NOT_SUPPORTED,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
)
GUEST = pynvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU
LICENCE = "nvmlDeviceGetGridLicensableFeatures"


def vgpu(*, licensed: int = 1, **changes: Any) -> Card:
    listed = features(("NVIDIA RTX Virtual Workstation", 1, licensed))
    return card(name="NVIDIA A40-8Q", virtualization=GUEST, features=listed, **changes)


class Clock:
    """The reader's clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_else_a_gpu_tells() -> None:
    whole = card(memory_busy=3, encoding=2, encoder_busy=12, temperature=55)
    assert read(whole).meters == GpuMeters(
        percent=7,
        memory_percent=3,
        encoder_percent=12,
        encoder_sessions=2,
        encoder_fps=60,
        encoder_latency=0.001,  # NVML tells microseconds
        temperature=55,
        licensed=None,
    )
    assert read(whole).identity == GpuIdentity("Tesla T4", "GPU-1", "550.127.05", "none")


def test_a_vgpu_has_a_type_and_a_licence() -> None:
    reading = read(vgpu())
    assert reading.identity == GpuIdentity(
        "NVIDIA A40-8Q", "GPU-1", "550.127.05", "vgpu", "A40-8Q", guest=True
    )
    assert reading.meters.licensed is True
    assert read(vgpu(licensed=0)).meters.licensed is False
    unknown_type = read(replace(vgpu(), name="NVIDIA Something"))
    assert (unknown_type.identity.profile, unknown_type.meters.licensed) == ("", True)
    untold = {"nvmlDeviceGetVirtualizationMode": error(NOT_SUPPORTED)}
    by_name = read(replace(vgpu(failing=untold), name="GRID T4-1B"))
    assert (by_name.identity.profile, by_name.identity.virtualization) == ("T4-1B", "")
    assert by_name.meters.licensed is True


def test_a_share_that_needs_no_licence_has_no_type() -> None:
    passed_through = pynvml.NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH
    reading = read(replace(vgpu(), virtualization=passed_through))
    assert (reading.identity.profile, reading.identity.virtualization) == ("", "passthrough")
    assert reading.meters.licensed is None


QUESTIONS = {
    "nvmlDeviceGetUtilizationRates": {"percent", "memory_percent"},
    "nvmlDeviceGetEncoderUtilization": {"encoder_percent"},
    "nvmlDeviceGetEncoderStats": {"encoder_sessions", "encoder_fps", "encoder_latency"},
    "nvmlDeviceGetTemperature": {"temperature"},
    LICENCE: {"licensed"},
}
"""What stays unknown if a question is not answered."""


@pytest.mark.parametrize("call", QUESTIONS)
@pytest.mark.parametrize(
    "why",
    [
        *map(error, UNTOLD),
        LOST,  # it is the framebuffer that says whether the GPU is gone
        pynvml.NVMLLibraryMismatchError("no such function"),
        AttributeError("nvml"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "odd"),
    ],
    ids=str,
)
def test_a_question_that_is_not_answered_is_left_out_by_itself(call: str, why: Exception) -> None:
    failing = {call: why}
    if call == "nvmlDeviceGetTemperature":
        failing["nvmlDeviceGetTemperatureV"] = error(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    meters = asdict(read(vgpu(failing=failing)).meters)
    assert {name for name, value in meters.items() if value is None} == QUESTIONS[call]


def test_an_older_driver_or_binding_tells_the_temperature_in_the_older_way() -> None:
    for why in (error(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND), AttributeError("nvml")):
        old = card(temperature=55, failing={"nvmlDeviceGetTemperatureV": why})
        assert read(old).meters.temperature == 55


def test_a_gpu_that_tells_nothing_of_itself() -> None:
    calls = "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetVirtualizationMode"
    driver = Driver(card(failing=dict.fromkeys(calls, error(NOT_SUPPORTED))))
    driver.failing = {"nvmlSystemGetDriverVersion": UNKNOWN}
    assert GpuReader(GPU, driver).read().identity == GpuIdentity()
    strange = read(card(virtualization=99))
    assert strange.identity.virtualization == ""


def test_what_does_not_change_is_not_asked_each_time() -> None:
    asked: list[str] = []
    driver, clock = Driver(vgpu(), before=asked.append), Clock()
    reader = GpuReader(GPU, driver, clock=clock)
    seldom = ["nvmlDeviceGetName", "nvmlSystemGetDriverVersion", LICENCE]

    def times() -> list[int]:
        counts = [asked.count(call) for call in seldom]
        asked.clear()
        return counts

    assert reader.read().meters.licensed is True
    assert times() == [1, 1, 1]
    driver.cards = (vgpu(licensed=0),)
    clock.now += LICENCE_SECONDS - 1
    assert reader.read().meters.licensed is True
    assert times() == [0, 0, 0]
    clock.now += 1
    assert reader.read().meters.licensed is False
    assert times() == [0, 0, 1]
    reader.close()
    driver.driver = "570.1"
    assert reader.read().identity.driver == "570.1", "it may have been replaced"
    assert times() == [1, 1, 1]


def test_what_is_not_told_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "vizproxy")
    silent = card(failing={"nvmlDeviceGetEncoderStats": error(NOT_SUPPORTED)})
    reader = GpuReader(GPU, Driver(silent))
    for _ in range(3):
        reader.read()
    assert caplog.messages == [
        "of the GPU, what its encoder does is not known: the driver does not tell"
    ]


# ------------------------------------------------------------------------------------- failures


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
    assert reader.read() == reader.read()
    assert counted(reader.read()) == (NOBODY_USES, 7)
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

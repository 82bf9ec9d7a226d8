"""Reading GPUs by NVML, on doubles of it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import fields
from typing import Any

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.nvidia import NOT_SUPPORTED, Card, FakeNvml, Process, Slice, error, features
from vizproxy.facts import nvml
from vizproxy.facts.calls import DriverCalls
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
from vizproxy.facts.xid import XID, xid_fatal, xid_meaning

DRAWS, COMPUTES = ProcessKind.GRAPHICS, ProcessKind.COMPUTE
GUEST = pynvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU


def only(*cards: Card | Exception, **more: Any) -> Gpu:
    library = FakeNvml(*cards, **more)
    found = nvml.read(library).gpus
    assert library.uses == 0
    assert found.value is not None, found.reason
    (gpu,) = found.value
    return gpu


# ------------------------------------------------------------------------------------ one GPU


def test_all_that_a_gpu_tells() -> None:
    card = Card(drawing=[Process(10, 100)], computing=[Process(12, None)], busy=7, encoding=2)
    library = FakeNvml(card)
    assert nvml.read(library) == Nvml(
        driver=known("550.127.05"),
        gpus=known(
            (
                Gpu(
                    name=known("Tesla T4"),
                    uuid=known("GPU-1"),
                    address=known("0000:3b:00.0"),
                    minor=known(0),
                    virtualization=known(Virtualization.NONE),
                    licence=unknown("this is no vGPU, so it needs none"),
                    framebuffer=known(Framebuffer(8000, 900)),
                    processes=known((GpuProcess(10, DRAWS, 100), GpuProcess(12, COMPUTES, None))),
                    utilisation=known(7),
                    encoder_sessions=known(2),
                    compute_mode=known("default"),
                    mig=known(False),
                    mig_devices=known(()),
                ),
            )
        ),
    )
    assert library.uses == 0, "it is shut down as often as it was initialized"


@pytest.mark.parametrize(
    ("bus_id", "address"),
    [
        ("00000000:3B:00.0", "0000:3b:00.0"),
        ("0000:0A:1F.7", "0000:0a:1f.7"),
        ("00000002:00:00.0", "0002:00:00.0"),
        ("00010000:01:00.0", "10000:01:00.0"),
    ],
)
def test_addresses(bus_id: str, address: str) -> None:
    assert only(Card(bus_id=bus_id)).address == known(address)


@pytest.mark.parametrize("bus_id", ["", "3B:00.0", "00000000:3B:00.8", "GPU-1", "0000:3B:00.0\n"])
def test_what_is_no_address(bus_id: str) -> None:
    assert "is no pci address" in only(Card(bus_id=bus_id)).address.reason


def test_processes_that_one_list_alone_has() -> None:
    """A vGPU for office desktops computes nothing."""
    card = Card(
        drawing=[Process(10, 100), Process(11, 2**64 - 1)],
        failing={"nvmlDeviceGetComputeRunningProcesses": error(NOT_SUPPORTED)},
    )
    listed = (GpuProcess(10, DRAWS, 100), GpuProcess(11, DRAWS, None))
    assert only(card).processes == known(listed)


def test_processes_that_nobody_tells() -> None:
    both = (
        "nvmlDeviceGetGraphicsRunningProcesses",
        "nvmlDeviceGetComputeRunningProcesses",
    )
    silent = only(Card(failing=dict.fromkeys(both, error(NOT_SUPPORTED))))
    assert silent.processes == unknown("the driver does not tell")
    secret = only(Card(failing={both[0]: error(pynvml.NVML_ERROR_NO_PERMISSION)}))
    assert secret.processes == unknown("this process may not ask for it")


@pytest.mark.parametrize("number", [-1, 5, 99])
def test_numbers_without_a_name(number: int) -> None:
    gpu = only(Card(virtualization=number, compute_mode=number))
    assert gpu.virtualization == unknown(f"the driver's answer is not known here: {number}")
    assert gpu.compute_mode == unknown(f"the driver's answer is not known here: {number}")


# -------------------------------------------------------------------------------------- licence


@pytest.mark.parametrize(
    ("listed", "licence"),
    [
        (
            features(("NVIDIA RTX Virtual Workstation", 1, 1), status=0),
            Licence("NVIDIA RTX Virtual Workstation", True),
        ),
        (
            features(
                ("NVIDIA Virtual PC", 0, 0),
                ("NVIDIA RTX Virtual Workstation", 1, 1),
                year=2027,
                month=1,
                day=31,
                hour=9,
                min=2,
                sec=3,
                status=2,
            ),
            Licence("NVIDIA RTX Virtual Workstation", True, "until 2027-01-31 09:02:03 GMT"),
        ),
        (features(("GRID", 1, 1), status=4), Licence("GRID", True, "without end")),
        (features(("NVIDIA Virtual PC", 1, 0)), Licence("NVIDIA Virtual PC", False)),
        (features(("GRID Virtual PC", 0, 1), ("GRID", 1, 0)), Licence("GRID", False)),
        # an old guest's driver that enables nothing, as long as there is no licence
        (features(("GRID", 0, 0)), Licence("GRID", False)),
    ],
)
def test_licences(listed: Any, licence: Licence) -> None:
    guest = Card(name="NVIDIA A40-8Q", virtualization=GUEST, features=listed)
    assert only(guest).licence == known(licence)


def test_a_licence_that_nobody_knows_of() -> None:
    guest = Card(name="NVIDIA A40-8Q", virtualization=GUEST, features=features())
    assert only(guest).licence == unknown("the driver knows of no licence for this vGPU")
    guest.features = features(("GRID", 1, 1), supported=0)
    assert only(guest).licence == unknown("the driver knows of no licence for this vGPU")
    guest.failing = {"nvmlDeviceGetGridLicensableFeatures": error(NOT_SUPPORTED)}
    assert only(guest).licence == unknown("the driver does not tell")


def test_a_vgpu_is_known_by_its_name_where_the_driver_does_not_tell() -> None:
    silent = {"nvmlDeviceGetVirtualizationMode": error(NOT_SUPPORTED)}
    listed = features(("NVIDIA Virtual PC", 1, 0))
    guest = Card(name="GRID T4-1B", features=listed, failing=silent)
    assert only(guest).licence == known(Licence("NVIDIA Virtual PC", False))
    assert only(Card(failing=silent)).licence.value is None


# ------------------------------------------------------------------------------------------ MIG


def test_a_gpu_in_mig_mode() -> None:
    card = Card(
        mig=1,
        slices=[error(pynvml.NVML_ERROR_NOT_FOUND), Slice(), error(pynvml.NVML_ERROR_NOT_FOUND)],
        failing={"nvmlDeviceGetUtilizationRates": error(NOT_SUPPORTED)},
    )
    gpu = only(card)
    assert gpu.mig == known(True)
    name, uuid = known("NVIDIA A100-SXM4-40GB MIG 1g.5gb"), known("MIG-1")
    assert gpu.mig_devices == known((MigDevice(name, uuid, known(Framebuffer(4864, 6))),))
    assert gpu.utilisation == unknown("the driver does not tell")


def test_mig_mode_without_a_slice() -> None:
    assert only(Card(mig=1)).mig_devices == known(())
    empty = [error(pynvml.NVML_ERROR_NOT_FOUND)] * 7
    assert only(Card(mig=1, slices=empty)).mig_devices == known(())
    refused = [*empty, error(pynvml.NVML_ERROR_NO_PERMISSION)]
    assert only(Card(mig=1, slices=refused)).mig_devices.reason == "this process may not ask for it"


def test_gpus_that_have_no_mig_mode() -> None:
    assert only(Card()).mig == known(False)
    assert only(Card(mig=0)).mig_devices == known(())
    old = {"nvmlDeviceGetMigMode": error(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)}
    assert only(Card(failing=old)).mig == known(False)
    lost = {"nvmlDeviceGetMigMode": error(pynvml.NVML_ERROR_GPU_IS_LOST)}
    gpu = only(Card(failing=lost))
    assert gpu.mig == unknown(nvml.LOST)
    assert gpu.mig_devices == unknown(nvml.LOST)


# ------------------------------------------------------------------------------------- failures


def test_gpus_of_others_are_left_out() -> None:
    theirs = error(pynvml.NVML_ERROR_NO_PERMISSION)
    assert only(theirs, Card(uuid="GPU-2", minor=1)).minor == known(1)
    reading = nvml.read(FakeNvml(theirs, theirs))
    assert reading.gpus == unknown("this process may use none of the GPUs that are there")
    assert nvml.read(FakeNvml()).gpus == known(())


def test_a_gpu_that_is_lost_is_still_one() -> None:
    lost = error(pynvml.NVML_ERROR_GPU_IS_LOST)
    reading = nvml.read(FakeNvml(lost, Card()))
    assert reading.gpus.value is not None
    first, second = reading.gpus.value
    assert {getattr(first, f.name) for f in fields(Gpu)} == {unknown(nvml.LOST)}
    assert second.name == known("Tesla T4")


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        (error(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND), nvml.NOT_HERE),
        (error(pynvml.NVML_ERROR_DRIVER_NOT_LOADED), nvml.NOT_LOADED),
        (error(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH), nvml.MISMATCH),
        (error(pynvml.NVML_ERROR_OPERATING_SYSTEM), nvml.BLOCKED),
        (error(pynvml.NVML_ERROR_UNKNOWN), "the driver reports an unknown error"),
        (error(pynvml.NVML_ERROR_MEMORY), "insufficient memory"),
        (error(12345), "nvml error with code 12345"),
        (OSError(5, "Input/output error"), "input/output error"),
        (RuntimeError(), "the driver's answer is odd (RuntimeError)"),
    ],
)
@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetCount"])
def test_a_driver_that_does_not_answer(raised: Exception, why: str, call: str) -> None:
    library = FakeNvml(Card(), failing={call: raised})
    reading = nvml.read(library)
    assert reading.gpus == unknown(why)
    assert (reading.driver.value is None) == (call == "nvmlInit" or "odd" in why)
    assert library.uses == 0


def test_an_end_that_fails_spoils_nothing() -> None:
    library = FakeNvml(Card(), failing={"nvmlShutdown": error(pynvml.NVML_ERROR_UNKNOWN)})
    assert nvml.read(library).gpus.value


CALLS = sorted(name for name in vars(FakeNvml) if name.startswith("nvml"))
raised_ones = st.one_of(
    st.integers(1, 40).map(error),
    st.sampled_from([OSError("gone"), ValueError(), AttributeError("x"), RuntimeError("y")]),
    st.just(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")),
    st.just(pynvml.NVMLLibraryMismatchError("old")),
)


@given(st.dictionaries(st.sampled_from(CALLS), raised_ones), st.sampled_from([None, 0, 1]))
def test_whatever_fails_becomes_a_reason(failing: dict[str, Exception], mig: int | None) -> None:
    card = Card(mig=mig, slices=[Slice()], virtualization=GUEST, features=features(("GRID", 1, 1)))
    reading = nvml.read(FakeNvml(card, Card(), failing=failing))
    facts: list[Fact[Any]] = [reading.driver, reading.gpus]
    for gpu in reading.gpus.get(()):
        facts += [getattr(gpu, field.name) for field in fields(Gpu)]
    for fact in facts:
        assert (fact.value is None) == bool(fact.reason)
        assert fact.reason == fact.reason.strip(". ")


# ---------------------------------------------------------------------------------- hanging


def test_a_driver_that_hangs() -> None:
    go_on = threading.Event()
    library = FakeNvml(Card(), before=lambda call: call == "nvmlDeviceGetName" and go_on.wait())
    calls = DriverCalls(patience=0.05)
    silent = Nvml(unknown(nvml.SILENT), unknown(nvml.SILENT))
    try:
        assert nvml.read_within(calls, library) == silent
        assert nvml.read_within(calls, library) == silent, "and it is not asked twice"
    finally:
        go_on.set()
    assert nvml.SILENT == "NVML has not answered within 5 s"


def test_a_driver_that_answers_in_time() -> None:
    library = FakeNvml(Card())
    assert nvml.read_within(DriverCalls(), library) == nvml.read(library)


async def test_the_event_loop_goes_on_while_a_driver_hangs() -> None:
    go_on = threading.Event()
    library = FakeNvml(Card(), before=lambda call: go_on.wait())
    asking = asyncio.create_task(DriverCalls().call(lambda: nvml.read(library)))
    await asyncio.sleep(0)
    assert not asking.done()
    go_on.set()
    assert (await asking).gpus.value


# ----------------------------------------------------------------------------- lost GPUs, Xids


def test_which_errors_mean_that_a_gpu_is_gone() -> None:
    gone = {code for code in range(1, 1000) if nvml.lost(error(code))}
    assert gone == {
        pynvml.NVML_ERROR_GPU_IS_LOST,
        pynvml.NVML_ERROR_RESET_REQUIRED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_GPU_NOT_FOUND,
    }
    assert not nvml.lost(OSError())
    assert not nvml.lost(TimeoutError())


def test_xids() -> None:
    assert xid_meaning(79) == "the GPU has fallen off the bus"
    assert xid_fatal(79)
    assert not any(xid_fatal(number) for number in (8, 13, 31, 32, 43, 45, 63, 68, 69, 94, 109))
    assert xid_meaning(4711) == "NVIDIA's catalogue of Xids describes it"
    assert not xid_fatal(4711)
    assert all(one.meaning.strip(" .") == one.meaning for one in XID.values())

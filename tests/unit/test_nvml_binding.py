"""Reading GPUs by the real binding to NVML, whose library is made up."""

from __future__ import annotations

import types
from typing import Any

import pynvml
import pytest

from vizproxy.facts import nvml
from vizproxy.facts.model import Nvml, known, unknown


class OldDriver:
    """As the library of an old driver, with few functions, and a GPU whose name is no text."""

    def __init__(self) -> None:
        functions = types.SimpleNamespace(
            nvmlInitWithFlags=lambda flags: 0,
            nvmlShutdown=lambda: 0,
            nvmlDeviceGetCount_v2=_gives(1),
            nvmlDeviceGetHandleByIndex_v2=lambda index, handle: 0,
            nvmlSystemGetDriverVersion=_says(b"390.157"),
            nvmlDeviceGetName=lambda handle, buffer, size: _says(b"Tesla \xff")(buffer, size),
            nvmlDeviceGetMinorNumber=lambda handle, number: _gives(3)(number),
            nvmlDeviceGetPciInfo_v3=self._pci,
        )
        self.__dict__.update(vars(functions))

    def _pci(self, handle: Any, info: Any) -> int:
        info._obj.busId = b"00000000:AF:00.0"
        return 0


def _gives(number: int) -> Any:
    def call(place: Any) -> int:
        place._obj.value = number
        return 0

    return call


def _says(text: bytes) -> Any:
    def call(buffer: Any, size: Any) -> int:
        buffer.value = text
        return 0

    return call


def test_the_binding_to_an_old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynvml, "nvmlLib", OldDriver())
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    reading = nvml.read()
    assert reading.driver == known("390.157")
    assert reading.gpus.value is not None
    (gpu,) = reading.gpus.value
    assert gpu.name == unknown("the driver's answer is no text")
    assert gpu.minor == known(3)
    assert gpu.address == known("0000:af:00.0")
    assert gpu.mig == known(False)
    assert {gpu.uuid, gpu.framebuffer, gpu.processes, gpu.utilisation} == {unknown(nvml.TOO_OLD)}


def test_a_machine_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "CDLL", missing)
    assert nvml.read() == Nvml(unknown(nvml.NOT_HERE), unknown(nvml.NOT_HERE))

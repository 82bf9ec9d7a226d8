"""A driver whose GPU a test can take away, and which tells of Xids."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pynvml

from tests.unit.nvidia import Card, FakeNvml, error
from vizproxy.config import GpuDriver
from vizproxy.display.plan import ChosenGpu
from vizproxy.facts.calls import DriverCalls

T = TypeVar("T")

XID = pynvml.nvmlEventTypeXidCriticalError
GPU = ChosenGpu(
    GpuDriver.NVIDIA, node="/dev/nvidia0", name="Tesla T4", uuid="GPU-1", address="0000:3b:00.0"
)
LOST = error(pynvml.NVML_ERROR_GPU_IS_LOST)
NOT_LOADED = error(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
UNKNOWN = error(pynvml.NVML_ERROR_UNKNOWN)


@dataclass
class Event:
    """What NVML tells of an event."""

    eventData: int  # noqa: N815 - NVML's names
    eventType: int = XID  # noqa: N815


class Driver(FakeNvml):
    """NVML as far as the GPU is watched. ``failing`` may change at any time.

    ``events`` are those that are waited for; an exception among them is raised.
    """

    def __init__(self, *cards: Card, types: int = XID, **more: Any) -> None:
        super().__init__(*(cards or (Card(),)), **more)
        self.failing = dict(self.failing)
        self.types = types
        self.events: queue.Queue[Event | Exception] = queue.Queue()
        self.sets = 0
        """How many sets of events were made and not freed."""

    def fail(self, why: Exception | None) -> None:
        """From now on the GPU's memory cannot be read; None: it can."""
        self.failing = {} if why is None else {"nvmlDeviceGetMemoryInfo": why}

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Card:  # noqa: N802 - NVML's names
        self._asked("nvmlDeviceGetHandleByUUID")
        return self._card(lambda card: card.uuid == uuid)

    def nvmlDeviceGetHandleByPciBusId(self, address: str) -> Card:  # noqa: N802
        self._asked("nvmlDeviceGetHandleByPciBusId")
        return self._card(lambda card: card.bus_id.lower().endswith(address))

    def _card(self, fits: Callable[[Card], bool]) -> Card:
        for card in self.cards:
            if isinstance(card, Card) and fits(card):
                return card
        raise error(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetSupportedEventTypes(self, handle: Card) -> int:  # noqa: N802
        self._asked("nvmlDeviceGetSupportedEventTypes", handle)
        return self.types

    def nvmlEventSetCreate(self) -> str:  # noqa: N802
        self._asked("nvmlEventSetCreate")
        self.sets += 1
        return "events"

    def nvmlDeviceRegisterEvents(self, handle: Card, types: int, events: str) -> None:  # noqa: N802
        self._asked("nvmlDeviceRegisterEvents", handle)
        assert (types, events) == (XID, "events")

    def nvmlEventSetWait(self, events: str, milliseconds: int) -> Event:  # noqa: N802
        assert (events, milliseconds) == ("events", 1000)
        self._asked("nvmlEventSetWait")
        try:
            event = self.events.get(timeout=0.01)
        except queue.Empty:
            raise error(pynvml.NVML_ERROR_TIMEOUT) from None
        if isinstance(event, Exception):
            raise event
        return event

    def nvmlEventSetFree(self, events: str) -> None:  # noqa: N802
        assert events == "events"
        self.sets -= 1


class AtOnce(DriverCalls):
    """Calls on the spot; the ones that a test holds up take too long."""

    def __init__(self) -> None:
        super().__init__()
        self.hang = False

    async def call(self, work: Callable[[], T]) -> T:
        if self.hang:
            raise TimeoutError
        return work()

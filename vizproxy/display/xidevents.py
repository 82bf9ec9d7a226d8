"""The errors that NVIDIA's driver reports of a GPU while it runs (Xids), as NVML's events.

NVML tells of them to whoever waits in a call of its own, so there is a thread for that. Nobody waits
for the thread: a driver that hangs may never let it go. Not every driver tells: a vGPU's guest may not.
Then a lost GPU is found by the readings alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pynvml

from vizproxy.display.gpu import NVML, Library, handle_of
from vizproxy.display.plan import ChosenGpu

log = logging.getLogger(__name__)

TRIES: Final = 5
"""After how many tries in a row in which it could not even wait a listener gives up."""

WAIT_MILLISECONDS: Final = 1000
"""How long each wait for an event lasts: so late the thread notices that it is to end."""

_XID: Final[int] = pynvml.nvmlEventTypeXidCriticalError
_FOR_GOOD: Final = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_INVALID_ARGUMENT,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    }
)
"""The errors that another try would not change."""


class XidListener:
    """Listens for Xids of one GPU. ``heard`` is called with each number, on a thread of its own."""

    def __init__(
        self, gpu: ChosenGpu, heard: Callable[[int], None], library: Library = NVML
    ) -> None:
        self._gpu = gpu
        self._heard = heard
        self._nvml = library
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._failures = 0
        self._deaf = False

    def start(self) -> None:
        """Begin to listen, unless it does, or a former thread has not ended yet, or it is in vain."""
        if self._deaf or (self._thread is not None and self._thread.is_alive()):
            return
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._end,), name="Xid events", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as error:  # the limit of processes counts threads, too
            self._thread = None
            log.debug("cannot listen for the GPU's errors: %s", error)

    def stop(self) -> None:
        """Let the thread end soon. Does not wait for it."""
        self._end.set()

    def _run(self, end: threading.Event) -> None:
        try:
            self._nvml.nvmlInit()
            try:
                self._listen(handle_of(self._nvml, self._gpu), end)
            finally:
                with suppress(Exception):  # a driver that is gone has nothing to be told
                    self._nvml.nvmlShutdown()
        except Exception as error:  # noqa: BLE001 - a collector: the readings tell what is wrong
            self._failures += 1
            # What is no error of NVML is one of its binding, as for a function that is missing.
            self._deaf = (
                self._failures >= TRIES
                or not isinstance(error, self._nvml.NVMLError)
                or getattr(error, "value", None) in _FOR_GOOD
            )
            log.debug("the driver does not tell of the GPU's errors: %s", error)

    def _listen(self, handle: Any, end: threading.Event) -> None:
        if not self._nvml.nvmlDeviceGetSupportedEventTypes(handle) & _XID:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        events = self._nvml.nvmlEventSetCreate()
        try:
            self._nvml.nvmlDeviceRegisterEvents(handle, _XID, events)
            while not end.is_set():
                number = self._next(events)
                self._failures = 0
                if number is not None:
                    self._heard(number)
        finally:
            with suppress(Exception):
                self._nvml.nvmlEventSetFree(events)

    def _next(self, events: Any) -> int | None:
        """The next Xid; None if there is none for a while."""
        try:
            event = self._nvml.nvmlEventSetWait(events, WAIT_MILLISECONDS)
        except self._nvml.NVMLError as error:
            if getattr(error, "value", None) == pynvml.NVML_ERROR_TIMEOUT:
                return None
            raise
        return int(event.eventData) if event.eventType == _XID else None

"""What the processes of an app use, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psutil

_CPU_STEP: Final = 0.05
_RESIDENT_STEP: Final = 1024**2
"""Smaller differences, in seconds and bytes, are not worth telling."""


@dataclass(frozen=True, slots=True)
class Use:
    """CPU time in seconds, in user mode and in the kernel, and resident memory in bytes."""

    cpu_seconds: float
    resident_bytes: int

    def differs(self, told: Use) -> bool:
        """Whether this is noticeably other than what was told."""
        return (
            abs(self.cpu_seconds - told.cpu_seconds) >= _CPU_STEP
            or abs(self.resident_bytes - told.resident_bytes) >= _RESIDENT_STEP
        )


class UseMeter:
    """Sums up what processes use; what ended ones have used stays in the sum, so it never shrinks.

    Each process counts with its own time and not with that of its children, which may be another
    app's: a shell in a terminal may start one. So what a process used after it was last read is lost.
    Pages that processes share count in each of them.
    """

    def __init__(self) -> None:
        self._living: dict[psutil.Process, float] = {}
        self._ended = 0.0

    def read(self, processes: Iterable[psutil.Process]) -> Use:
        """Read what these processes use; those that were read before and are not among them have ended.

        A process is told from a later one of the same PID by the time of its creation.
        """
        before, self._living = self._living, {}
        resident = 0
        for process in processes:
            self._living[process] = before.pop(process, 0.0)
            try:
                times = process.cpu_times()
                self._living[process] = times.user + times.system
                resident += process.memory_info().rss
            except (psutil.Error, OSError):
                continue  # it is ending: what was read before stays
        self._ended += sum(before.values())
        return Use(round(self._ended + sum(self._living.values()), 2), resident)

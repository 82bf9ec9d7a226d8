"""Whether the GPU is well, as a pure function of what was seen of it.

====== ================================= ===================================================
from   what is seen                      to
====== ================================= ===================================================
fine   :data:`MISSES` readings in a row  silent: the driver is busy, or hangs, or is replaced;
       without an answer                 what draws on the GPU may go on all the same
silent a reading                         fine
fine,  the driver says that it is gone,  lost: what draws on the GPU must be started anew
silent or a fatal Xid
lost   :data:`HITS` readings in a row    fine
====== ================================= ===================================================

A GPU that is lost is not believed at its first answer: a driver that resets it may answer in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

MISSES: Final = 2
"""After how many readings in a row without an answer a GPU counts as silent."""

HITS: Final = 2
"""After how many readings in a row a GPU that was lost counts as fine again."""


class Condition(StrEnum):
    """How a GPU is."""

    FINE = "fine"
    SILENT = "silent"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class GpuHealth:
    """How a GPU is, and why; ``streak`` counts the readings in a row that speak against that."""

    condition: Condition = Condition.FINE
    reason: str = ""
    streak: int = 0

    def answered(self) -> GpuHealth:
        """After a reading."""
        if self.condition is Condition.LOST and self.streak + 1 < HITS:
            return replace(self, streak=self.streak + 1)
        return GpuHealth()

    def unanswered(self, reason: str) -> GpuHealth:
        """After a reading that failed, for a reason that does not say that the GPU is gone."""
        match self.condition:
            case Condition.FINE if self.streak + 1 < MISSES:
                return replace(self, streak=self.streak + 1)
            case Condition.LOST:
                return replace(self, streak=0)
            case _:
                return GpuHealth(Condition.SILENT, reason)

    def gone(self, reason: str) -> GpuHealth:
        """After the driver has said that the GPU is gone."""
        if self.condition is Condition.LOST:
            return replace(self, streak=0)
        return GpuHealth(Condition.LOST, reason)


@dataclass(frozen=True, slots=True)
class GpuStatus:
    """A GPU and how it is, for people: ``reason`` says why it is not fine. Times are in seconds."""

    name: str
    uuid: str
    condition: Condition
    reason: str
    since_seconds: float

    @property
    def warning(self) -> str:
        """A clause that says what is wrong with it; empty if nothing is."""
        match self.condition:
            case Condition.FINE:
                return ""
            case Condition.SILENT:
                return f"the GPU {self.name} does not answer: {self.reason}"
            case Condition.LOST:
                return f"the GPU {self.name} is lost: {self.reason}"

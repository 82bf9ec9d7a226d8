"""Xids: the numbers of errors that NVIDIA's driver reports of a GPU.

From NVIDIA's catalogue (https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html), whose
"immediate action" tells which ones end a program and which ones the GPU. Here, only those count as
*fatal* after which nothing is drawn until the GPU is reset: to take an error of a program for one of
the GPU would end all the other programs, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Xid:
    """What an Xid means, fit for brackets in a sentence; ``fatal`` if the GPU is of no use then."""

    meaning: str
    fatal: bool = False


XID: Final[Mapping[int, Xid]] = MappingProxyType(
    {
        8: Xid("a program's work took too long"),
        13: Xid("a program made the graphics engine fail"),
        31: Xid("a program used memory of the GPU that is not there"),
        32: Xid("a program's commands were damaged"),
        43: Xid("a program was ended by an error of its own"),
        44: Xid("a program made the graphics engine fail"),
        45: Xid("a program's work was cleared away, mostly since it ended"),
        46: Xid("the GPU has stopped working", fatal=True),
        48: Xid("the GPU's memory has an error that cannot be corrected", fatal=True),
        61: Xid("the GPU's micro-controller gave a warning"),
        62: Xid("the GPU's micro-controller has stopped", fatal=True),
        63: Xid("a part of the GPU's memory is put out of use at its next reset"),
        64: Xid("a bad part of the GPU's memory cannot be put out of use", fatal=True),
        68: Xid("the video decoder has failed"),
        69: Xid("a program made the graphics engine fail"),
        74: Xid("the connection between GPUs has failed"),
        79: Xid("the GPU has fallen off the bus", fatal=True),
        92: Xid("the GPU corrects many errors of its memory"),
        94: Xid("a program met an error of the GPU's memory"),
        95: Xid("the GPU's memory has an error that concerns all programs", fatal=True),
        109: Xid("a program's work could not be set aside in time"),
        119: Xid("the GPU's system processor does not answer", fatal=True),
        120: Xid("the GPU's system processor has failed", fatal=True),
        140: Xid("the GPU's memory has an error that cannot be corrected", fatal=True),
        143: Xid("the GPU cannot be initialized", fatal=True),
        154: Xid("the driver has changed its advice on how to repair the GPU"),
        158: Xid("the GPU does not answer in time", fatal=True),
    }
)


def xid_meaning(number: int) -> str:
    """What an Xid means, fit for brackets in a sentence."""
    return XID[number].meaning if number in XID else "NVIDIA's catalogue of Xids describes it"


def xid_fatal(number: int) -> bool:
    """Whether the GPU is of no use after it. Not if it is not known here: NVML tells of a lost GPU."""
    return number in XID and XID[number].fatal

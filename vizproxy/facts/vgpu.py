"""What a vGPU may do, by the name of its type: how many pixels, how many frames, and whether it draws.

A guest's driver gives the vGPU type as the name of the GPU: ``NVIDIA A40-8Q`` is a share of 8 GiB of an
A40, for workstations (the names are in the driver's own source, ``g_nv_name_released.h`` of
https://github.com/NVIDIA/open-gpu-kernel-modules). The series says what it is for:

====== ============== ================================ ====================
series is for         frames a second, at most         displays
====== ============== ================================ ====================
Q      workstations   60                               4; 2 with 512 MiB
B      office desktop 45                               4; 2 with 512 MiB
A      applications   60                               1 of 1280x1024
C      computing      no accelerated graphics at all   1
====== ============== ================================ ====================

Displays share a *pixel budget*, which grows with the framebuffer. NVIDIA's guide gives the rates and
series (https://docs.nvidia.com/vgpu/16.0/grid-vgpu-user-guide/index.html, "Virtual GPU Types"); the
budgets are those of the host driver's own table, ``vgpuConfig.xml``, in which they are the same for all
boards, except that Maxwell's (M6, M10, M60) end at 36864000. The frame rates hold while the host
uses its best-effort scheduler, as it does unless told otherwise. Of the C series NVIDIA says that it
has one display and no "Quadro graphics acceleration" (NVIDIA AI Enterprise, "vGPU for Compute").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Series(StrEnum):
    """What a vGPU type is for."""

    Q = "Q"
    B = "B"
    A = "A"
    C = "C"


@dataclass(frozen=True, slots=True)
class Profile:
    """A vGPU type: the board that it is a share of, the share's framebuffer in MiB, and the series.

    The driver keeps some of the framebuffer for itself, so that a guest has about a tenth less.
    """

    board: str
    framebuffer_mib: int
    series: Series


@dataclass(frozen=True, slots=True)
class Limits:
    """What a vGPU type allows.

    All ``heads`` (displays) together show at most ``max_pixels``, each at most ``max_width`` by
    ``max_height``, at most ``frame_rate`` times a second. ``draws`` says whether X and OpenGL are
    accelerated.
    """

    max_pixels: int
    heads: int
    max_width: int
    max_height: int
    frame_rate: int
    draws: bool


_NAME: Final = re.compile(
    r"(?:(?:GRID|NVIDIA) )?"
    r"(?P<board>[A-Z][\w ]*(?:-[A-Za-z][\w ]*)*)"
    r"(?:-\d{1,2})?"  # slices of a GPU in MIG mode
    r"-(?P<gib>\d{1,3})(?P<series>[QBAC])(?:4|ME)?",
    re.ASCII,
)
_MIB_OF_NONE: Final = 512  # what "0Q" and "0B" have
_MAXWELL: Final = frozenset({"M6", "M10", "M60"})

_MAXWELL_WORKSTATION: Final = {
    2048: Limits(36_864_000, 4, 5120, 2880, 60, draws=True),
    1024: Limits(18_432_000, 4, 5120, 2880, 60, draws=True),
    0: Limits(8_192_000, 2, 2560, 1600, 60, draws=True),
}
_TABLES: Final[Mapping[Series, Mapping[int, Limits]]] = {
    Series.Q: {
        8192: Limits(66_355_200, 4, 7680, 4320, 60, draws=True),
        4096: Limits(58_982_400, 4, 7680, 4320, 60, draws=True),
        2048: Limits(36_864_000, 4, 7680, 4320, 60, draws=True),
        1024: Limits(18_432_000, 4, 5120, 2880, 60, draws=True),
        0: Limits(8_192_000, 2, 2560, 1600, 60, draws=True),
    },
    Series.B: {
        2048: Limits(18_432_000, 4, 5120, 2880, 45, draws=True),
        1024: Limits(16_384_000, 4, 5120, 2880, 45, draws=True),
        0: Limits(8_192_000, 2, 2560, 1600, 45, draws=True),
    },
    Series.A: {0: Limits(1280 * 1024, 1, 1280, 1024, 60, draws=True)},
    Series.C: {0: Limits(3840 * 2400, 1, 3840, 2400, 60, draws=False)},
}
"""From how much framebuffer on, in MiB, what it allows; the largest first."""


def parse(name: str) -> Profile | None:
    """The vGPU type that a GPU's name tells; None for a GPU that is none."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    mib = int(found["gib"]) * 1024 or _MIB_OF_NONE
    return Profile(found["board"], mib, Series(found["series"]))


def limits(profile: Profile) -> Limits:
    """What a vGPU type allows. A size that is in no table counts as the next smaller one."""
    table = _TABLES[profile.series]
    if profile.series is Series.Q and profile.board in _MAXWELL:
        table = _MAXWELL_WORKSTATION
    return next(limit for least, limit in table.items() if profile.framebuffer_mib >= least)

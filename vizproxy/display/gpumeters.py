"""What is measured of the GPU that the desktop draws on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.display.gpuhealth import Condition


@dataclass(frozen=True, slots=True)
class GpuMeters:
    """What a GPU tells besides its framebuffer; None is what this one keeps to itself.

    Percentages are shares of the driver's last sampling period, a sixth of a second to one: in which
    something ran on the GPU, in which its memory was read or written, in which it encoded
    (``nvmlUtilization_t``, ``nvmlDeviceGetEncoderUtilization``). ``encoder_fps`` is the trailing
    average of its sessions' frames a second, ``encoder_latency`` the average time for a frame in
    seconds, ``temperature`` in degrees Celsius. ``licensed`` is None where no licence is needed.
    """

    percent: int | None = None
    memory_percent: int | None = None
    encoder_percent: int | None = None
    encoder_sessions: int | None = None
    encoder_fps: int | None = None
    encoder_latency: float | None = None
    temperature: int | None = None
    licensed: bool | None = None


@dataclass(frozen=True, slots=True)
class GpuSnapshot:
    """The GPU at one moment, and what has happened to it since the daemon started.

    ``condition`` is None once the GPU was lost and another plan has taken the place of the one that
    drew on it: nobody watches it then. ``profile`` is the vGPU type (``A40-8Q``), empty for a GPU that
    is none; ``virtualization`` a word of :class:`vizproxy.facts.model.Virtualization`, empty if not
    known. ``xids`` counts the driver's reports by their number, ``losses`` how often the GPU was lost.
    ``framebuffer`` and ``meters`` are those of the latest reading, None if that failed;
    ``read_seconds`` is how long it took, ``age`` how old the last good one is in seconds (None:
    there is none).
    """

    name: str
    uuid: str
    driver: str
    virtualization: str
    profile: str
    condition: Condition | None
    losses: int
    framebuffer: GpuFramebuffer | None
    meters: GpuMeters | None
    read_seconds: float
    age: float | None
    xids: Mapping[int, int] = field(default_factory=dict)

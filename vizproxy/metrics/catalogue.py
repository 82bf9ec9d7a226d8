"""Every metric that there is, declared once: its name, what it means, and by what it is split.

Names follow Prometheus's conventions (https://prometheus.io/docs/practices/naming/): base units,
``_total`` for counters, ``_info`` for facts in labels. The names of NVIDIA's DCGM are those of its
field identifiers (https://docs.nvidia.com/datacenter/dcgm/latest/dcgm-api/dcgm-api-field-ids.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Kind(StrEnum):
    """The types of metrics that are used here, by their OpenMetrics names."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``collector`` is whose it is; ``dcgm`` what DCGM calls it, empty if it does not."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    collector: str = ""
    dcgm: str = ""


PREFIX: Final = "vizproxy_"


def _metrics(
    collector: str, *rows: tuple[str, Kind, str] | tuple[str, Kind, str, str]
) -> list[Metric]:
    """Rows of name, kind, help, and labels between spaces."""
    return [
        Metric(PREFIX + name, kind, text, tuple(rest[0].split()) if rest else (), collector)
        for name, kind, text, *rest in rows
    ]


_GAUGE, _COUNTER, _HISTOGRAM, _INFO = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM, Kind.INFO

_DESKTOP: Final = _metrics(
    "desktop",
    ("build_info", _INFO, "The versions of vizproxy and Python.", "version python"),
    ("desktop_info", _INFO, "The rendering plan in force.", "plan"),
    ("desktop_state", _GAUGE, "1 for the state that the desktop is in, else 0.", "state"),
    ("log_lines_lost_total", _COUNTER, "Log lines that could not be written."),
)

_DISPLAY: Final = _metrics(
    "display",
    ("display_width_pixels", _GAUGE, "Width of the desktop."),
    ("display_height_pixels", _GAUGE, "Height of the desktop."),
    ("display_depth", _GAUGE, "Colour depth of the desktop, in bits a pixel."),
    ("display_framebuffer_bytes", _GAUGE, "Size of the X server's screen in memory."),
    ("display_clients", _GAUGE, "X clients that are connected, but for vizproxy itself."),
    (
        "display_resizes_total",
        _COUNTER,
        "Changes of the desktop's size that were asked for by a viewer or the API.",
    ),
    (
        "display_damage_events_total",
        _COUNTER,
        "Frames in which something was drawn, at most 60 in a second.",
    ),
    ("display_damaged_pixels_total", _COUNTER, "Pixels that were drawn in these frames."),
    ("display_idle_seconds", _GAUGE, "Time since the X server's last input."),
)

_APPS: Final = _metrics(
    "apps",
    ("apps", _GAUGE, "Apps on the desktop, with and without a lease.", "leased"),
    ("leases_granted_total", _COUNTER, "Leases that were granted."),
    ("leases_refused_total", _COUNTER, "Leases that were refused, by the reason.", "reason"),
    (
        "app_over_uses_total",
        _COUNTER,
        "Times that an app used more than it was granted for too long.",
    ),
    ("budget_bytes", _GAUGE, "Framebuffer that all apps share."),
    ("budget_granted_bytes", _GAUGE, "Framebuffer that is granted by leases."),
    ("budget_used_bytes", _GAUGE, "Framebuffer that apps use."),
    ("budget_apps", _GAUGE, "Most apps that may be on the desktop."),
    ("unattributed_pixmap_bytes", _GAUGE, "Pixmaps of X clients that belong to no app."),
    ("app_instances", _GAUGE, "Apps by their configured name.", "app"),
    ("app_granted_bytes", _GAUGE, "Framebuffer that is granted to apps of a name.", "app"),
    ("app_pixmap_bytes", _GAUGE, "Pixmaps in the X server of apps of a name.", "app"),
    (
        "app_gpu_framebuffer_bytes",
        _GAUGE,
        "GPU framebuffer of apps of a name, where the driver tells it by a process ID known here.",
        "app",
    ),
    ("app_cpu_seconds_total", _COUNTER, "CPU time that apps of a name have used.", "app"),
    ("app_resident_memory_bytes", _GAUGE, "Resident memory of apps of a name.", "app"),
)

_GPU: Final = _metrics(
    "gpu",
    ("gpu_info", _INFO, "The GPU that is drawn on.", "name uuid driver virtualization profile"),
    ("gpu_condition", _GAUGE, "1 for the condition that the GPU is in, else 0.", "condition"),
    ("gpu_framebuffer_size_bytes", _GAUGE, "Framebuffer of the GPU."),
    ("gpu_framebuffer_used_bytes", _GAUGE, "Framebuffer that is used, by whomever."),
    ("gpu_framebuffer_free_bytes", _GAUGE, "Framebuffer that is free."),
    ("gpu_utilization_ratio", _GAUGE, "Share of time in which the GPU was busy, 0 to 1."),
    (
        "gpu_memory_utilization_ratio",
        _GAUGE,
        "Share of time in which the GPU's memory was read or written, 0 to 1.",
    ),
    (
        "gpu_encoder_utilization_ratio",
        _GAUGE,
        "Share of time in which the encoder was busy, 0 to 1.",
    ),
    ("gpu_encoder_sessions", _GAUGE, "Sessions of the video encoder."),
    (
        "gpu_encoder_frames_per_second",
        _GAUGE,
        "Frames that the encoder's sessions make, on average.",
    ),
    ("gpu_encoder_latency_seconds", _GAUGE, "Time that the encoder takes for a frame, on average."),
    ("gpu_licensed", _GAUGE, "1 if the vGPU has its licence, 0 if it lacks it."),
    ("gpu_temperature_celsius", _GAUGE, "Temperature of the GPU."),
    ("gpu_xid_errors_total", _COUNTER, "Errors (Xids) that the driver has reported.", "xid"),
    ("gpu_losses_total", _COUNTER, "Times that the GPU was lost."),
)

_VIEWERS: Final = _metrics(
    "viewers",
    ("viewers", _GAUGE, "Viewers that are connected, by what they may do.", "role"),
    ("viewer_sessions_total", _COUNTER, "Sessions of viewers that have begun."),
    ("viewer_sessions_ended_total", _COUNTER, "Sessions that have ended, by the reason.", "reason"),
    ("viewers_refused_total", _COUNTER, "Viewers that were not let in, by the reason.", "reason"),
    ("viewer_received_bytes_total", _COUNTER, "Bytes that viewers have sent."),
    ("viewer_received_messages_total", _COUNTER, "WebSocket messages that viewers have sent."),
    ("viewer_sent_bytes_total", _COUNTER, "Bytes that viewers were sent."),
    ("viewer_sent_messages_total", _COUNTER, "WebSocket messages that viewers were sent."),
    ("viewer_updates_total", _COUNTER, "Framebuffer updates that viewers have taken."),
    (
        "viewer_send_wait_seconds_total",
        _COUNTER,
        "Time in which the gateway waited until viewers took what was sent.",
    ),
    (
        "viewer_blocked_seconds_total",
        _COUNTER,
        "Time in which a slow viewer kept the VNC server waiting.",
    ),
    (
        "viewer_round_trip_seconds",
        _HISTOGRAM,
        "Round trip of a WebSocket ping to the browser, or to the proxy before it.",
    ),
    (
        "viewer_first_picture_seconds",
        _HISTOGRAM,
        "Time from a viewer's arrival until it has taken its first update.",
    ),
    ("input_idle_seconds", _GAUGE, "Time since the desktop was last used."),
)

_SUPERVISION: Final = _metrics(
    "supervision",
    (
        "component_state",
        _GAUGE,
        "1 for the state that a program of the desktop is in, else 0.",
        "component state",
    ),
    (
        "component_state_seconds_total",
        _COUNTER,
        "Time that a program has spent in a state.",
        "component state",
    ),
    (
        "component_time_in_state_seconds",
        _GAUGE,
        "Time since a program came into its state.",
        "component",
    ),
    (
        "component_restarts_total",
        _COUNTER,
        "Starts of a program after its first one, by what ended the run before.",
        "component cause",
    ),
    ("component_failures", _GAUGE, "Failures of a program in a row.", "component"),
    (
        "component_backoff_seconds",
        _GAUGE,
        "Time until a program that failed is started again; 0 if none waits.",
        "component",
    ),
    (
        "component_startup_seconds",
        _GAUGE,
        "Time that the latest start of a program took.",
        "component",
    ),
    (
        "component_cpu_seconds_total",
        _COUNTER,
        "CPU time that a program and what it started have used.",
        "component",
    ),
    (
        "component_resident_memory_bytes",
        _GAUGE,
        "Resident memory of a program and what it started.",
        "component",
    ),
)

_PROCESS: Final = _metrics(
    "process",
    ("process_cpu_seconds_total", _COUNTER, "CPU time that vizproxy's own process has used."),
    ("process_resident_memory_bytes", _GAUGE, "Resident memory of vizproxy's own process."),
    ("process_open_fds", _GAUGE, "Files and sockets that vizproxy's own process has open."),
    ("process_max_fds", _GAUGE, "Most files and sockets that it may have open."),
    ("process_threads", _GAUGE, "Threads of vizproxy's own process."),
    ("process_start_time_seconds", _GAUGE, "Start of vizproxy, in seconds of the epoch."),
)

_COLLECTORS: Final = _metrics(
    "",
    ("collector_success", _GAUGE, "1 if a collector's values are complete, else 0.", "collector"),
    (
        "collector_duration_seconds",
        _GAUGE,
        "Time that a collector took, with the reading of its source.",
        "collector",
    ),
    (
        "collector_age_seconds",
        _GAUGE,
        "Age of what was last read, for collectors that read in the background.",
        "collector",
    ),
)

_DCGM: Final[Mapping[str, str]] = {
    "gpu_framebuffer_used_bytes": "DCGM_FI_DEV_FB_USED",
    "gpu_framebuffer_free_bytes": "DCGM_FI_DEV_FB_FREE",
    "gpu_framebuffer_size_bytes": "DCGM_FI_DEV_FB_TOTAL",
    "gpu_utilization_ratio": "DCGM_FI_DEV_GPU_UTIL",
    "gpu_memory_utilization_ratio": "DCGM_FI_DEV_MEM_COPY_UTIL",
    "gpu_encoder_utilization_ratio": "DCGM_FI_DEV_ENC_UTIL",
    "gpu_encoder_sessions": "DCGM_FI_DEV_ENC_STATS",
    "gpu_licensed": "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
    "gpu_temperature_celsius": "DCGM_FI_DEV_GPU_TEMP",
    "gpu_xid_errors_total": "DCGM_FI_DEV_XID_ERRORS",
}


def _with_dcgm(metric: Metric) -> Metric:
    dcgm = _DCGM.get(metric.name.removeprefix(PREFIX), "")
    return Metric(metric.name, metric.kind, metric.help, metric.labels, metric.collector, dcgm)


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        metric.name: _with_dcgm(metric)
        for metric in (
            *_DESKTOP,
            *_DISPLAY,
            *_APPS,
            *_GPU,
            *_VIEWERS,
            *_SUPERVISION,
            *_PROCESS,
            *_COLLECTORS,
        )
    }
)
"""Every metric by its name, in the order in which they are exposed."""

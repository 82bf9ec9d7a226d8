"""The rows of a desktop's dashboard that are about its GPU and its processes."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from container.monitoring.generator import states
from container.monitoring.generator.chosen import IT, of, rate
from container.monitoring.generator.panels import (
    GREEN,
    RED,
    Row,
    Series,
    graph,
    number,
    one_of,
    text,
    timeline,
)

GPU = Row(
    "GPU",
    [
        timeline(
            "Condition",
            "Silent: it does not answer. Lost: the driver says that it is gone. One that was given up "
            "has none.",
            states.GPU,
            Series(one_of("vizproxy_gpu_condition", states.GPU, "condition", IT), "GPU"),
            width=8,
        ),
        graph(
            "Utilisation",
            "Share of time in which it was busy.",
            units.PercentUnit,
            Series(of("gpu_utilization_ratio"), "GPU"),
            Series(of("gpu_memory_utilization_ratio"), "memory"),
            Series(of("gpu_encoder_utilization_ratio"), "encoder"),
            most=1,
        ),
        graph(
            "Temperature",
            "vGPU guests are not told.",
            units.Celsius,
            Series(of("gpu_temperature_celsius"), "GPU"),
        ),
        graph(
            "Errors and losses",
            "Errors (Xids) that the driver has reported, and losses of the GPU, since the desktop "
            "started.",
            units.Short,
            Series(of("gpu_xid_errors_total"), "Xid {{xid}}"),
            Series(of("gpu_losses_total"), "lost"),
        ),
        graph(
            "Encoder",
            "Sessions of the video encoder, and the frames a second that they make on average.",
            units.Short,
            Series(of("gpu_encoder_sessions"), "sessions"),
            Series(of("gpu_encoder_frames_per_second"), "frames a second"),
        ),
        number(
            "Licence",
            "Whether the vGPU has its licence; nothing where it needs none, or that is not known.",
            units.Short,
            f"{of('gpu_licensed')} + 1",
            width=4,
            names={"missing": RED, "there": GREEN},
        ),
        text(
            "Model",
            "The GPU that is drawn on, and its vGPU profile if it is one.",
            of("gpu_info"),
            "{{name}} {{profile}}",
            width=4,
        ),
    ],
)

PROGRAMS = Row(
    "Programs of the desktop",
    [
        timeline(
            "States",
            "Of each program that makes up the desktop.",
            states.COMPONENT,
            Series(
                one_of("vizproxy_component_state", states.COMPONENT, "component state", IT),
                "{{component}}",
            ),
        ),
        graph(
            "Restarts",
            "By what ended the run before, in an hour.",
            units.Short,
            Series(
                f"increase({of('component_restarts_total')}[1h]) > 0", "{{component}}: {{cause}}"
            ),
            width=12,
            stacked=True,
        ),
        graph(
            "CPU",
            "Cores that the programs and what they started use.",
            units.Short,
            Series(rate("component_cpu_seconds_total"), "{{component}}"),
            Series(rate("process_cpu_seconds_total"), "vizproxy"),
            stacked=True,
        ),
        graph(
            "Memory",
            "Resident memory; memory that they share counts for each.",
            units.BytesIEC,
            Series(of("component_resident_memory_bytes"), "{{component}}"),
            Series(of("process_resident_memory_bytes"), "vizproxy"),
            stacked=True,
        ),
        graph(
            "Start-up",
            "Time that the latest start of a program took.",
            units.Seconds,
            Series(of("component_startup_seconds"), "{{component}}"),
        ),
    ],
)

APPS = Row(
    "Apps",
    [
        graph(
            "Apps",
            "By their configured name.",
            units.Short,
            Series(of("app_instances"), "{{app}}"),
            stacked=True,
        ),
        graph(
            "CPU of apps",
            "Cores.",
            units.Short,
            Series(rate("app_cpu_seconds_total"), "{{app}}"),
            stacked=True,
        ),
        graph(
            "Memory of apps",
            "Resident memory.",
            units.BytesIEC,
            Series(of("app_resident_memory_bytes"), "{{app}}"),
            stacked=True,
        ),
    ],
)

VIZPROXY = Row(
    "vizproxy itself",
    [
        graph(
            "Files and sockets",
            "Open, and most that may be.",
            units.Short,
            Series(of("process_open_fds"), "open"),
            Series(of("process_max_fds"), "most"),
        ),
        graph(
            "Collectors",
            "Time that the collectors took.",
            units.Seconds,
            Series(of("collector_duration_seconds"), "{{collector}}"),
        ),
        graph(
            "Collectors that fail",
            "Their metrics are missing or incomplete.",
            units.Short,
            Series(f"1 - {of('collector_success')}", "{{collector}}"),
            stacked=True,
        ),
    ],
)

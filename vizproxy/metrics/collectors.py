"""Turning one moment of the desktop into metrics: a pure function for each part of it.

Label values come from enumerations, from the names of the desktop's programs, and from a bounded number
of apps' names (:class:`vizproxy.broker.slots.Slots`). So however long a desktop lives, the number of
its series stays bounded. Values of enumerations are all there from the start, at 0: of a counter that
first appears with a 1, Prometheus sees no increase.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from vizproxy.broker.leases import REFUSALS
from vizproxy.broker.slots import OTHER, UNLEASED
from vizproxy.broker.snapshot import App, Snapshot
from vizproxy.display.gpuhealth import Condition
from vizproxy.display.gpumeters import GpuMeters, GpuSnapshot
from vizproxy.gateway.access import Role
from vizproxy.gateway.tally import Leave, Refusal
from vizproxy.metrics.families import Families
from vizproxy.metrics.measurements import Measurements, ProcessUse
from vizproxy.supervise.history import Cause
from vizproxy.supervise.machine import State

Collector = Callable[[Measurements, Families], None]

DESKTOP_STATES: Final = ("starting", "ready", "degraded", "failed", "stopping")

MAX_XID: Final = 999
"""No Xid is near it (https://docs.nvidia.com/deploy/xid-errors/)."""

_P: Final = "vizproxy_"


def desktop(now: Measurements, out: Families) -> None:
    """The desktop as a whole."""
    out.put(f"{_P}build_info", 1, now.version, platform.python_version())
    if not now.state:
        return
    out.put(f"{_P}desktop_info", 1, now.plan)
    out.put_one_of(f"{_P}desktop_state", now.state, DESKTOP_STATES)
    out.put(f"{_P}log_lines_lost_total", now.log_lines_lost)


def display(now: Measurements, out: Families) -> None:
    """The X server's screen, and what is drawn on it."""
    out.put(f"{_P}display_resizes_total", now.resizes)
    if now.damage is not None:
        out.put(f"{_P}display_damage_events_total", now.damage.events)
        out.put(f"{_P}display_damaged_pixels_total", now.damage.pixels)
    if (screen := now.screen) is not None:
        out.put(f"{_P}display_width_pixels", screen.width)
        out.put(f"{_P}display_height_pixels", screen.height)
        out.put(f"{_P}display_depth", screen.depth)
        out.put(f"{_P}display_framebuffer_bytes", screen.framebuffer_bytes)
        out.put(f"{_P}display_clients", screen.clients)
        out.put(f"{_P}display_idle_seconds", screen.idle_seconds)


def apps(now: Measurements, out: Families) -> None:
    """Apps, and the budget that they share."""
    broker = now.apps
    if broker is None:
        return
    for leased in (True, False):
        count = sum(app.leased is leased for app in broker.apps)
        out.put(f"{_P}apps", count, "true" if leased else "false")
    out.put(f"{_P}leases_granted_total", broker.tally.admitted)
    for reason in REFUSALS:
        out.put(f"{_P}leases_refused_total", broker.tally.refused.get(reason, 0), reason)
    out.put(f"{_P}app_over_uses_total", broker.tally.over_uses)
    out.put(f"{_P}budget_bytes", broker.limits.framebuffer)
    out.put(f"{_P}budget_granted_bytes", broker.granted)
    out.put(f"{_P}budget_apps", broker.limits.max_apps)
    # The broker goes on with the last that it knew; what is told to be true now has to be.
    gpu_known = now.gpu is not None and now.gpu.framebuffer is not None
    if now.pixmaps_known:
        out.put(f"{_P}unattributed_pixmap_bytes", broker.unattributed)
        if now.gpu is None or gpu_known:
            out.put(f"{_P}budget_used_bytes", broker.used)
    unleased = {} if now.processes is None else now.processes.unleased
    for slot, of_slot in _by_slot(broker).items():
        _app_slot(slot, of_slot, unleased, out)
        if now.pixmaps_known:
            pixmaps = sum(app.use.pixmap_bytes for app in of_slot)
            out.put(f"{_P}app_pixmap_bytes", pixmaps, slot)
        if gpu_known:
            on_gpu = _sum_of_known(app.use.gpu_bytes for app in of_slot)
            out.put(f"{_P}app_gpu_framebuffer_bytes", on_gpu, slot)
    used = dict(broker.tally.cpu_seconds)
    if now.processes is not None:
        used[UNLEASED] = now.processes.unleased_cpu_seconds
    for slot, seconds in used.items():
        out.put(f"{_P}app_cpu_seconds_total", seconds, slot)


def _by_slot(broker: Snapshot) -> Mapping[str, list[App]]:
    slots: dict[str, list[App]] = {}
    for app in broker.apps:
        slots.setdefault(app.slot, []).append(app)
    return slots


def _app_slot(
    slot: str, of_slot: list[App], unleased: Mapping[str, ProcessUse], out: Families
) -> None:
    out.put(f"{_P}app_instances", len(of_slot), slot)
    out.put(f"{_P}app_granted_bytes", sum(app.granted for app in of_slot if app.leased), slot)
    resident = _sum_of_known(
        unleased[app.id].resident_bytes if app.id in unleased else app.resident_bytes
        for app in of_slot
    )
    out.put(f"{_P}app_resident_memory_bytes", resident, slot)


def _sum_of_known(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def gpu(now: Measurements, out: Families) -> None:
    """The GPU that is drawn on, if there is one."""
    it = now.gpu
    if it is None:
        return
    about = (it.name, it.uuid, it.driver, it.virtualization, it.profile)
    out.put(f"{_P}gpu_info", 1, *about)
    if it.condition is not None:
        out.put_one_of(f"{_P}gpu_condition", it.condition, Condition)
    out.put(f"{_P}gpu_losses_total", it.losses)
    for label, count in _by_xid(it.xids).items():
        out.put(f"{_P}gpu_xid_errors_total", count, label)
    _gpu_framebuffer(it, out)
    if it.meters is not None:
        _gpu_meters(it.meters, out)


def _by_xid(xids: Mapping[int, int]) -> Mapping[str, int]:
    """Counts by Xid; what no Xid can be counts together, so that there are never many labels."""
    counts: dict[str, int] = {}
    for number, count in sorted(xids.items()):
        label = str(number) if 0 <= number <= MAX_XID else OTHER
        counts[label] = counts.get(label, 0) + count
    return counts


def _gpu_framebuffer(it: GpuSnapshot, out: Families) -> None:
    if it.framebuffer is not None:
        size, used = it.framebuffer.total, it.framebuffer.used
        out.put(f"{_P}gpu_framebuffer_size_bytes", size)
        out.put(f"{_P}gpu_framebuffer_used_bytes", used)
        out.put(f"{_P}gpu_framebuffer_free_bytes", max(size - used, 0))


def _gpu_meters(meters: GpuMeters, out: Families) -> None:
    out.put(f"{_P}gpu_utilization_ratio", _ratio(meters.percent))
    out.put(f"{_P}gpu_memory_utilization_ratio", _ratio(meters.memory_percent))
    out.put(f"{_P}gpu_encoder_utilization_ratio", _ratio(meters.encoder_percent))
    out.put(f"{_P}gpu_encoder_sessions", meters.encoder_sessions)
    out.put(f"{_P}gpu_encoder_frames_per_second", meters.encoder_fps)
    out.put(f"{_P}gpu_encoder_latency_seconds", meters.encoder_latency)
    out.put(f"{_P}gpu_licensed", None if meters.licensed is None else float(meters.licensed))
    out.put(f"{_P}gpu_temperature_celsius", meters.temperature)


def _ratio(percent: int | None) -> float | None:
    return None if percent is None else percent / 100


def viewers(now: Measurements, out: Families) -> None:
    """Those who watch."""
    tally = now.viewers
    if tally is None:
        return
    for role in (Role.CONTROL, Role.VIEW):
        out.put(f"{_P}viewers", tally.connected.get(role, 0), role.name.lower())
    out.put(f"{_P}viewer_sessions_total", tally.sessions)
    for leave in Leave:
        out.put(f"{_P}viewer_sessions_ended_total", tally.ended.get(leave, 0), leave)
    for refusal in Refusal:
        out.put(f"{_P}viewers_refused_total", tally.refused.get(refusal, 0), refusal)
    out.put(f"{_P}viewer_received_bytes_total", tally.received_bytes)
    out.put(f"{_P}viewer_received_messages_total", tally.received_messages)
    out.put(f"{_P}viewer_sent_bytes_total", tally.sent_bytes)
    out.put(f"{_P}viewer_sent_messages_total", tally.sent_messages)
    out.put(f"{_P}viewer_updates_total", tally.updates)
    out.put(f"{_P}viewer_send_wait_seconds_total", tally.send_wait_seconds)
    out.put(f"{_P}viewer_blocked_seconds_total", tally.blocked_seconds)
    out.put_distribution(f"{_P}viewer_round_trip_seconds", tally.round_trip)
    out.put_distribution(f"{_P}viewer_first_picture_seconds", tally.first_picture)
    out.put(f"{_P}input_idle_seconds", now.input_idle_seconds)


def supervision(now: Measurements, out: Families) -> None:
    """The programs of the desktop."""
    for component in now.components:
        name, since = component.name, component.since_seconds
        out.put_one_of(f"{_P}component_state", component.state, State, name)
        out.put(f"{_P}component_time_in_state_seconds", since, name)
        out.put(f"{_P}component_failures", component.failures, name)
        out.put(f"{_P}component_backoff_seconds", component.retry_in_seconds or 0.0, name)
    for history in now.histories:
        for state in State:
            spent = history.seconds.get(state, 0.0)
            out.put(f"{_P}component_state_seconds_total", spent, history.name, state)
        for cause in Cause:
            restarts = history.restarts.get(cause, 0)
            out.put(f"{_P}component_restarts_total", restarts, history.name, cause)
        out.put(f"{_P}component_startup_seconds", history.startup_seconds, history.name)
    used = {} if now.processes is None else now.processes.components
    for name, use in used.items():
        out.put(f"{_P}component_cpu_seconds_total", use.cpu_seconds, name)
        out.put(f"{_P}component_resident_memory_bytes", use.resident_bytes, name)


def process(now: Measurements, out: Families) -> None:
    """The daemon's own process."""
    if now.processes is None:
        return
    own = now.processes.daemon
    out.put(f"{_P}process_cpu_seconds_total", own.use.cpu_seconds)
    out.put(f"{_P}process_resident_memory_bytes", own.use.resident_bytes)
    out.put(f"{_P}process_open_fds", own.open_files)
    out.put(f"{_P}process_max_fds", own.max_files)
    out.put(f"{_P}process_threads", own.threads)
    out.put(f"{_P}process_start_time_seconds", own.started)


COLLECTORS: Final[Mapping[str, Collector]] = MappingProxyType(
    {
        "desktop": desktop,
        "display": display,
        "apps": apps,
        "gpu": gpu,
        "viewers": viewers,
        "supervision": supervision,
        "process": process,
    }
)
"""The collectors by their names."""

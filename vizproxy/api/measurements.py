"""What is measured, as the API gives it: a JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vizproxy.api.status import component_json
from vizproxy.api.views import app_json, framebuffer_json
from vizproxy.broker.snapshot import App
from vizproxy.display.gpumeters import GpuMeters, GpuSnapshot
from vizproxy.errors import NotReadyError
from vizproxy.gateway.access import Role
from vizproxy.gateway.tally import ViewerTally
from vizproxy.metrics.measurements import Measurements, Processes, ProcessUse
from vizproxy.x11.damage import Damage
from vizproxy.x11.meters import ScreenMeters


def measurements_json(now: Measurements, status: Mapping[str, Any]) -> dict[str, Any]:
    """One moment of the desktop, with its status as the API gives it. What is null is not known.

    Raises:
        NotReadyError: a part of the daemon cannot be asked.
    """
    if now.apps is None or now.viewers is None:
        why = "a part of the daemon does not answer"
        raise NotReadyError("measure the desktop", why, "the daemon's log")
    damage = now.damage or Damage()
    processes = now.processes
    used = {} if processes is None else processes.components
    return {
        "time": round(now.time, 3),
        "version": now.version,
        "plan": now.plan,
        "state": status["state"],
        "summary": status["summary"],
        "display": _screen(now.screen, status["display"]),
        "drawn": {
            "frames": damage.events,
            "pixels": damage.pixels,
            "resizes": now.resizes,
        },
        "framebuffer": framebuffer_json(now.apps),
        "apps": [_app(app, processes) for app in now.apps.apps],
        "gpu": None if now.gpu is None else _gpu(now.gpu),
        "viewers": _viewers(now.viewers, now.input_idle_seconds),
        "components": [
            component_json(component) | _use(used.get(component.name))
            for component in now.components
        ],
        "daemon": None if processes is None else _daemon(processes),
        "warnings": status["warnings"],
    }


def _screen(
    screen: ScreenMeters | None, display: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if screen is None or display is None:
        return None
    return {"name": display["name"], **asdict(screen)}


def _app(app: App, processes: Processes | None) -> dict[str, Any]:
    """An app; of one without a lease, whose own side tells nothing, what the daemon itself sees."""
    seen = None if processes is None else processes.unleased.get(app.id)
    return app_json(app) | ({} if seen is None else _use(seen))


def _use(use: ProcessUse | None) -> dict[str, Any]:
    if use is None:
        return {"cpu_seconds": None, "resident_bytes": None}
    return {"cpu_seconds": round(use.cpu_seconds, 3), "resident_bytes": use.resident_bytes}


def _gpu(gpu: GpuSnapshot) -> dict[str, Any]:
    framebuffer = gpu.framebuffer
    meters = GpuMeters() if gpu.meters is None else gpu.meters
    return {
        "name": gpu.name,
        "uuid": gpu.uuid,
        "profile": gpu.profile,
        "condition": gpu.condition,
        "framebuffer": framebuffer and {"total": framebuffer.total, "used": framebuffer.used},
        "percent": meters.percent,
        "memory_percent": meters.memory_percent,
        "encoder_percent": meters.encoder_percent,
        "encoder_sessions": meters.encoder_sessions,
        "temperature": meters.temperature,
        "licensed": meters.licensed,
    }


def _viewers(tally: ViewerTally, idle: float) -> dict[str, Any]:
    return {
        "control": tally.connected.get(Role.CONTROL, 0),
        "view": tally.connected.get(Role.VIEW, 0),
        "sessions": tally.sessions,
        "updates": tally.updates,
        "sent_bytes": tally.sent_bytes,
        "received_bytes": tally.received_bytes,
        "blocked_seconds": round(tally.blocked_seconds, 3),
        "send_wait_seconds": round(tally.send_wait_seconds, 3),
        "round_trip_seconds": tally.last_round_trip,
        "input_idle_seconds": round(idle, 3),
    }


def _daemon(processes: Processes) -> dict[str, Any]:
    own = processes.daemon
    return {**_use(own.use), "open_files": own.open_files, "threads": own.threads}

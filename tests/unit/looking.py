"""What a daemon measures, as ``GET /api/v1/measurements`` gives it, for tests of ``vizproxy top``."""

from __future__ import annotations

from typing import Any

MIB = 1024**2
GIB = 1024**3


def component(name: str, **changed: Any) -> dict[str, Any]:
    """A child of the daemon's."""
    usual = {
        "name": name,
        "title": name,
        "state": "ready",
        "pid": 42,
        "since_seconds": 200.0,
        "restarts": 0,
        "failures": 0,
        "reason": "",
        "retry_in_seconds": None,
        "output": [],
        "shows_picture": True,
        "cpu_seconds": 1.0,
        "resident_bytes": 96 * MIB,
    }
    return usual | changed


def app(name: str, used: int = 0, **changed: Any) -> dict[str, Any]:
    """An app that was granted 512 MiB."""
    usual = {
        "id": f"{name}-1",
        "name": name,
        "leased": True,
        "state": "running",
        "plan": "software",
        "started": 1000.0,
        "pids": [7],
        "windows": ["0x1"],
        "cpu_seconds": 1.0,
        "resident_bytes": 1200 * MIB,
        "framebuffer": {
            "granted": 512 * MIB,
            "pixmap_bytes": used,
            "gpu_bytes": None,
            "used": used,
            "over": used > 512 * MIB,
        },
    }
    return usual | changed


def gpu(**changed: Any) -> dict[str, Any]:
    """A vGPU."""
    usual = {
        "name": "NVIDIA A40-8Q",
        "uuid": "GPU-1",
        "profile": "A40-8Q",
        "condition": "fine",
        "framebuffer": {"total": 8 * GIB, "used": 3 * GIB},
        "percent": 43,
        "memory_percent": 12,
        "encoder_percent": 3,
        "encoder_sessions": 0,
        "temperature": 62,
        "licensed": True,
    }
    return usual | changed


def measured(time: float = 100.0, **changed: Any) -> dict[str, Any]:
    """A moment of a desktop with an app, a GPU and two viewers."""
    usual = {
        "time": time,
        "version": "1.2.3",
        "plan": "virtualgl",
        "state": "ready",
        "summary": "the desktop is ready",
        "display": {
            "name": ":7",
            "width": 1600,
            "height": 900,
            "depth": 24,
            "framebuffer_bytes": 1600 * 900 * 4,
            "clients": 5,
            "idle_seconds": 3.2,
        },
        "drawn": {"frames": 1000, "pixels": 10**9, "resizes": 1},
        "framebuffer": {
            "total": 2 * GIB,
            "granted": 1 * GIB,
            "used": 512 * MIB,
            "apps": 1,
            "max_apps": 16,
            "unattributed_bytes": 0,
            "gpu": {"total": 8 * GIB, "used": 3 * GIB},
        },
        "apps": [app("voreen", 256 * MIB)],
        "gpu": gpu(),
        "viewers": {
            "control": 1,
            "view": 1,
            "sessions": 9,
            "updates": 500,
            "sent_bytes": 10**8,
            "received_bytes": 10**5,
            "blocked_seconds": 10.0,
            "send_wait_seconds": 12.0,
            "round_trip_seconds": 0.0124,
            "input_idle_seconds": 61.0,
        },
        "components": [
            component(name) for name in ("xorg", "xorg3d", "wm", "x11vnc", "websockify")
        ],
        "daemon": {
            "cpu_seconds": 4.0,
            "resident_bytes": 80 * MIB,
            "open_files": 30,
            "threads": 8,
        },
        "warnings": [],
    }
    return usual | changed


def later(seconds: float, before: dict[str, Any], **grown: float) -> dict[str, Any]:
    """The same after some time; ``grown`` counters by ``section__name``."""
    after = {**before, "time": before["time"] + seconds}
    for path, growth in grown.items():
        section, _, name = path.partition("__")
        after[section] = {**after[section], name: after[section][name] + growth}
    return after

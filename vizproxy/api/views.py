"""Apps, windows, the budget and notices as the API gives them: JSON objects."""

from __future__ import annotations

from typing import Any

from vizproxy.broker.snapshot import App, Notice, OwnedWindow, Snapshot


def app_json(app: App) -> dict[str, Any]:
    """An app as the API gives it; amounts are in bytes, CPU time is in seconds."""
    return {
        "id": app.id,
        "name": app.name,
        "leased": app.leased,
        "state": app.state.value,
        "plan": app.plan.value if app.plan is not None else None,
        "activity": app.activity.value if app.activity is not None else None,
        "program": app.program,
        "started": round(app.started, 3),
        "pids": list(app.pids),
        "windows": [window_id(number) for number in app.windows],
        "cpu_seconds": None if app.cpu_seconds is None else round(app.cpu_seconds, 2),
        "resident_bytes": app.resident_bytes,
        "framebuffer": {
            "granted": app.granted,
            "pixmap_bytes": app.use.pixmap_bytes,
            "gpu_bytes": app.use.gpu_bytes,
            "used": app.use.bytes,
            "over": app.over,
        },
    }


def window_json(owned: OwnedWindow) -> dict[str, Any]:
    """A window as the API gives it; its geometry is in pixels of the desktop."""
    window = owned.window
    place = window.geometry
    return {
        "id": window_id(window.id),
        "app": owned.app,
        "title": window.title,
        "class": window.class_name,
        "instance": window.instance,
        "geometry": {"x": place.x, "y": place.y, "width": place.width, "height": place.height},
        "minimised": window.minimised,
        "maximised": window.maximised,
        "fullscreen": window.fullscreen,
        "active": window.active,
        "dialog": window.dialog,
    }


def framebuffer_json(snapshot: Snapshot) -> dict[str, Any]:
    """The budget as the API gives it; amounts are in bytes."""
    gpu = snapshot.gpu
    return {
        "total": snapshot.limits.framebuffer,
        "granted": snapshot.granted,
        "used": snapshot.used,
        "apps": len(snapshot.apps),
        "max_apps": snapshot.limits.max_apps,
        "unattributed_bytes": snapshot.unattributed,
        "gpu": None if gpu is None else {"total": gpu.total, "used": gpu.used},
    }


def notice_json(notice: Notice, *, with_output: bool) -> dict[str, Any]:
    """A notice as the API gives it; its time is in seconds of the epoch."""
    return {
        "id": notice.number,
        "time": round(notice.time, 3),
        "level": notice.level.value,
        "kind": notice.kind,
        "app": notice.app,
        "text": notice.text,
        "output": list(notice.output) if with_output else [],
    }


def window_id(number: int) -> str:
    """A window's id as X tools write it: ``0x1400003``."""
    return f"{number:#x}"

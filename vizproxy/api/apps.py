"""The requests about apps and windows."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from vizproxy.api.requests import json_object
from vizproxy.api.services import SERVICES
from vizproxy.api.views import app_json, framebuffer_json, window_json
from vizproxy.broker.snapshot import App, Snapshot
from vizproxy.broker.windows import ACTIONS
from vizproxy.errors import InvalidRequestError, WindowGoneError

_WINDOW_ID: Final = re.compile(r"0x[0-9a-fA-F]{1,8}")


async def list_apps(request: web.Request) -> web.Response:
    """Every app, in the order of their start, and the budget that they share."""
    snapshot = request.app[SERVICES].broker.snapshot()
    apps = [app_json(app) for app in snapshot.apps]
    return web.json_response({"apps": apps, "framebuffer": framebuffer_json(snapshot)})


async def get_app(request: web.Request) -> web.Response:
    """One app."""
    return web.json_response(app_json(_app(request)))


async def stop_app(request: web.Request) -> web.Response:
    """Begin to end an app; the answer does not wait for its end."""
    app = await request.app[SERVICES].broker.stop(request.match_info["id"])
    return web.json_response(app_json(app), status=202)


async def raise_app(request: web.Request) -> web.Response:
    """Bring all windows of an app to the front."""
    app = _app(request)
    await request.app[SERVICES].windows.raise_app(app)
    return web.json_response(app_json(app))


async def list_windows(request: web.Request) -> web.Response:
    """Every window, in mapping order."""
    return _windows(request.app[SERVICES].broker.snapshot())


async def tile_windows(request: web.Request) -> web.Response:
    """Lay all windows out side by side."""
    services = request.app[SERVICES]
    await services.windows.tile()
    return _windows(services.broker.snapshot())


async def act_on_window(request: web.Request) -> web.Response:
    """Raise, minimise, restore or maximise a window."""
    number, action = _window_number(request), request.match_info["action"]
    if action not in ACTIONS:
        raise web.HTTPNotFound
    owned = await request.app[SERVICES].windows.act(number, action)
    if owned is None:
        raise WindowGoneError(f"{action} the window", "it has just gone away")
    return web.json_response(window_json(owned))


async def close_window(request: web.Request) -> web.Response:
    """Ask a window to close; ``{"force": true}`` kills its program at once."""
    number = _window_number(request)
    body = await json_object(request, "close the window") if request.can_read_body else {}
    force = body.get("force", False)
    if not isinstance(force, bool):
        raise InvalidRequestError("close the window", "'force' is neither true nor false")
    outcome = await request.app[SERVICES].windows.close(number, force=force)
    return web.json_response({"outcome": outcome.value})


def _app(request: web.Request) -> App:
    return request.app[SERVICES].broker.app(request.match_info["id"])


def _windows(snapshot: Snapshot) -> web.Response:
    return web.json_response({"windows": [window_json(owned) for owned in snapshot.windows]})


def _window_number(request: web.Request) -> int:
    text = request.match_info["id"]
    number = int(text, 16) if _WINDOW_ID.fullmatch(text) else 0
    if not number:
        raise InvalidRequestError(
            f"find the window {text[:40]!r}", "that is no window id", "one such as 0x1400003"
        )
    return number

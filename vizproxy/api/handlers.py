"""The request handlers of the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from vizproxy.api.requests import check_websocket, json_object
from vizproxy.api.services import ROLE, SERVICES, Services
from vizproxy.errors import AccessDeniedError, InvalidRequestError
from vizproxy.x11.randr import ScreenSize

LONG_POLL_SECONDS: Final = 25.0
"""How long a status request with ``after`` may wait: less than what proxies allow (30 s and up)."""

MAX_REVISION_DIGITS: Final = 18
MAX_TOKEN_CHARS: Final = 256


async def healthz(request: web.Request) -> web.Response:
    """The daemon is alive: it answers."""
    del request
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """200 when a viewer would see the desktop now, else 503 with the reason."""
    unready = request.app[SERVICES].desktop.unready()
    if unready is None:
        return web.json_response({"status": "ready"})
    return web.json_response({"status": "not ready", "reason": unready}, status=503)


async def get_status(request: web.Request) -> web.Response:
    """The status; with ``?after=REVISION`` once it is newer than that, or after 25 s."""
    desktop = request.app[SERVICES].desktop
    after = request.query.get("after")
    if after is None:
        status = await desktop.status()
    elif after.isascii() and after.isdigit() and len(after) <= MAX_REVISION_DIGITS:
        status = await desktop.status_after(int(after), LONG_POLL_SECONDS)
    else:
        raise InvalidRequestError(
            "wait for a newer status", "'after' is not a number", "the revision of the last status"
        )
    return web.json_response(status.as_json())


async def get_display(request: web.Request) -> web.Response:
    """The size of the desktop and its limits."""
    services = request.app[SERVICES]
    return _display(services, await services.screen.size())


async def put_display(request: web.Request) -> web.Response:
    """Resize the desktop to ``{"width": W, "height": H}``, in pixels."""
    services = request.app[SERVICES]
    body = await json_object(request, "resize the desktop")
    width, height = _pixels(body, "width"), _pixels(body, "height")
    return _display(services, await services.screen.resize(width, height))


def _display(services: Services, size: ScreenSize) -> web.Response:
    return web.json_response({"name": services.screen.name, **asdict(size)})


async def screenshot(request: web.Request) -> web.Response:
    """A picture of the desktop as PNG."""
    png = await request.app[SERVICES].screen.png()
    return web.Response(body=png, content_type="image/png")


async def retry(request: web.Request) -> web.Response:
    """Give a component that was given up, waits or is ill another chance."""
    name = request.match_info["name"]
    try:
        tried = request.app[SERVICES].desktop.retry(name)
    except KeyError:
        raise web.HTTPNotFound from None
    return web.json_response({"retrying": tried}, status=202 if tried else 200)


async def open_session(request: web.Request) -> web.Response:
    """Trade ``{"token": "…"}`` for a session cookie."""
    gatekeeper = request.app[SERVICES].gatekeeper
    body = await json_object(request, "open the desktop")
    token = body.get("token")
    if not isinstance(token, str) or not gatekeeper.token_matches(token[:MAX_TOKEN_CHARS]):
        raise AccessDeniedError(
            "open the desktop",
            "the link is not, or no longer, valid",
            "the link that `vizproxy serve` printed, or `vizproxy url`",
        )
    response = web.Response(status=204)
    response.set_cookie(
        gatekeeper.cookie_name,
        gatekeeper.cookie_value,
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )
    return response


async def websocket(request: web.Request) -> web.StreamResponse:
    """The picture: a WebSocket that carries RFB."""
    services = request.app[SERVICES]
    check_websocket(request, "open the picture")
    return await services.gateway.serve(request, services.desktop.unready(), request[ROLE])


def _pixels(body: dict[str, Any], side: str) -> int:
    value = body.get(side)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequestError(
            "resize the desktop",
            f"{side!r} is not a whole number",
            'a body such as {"width": 1600, "height": 900}',
        )
    return value

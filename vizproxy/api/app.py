"""The web application: its routes, each with the role that it needs."""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from vizproxy.api import apps, checkup, events, handlers, launcher, lease, menu, metrics
from vizproxy.api.errors import add_headers, report_errors
from vizproxy.api.services import ROLE, SERVICES, Services
from vizproxy.errors import AccessDeniedError, OriginError
from vizproxy.gateway.access import Role
from vizproxy.gateway.tally import Refusal

MAX_BODY_BYTES: Final = 64 * 1024


Handled = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the API.

    ``acts`` marks a request that changes something or speaks for the user: it must come from the
    desktop's own page, or from no page. ``by_hand`` marks one that only a person's deed causes, which
    counts as use of the desktop. ``for_viewers`` marks the picture: who is not let in there is counted.
    """

    method: str
    path: str
    handler: Handled
    needs: Role
    acts: bool = False
    by_hand: bool = False
    for_viewers: bool = False


def _deed(method: str, path: str, handler: Handled) -> Route:
    """What a person does to apps and windows."""
    return Route(method, path, handler, Role.CONTROL, acts=True, by_hand=True)


ROUTES: Final = (
    Route("GET", "/healthz", handlers.healthz, Role.OPEN),
    Route("GET", "/readyz", handlers.readyz, Role.OPEN),
    Route("POST", "/api/v1/session", handlers.open_session, Role.OPEN, acts=True),
    Route("GET", "/api/v1/status", handlers.get_status, Role.VIEW),
    Route("GET", "/metrics", metrics.get_metrics, Role.VIEW),
    Route("GET", "/api/v1/measurements", metrics.get_measurements, Role.VIEW),
    Route("GET", "/api/v1/checkup", checkup.get_checkup, Role.VIEW),
    Route("GET", "/api/v1/display", handlers.get_display, Role.VIEW),
    Route("PUT", "/api/v1/display", handlers.put_display, Role.CONTROL, acts=True),
    Route("GET", "/api/v1/display/screenshot", handlers.screenshot, Role.VIEW),
    Route("POST", "/api/v1/components/{name}/retry", handlers.retry, Role.CONTROL, acts=True),
    Route("GET", "/api/v1/apps", apps.list_apps, Role.VIEW),
    Route("GET", "/api/v1/apps/{id}", apps.get_app, Role.VIEW),
    _deed("DELETE", "/api/v1/apps/{id}", apps.stop_app),
    _deed("POST", "/api/v1/apps/{id}/raise", apps.raise_app),
    Route("GET", "/api/v1/windows", apps.list_windows, Role.VIEW),
    _deed("POST", "/api/v1/windows/tile", apps.tile_windows),
    _deed("POST", "/api/v1/windows/{id}/close", apps.close_window),
    _deed("POST", "/api/v1/windows/{id}/{action}", apps.act_on_window),
    Route("GET", "/api/v1/menu", menu.get_menu, Role.VIEW),
    Route("GET", "/api/v1/menu/{id}/icon", menu.get_icon, Role.VIEW),
    _deed("POST", "/api/v1/menu/{id}/open", menu.open_entry),
    Route("GET", "/api/v1/events", events.events, Role.VIEW, acts=True),
    Route("GET", "/api/v1/lease", lease.lease, Role.CONTROL, acts=True),
    Route("GET", "/api/v1/launcher", launcher.launcher, Role.CONTROL, acts=True),
    Route("GET", "/websockify", handlers.websocket, Role.CONTROL, acts=True, for_viewers=True),
)

_PAGE_FILE: Final = re.compile(r"[a-z][a-z-]*\.(?:js|css|svg)")


def make_app(services: Services) -> web.Application:
    """Build the application: API, page and noVNC."""
    app = web.Application(middlewares=[report_errors], client_max_size=MAX_BODY_BYTES)
    app[SERVICES] = services
    app[metrics.SCRAPES] = services.scrapes
    app.on_response_prepare.append(add_headers)
    for route in ROUTES:
        if route.method == "GET":
            app.router.add_get(route.path, _guarded(route))  # HEAD comes with it
        else:
            app.router.add_route(route.method, route.path, _guarded(route))
    app.router.add_get("/", _file(services.web / "index.html"))
    for path in sorted(services.web.iterdir()):
        if _PAGE_FILE.fullmatch(path.name):
            app.router.add_get(f"/{path.name}", _file(path))
    app.router.add_static("/novnc/", services.novnc)
    return app


def _file(path: Path) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        del request
        return web.FileResponse(path)

    return serve


def _guarded(route: Route) -> Handler:
    """A handler that checks the caller's role and origin before the route's own."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        try:
            request[ROLE] = _checked_role(request, route)
        except (OriginError, AccessDeniedError) as error:
            if route.for_viewers:
                by_origin = isinstance(error, OriginError)
                services.gateway.refused(Refusal.ORIGIN if by_origin else Refusal.ACCESS)
            raise
        if route.by_hand:
            services.idleness.used()
        return await route.handler(request)

    return guarded


def _checked_role(request: web.Request, route: Route) -> Role:
    """The caller's role.

    Raises:
        OriginError: the request comes from a page of another site, and must not.
        AccessDeniedError: the route needs a higher role.
    """
    gatekeeper = request.app[SERVICES].gatekeeper
    over_unix = _over_unix_socket(request)
    if route.acts:
        gatekeeper.check_origin(request.headers.get(hdrs.ORIGIN), _hosts(request, over_unix))
    role = gatekeeper.role(
        over_unix=over_unix,
        cookie=request.cookies.get(gatekeeper.cookie_name),
        bearer=_bearer(request),
    )
    gatekeeper.check_role(route.needs, role)
    return role


def _over_unix_socket(request: web.Request) -> bool:
    if request.transport is None:
        return False
    ours: socket.socket | None = request.transport.get_extra_info("socket")
    return ours is not None and ours.family == socket.AF_UNIX


def _hosts(request: web.Request, over_unix: bool) -> list[str]:
    """The names under which the browser may know this site.

    X-Forwarded-Host is believed over the unix socket alone, where the caller is a server that acts
    for the user. Over TCP there is no such server that we know of.
    """
    hosts = [request.headers.get(hdrs.HOST, "")]
    if over_unix and (forwarded := request.headers.get(hdrs.X_FORWARDED_HOST)):
        hosts.append(forwarded.split(",")[0].strip())
    return [host for host in hosts if host]


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token if scheme.lower() == "bearer" else None

"""The requests about the menu of programs."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from vizproxy.api.requests import json_object
from vizproxy.api.services import SERVICES
from vizproxy.broker.menu import Entry
from vizproxy.errors import InvalidRequestError

ICON_SECONDS: Final = 24 * 3600
"""How long a browser may keep an icon; its address changes with it."""

ICON_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
)
"""Shown by itself, an SVG is a page of this site: it may do nothing."""


async def get_menu(request: web.Request) -> web.Response:
    """Every program that can be started; launchers are asked for new ones meanwhile."""
    menu = request.app[SERVICES].menu
    menu.look()
    entries = [_entry_json(entry) for entry in menu.entries()]
    return web.json_response({"revision": menu.revision(), "entries": entries})


async def get_icon(request: web.Request) -> web.Response:
    """The icon of a program."""
    entry = request.app[SERVICES].menu.entry(request.match_info["id"])
    if entry.offer.icon is None:
        raise web.HTTPNotFound
    icon = entry.offer.icon
    headers = {
        "Cache-Control": f"private, max-age={ICON_SECONDS}, immutable",
        "Content-Security-Policy": ICON_POLICY,
    }
    return web.Response(body=icon.data, content_type=icon.media_type, headers=headers)


async def open_entry(request: web.Request) -> web.Response:
    """Raise what was started from an entry, or start it.

    With ``{"new": true}`` it is always started; with ``{"tile": true}`` it has to be a tile.
    """
    services = request.app[SERVICES]
    body = await json_object(request, "start the program") if request.can_read_body else {}
    new, tile = body.get("new", False), body.get("tile", False)
    if not isinstance(new, bool) or not isinstance(tile, bool):
        raise InvalidRequestError("start the program", "'new' or 'tile' is neither true nor false")
    found, app_id = await services.menu.open(request.match_info["id"], new=new, tile=tile)
    if found is not None:
        await services.windows.raise_app(found)
    raised = found is not None
    return web.json_response({"app": app_id, "raised": raised}, status=200 if raised else 201)


def _entry_json(entry: Entry) -> dict[str, Any]:
    offer, icon = entry.offer, None
    if offer.icon is not None:
        icon = f"api/v1/menu/{quote(entry.id, safe='')}/icon?v={offer.icon.digest}"
    return {
        "id": entry.id,
        "name": offer.name,
        "comment": offer.comment,
        "categories": list(offer.categories),
        "keywords": list(offer.keywords),
        "tile": offer.tile,
        "icon": icon,
        "app": entry.app.id if entry.app is not None else None,
    }

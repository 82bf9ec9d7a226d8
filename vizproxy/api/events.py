"""What changes on the desktop, as it happens: a snapshot, then deltas.

A reader is sent the difference to what it was last sent, so one that is slow gets fewer and larger
deltas, and nothing is kept for it. One that takes nothing for :data:`STALL_SECONDS` is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from vizproxy.api.requests import check_websocket
from vizproxy.api.services import ROLE, SERVICES, Services
from vizproxy.api.views import app_json, framebuffer_json, notice_json, window_json
from vizproxy.broker.snapshot import Snapshot
from vizproxy.gateway.access import Role

log = logging.getLogger(__name__)

STALL_SECONDS: Final = 10.0
MAX_MESSAGE_BYTES: Final = 4096
"""A reader has nothing to say; what it says is not listened to."""


@dataclass(frozen=True, slots=True)
class Told:
    """All that a reader can be told at one moment, ready to be compared."""

    apps: Mapping[str, dict[str, Any]]
    windows: Mapping[str, dict[str, Any]]
    framebuffer: dict[str, Any]
    notices: Mapping[int, dict[str, Any]]
    menu: dict[str, Any]


def told(snapshot: Snapshot, menu: dict[str, Any], *, with_output: bool = True) -> Told:
    """Put a snapshot of the broker, and the menu's revision and size, into the API's words.

    ``with_output`` tells whether the reader may know what apps have said.
    """
    windows = [window_json(owned) for owned in snapshot.windows]
    return Told(
        {app.id: app_json(app) for app in snapshot.apps},
        {window["id"]: window for window in windows},
        framebuffer_json(snapshot),
        {n.number: notice_json(n, with_output=with_output) for n in snapshot.notices},
        menu,
    )


def first_message(now: Told) -> dict[str, Any]:
    """The first message: everything."""
    return {
        "type": "snapshot",
        "apps": list(now.apps.values()),
        "windows": list(now.windows.values()),
        "framebuffer": now.framebuffer,
        "notices": list(now.notices.values()),
        "menu": now.menu,
    }


def delta(before: Told, now: Told) -> dict[str, Any] | None:
    """The message that leads from one moment to another; None when they are alike."""
    message: dict[str, Any] = {}
    for key, old, new in (
        ("apps", before.apps, now.apps),
        ("windows", before.windows, now.windows),
    ):
        changed = [item for name, item in new.items() if old.get(name) != item]
        removed = [name for name in old if name not in new]
        if changed or removed:
            message[key] = {"changed": changed, "removed": removed}
    if now.framebuffer != before.framebuffer:
        message["framebuffer"] = now.framebuffer
    if now.menu != before.menu:
        message["menu"] = now.menu
    last = max(before.notices, default=0)
    if fresh := [notice for number, notice in now.notices.items() if number > last]:
        message["notices"] = fresh
    return {"type": "delta", **message} if message else None


async def events(request: web.Request) -> web.StreamResponse:
    """The WebSocket that tells what changes."""
    check_websocket(request, "follow the desktop")
    services = request.app[SERVICES]
    async with services.sockets.accept(request, max_message=MAX_MESSAGE_BYTES) as socket:
        telling = asyncio.create_task(_tell(request, socket), name="events")
        telling.add_done_callback(lambda _: _hang_up(request))
        try:
            async for _ in socket:
                pass  # a reader has nothing to say
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
    return socket


async def _tell(request: web.Request, socket: web.WebSocketResponse) -> None:
    services = request.app[SERVICES]
    changes = services.app_changes
    with_output = request[ROLE] >= Role.CONTROL
    before = _now(services, with_output=with_output)
    revision = changes.revision
    message: dict[str, Any] | None = first_message(before)
    try:
        while True:
            if message is not None:
                async with asyncio.timeout(STALL_SECONDS):
                    await socket.send_str(json.dumps(message, ensure_ascii=False))
            while changes.revision == revision:
                await changes.wait()
            revision = changes.revision
            now = _now(services, with_output=with_output)
            message, before = delta(before, now), now
    except TimeoutError:
        log.info("a reader of events took nothing for %g s and was dropped", STALL_SECONDS)
    except (ConnectionError, RuntimeError):
        pass  # it has left


def _now(services: Services, *, with_output: bool) -> Told:
    menu = {"revision": services.menu.revision(), "entries": len(services.menu)}
    return told(services.broker.snapshot(), menu, with_output=with_output)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()

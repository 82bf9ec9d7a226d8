"""The check-up, for the page and for programs."""

from __future__ import annotations

from aiohttp import web

from vizproxy.api.services import SERVICES


async def get_checkup(request: web.Request) -> web.Response:
    """What is well with the machine, what is not, and what to do about it."""
    report = await request.app[SERVICES].checkup.report()
    return web.json_response(report.as_json())

"""Metrics for Prometheus, and the same measurements as JSON for ``vizproxy top``."""

from __future__ import annotations

from aiohttp import hdrs, web

from vizproxy.api.errors import add_headers, report_errors
from vizproxy.api.measurements import measurements_json
from vizproxy.api.scrapes import Scrapes
from vizproxy.api.services import SERVICES

SCRAPES: web.AppKey[Scrapes] = web.AppKey("scrapes", Scrapes)


async def get_metrics(request: web.Request) -> web.Response:
    """The metrics, in OpenMetrics or Prometheus's text format."""
    headers = request.headers
    body = await request.app[SCRAPES].answer(
        headers.get(hdrs.ACCEPT, ""), headers.get(hdrs.ACCEPT_ENCODING, "")
    )
    answer = {hdrs.CONTENT_TYPE: body.content_type, hdrs.VARY: "Accept, Accept-Encoding"}
    if body.gzipped:
        answer[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=body.data, headers=answer)


async def get_measurements(request: web.Request) -> web.Response:
    """What is measured now, as JSON."""
    services = request.app[SERVICES]
    status = (await services.desktop.status()).as_json()
    return web.json_response(measurements_json(services.meter.measure(), status))


def make_metrics_app(scrapes: Scrapes) -> web.Application:
    """An application that serves the metrics and nothing else, to whoever asks."""
    app = web.Application(middlewares=[report_errors])
    app[SCRAPES] = scrapes
    app.on_response_prepare.append(add_headers)
    app.router.add_get("/metrics", get_metrics)
    return app

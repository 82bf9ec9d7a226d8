"""Errors as HTTP answers, and the headers that every answer carries."""

from __future__ import annotations

import errno
import logging
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from vizproxy.errors import VizproxyError

log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""The page loads nothing from elsewhere and is framed by nobody but its own site (JupyterLab)."""

_CODES: Final = {413: "request_too_large"}
"""Where the name of a status has changed with Python's version."""

_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer its security headers, just before it is sent; a handler's own stay."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # The page and its modules change with the version; the API with every moment.
    fresh = "no-store" if request.path.startswith("/api/") else "no-cache"
    response.headers.setdefault("Cache-Control", fresh)


def error_response(status: int, code: str, message: str, hint: str = "") -> web.Response:
    """The one form in which the API reports errors."""
    return web.json_response({"code": code, "message": message, "hint": hint}, status=status)


@web.middleware
async def report_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a handler raises into an answer. The request boundary: nothing passes it."""
    try:
        return await handler(request)
    except VizproxyError as error:
        return error_response(error.http_status, error.code, error.message, error.hint)
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        return _plain_http_error(error, request)
    except ConnectionResetError:
        raise  # the client left; there is nobody to tell
    except Exception as error:  # a bug in one request must not end the desktop
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return _plain_http_error(web.HTTPNotFound(), request)  # aiohttp asked the file system
        log.exception("a bug while answering %s %r", request.method, request.path)
        return error_response(
            500,
            "internal",
            f"cannot answer {request.method} {request.path}: a bug in vizproxy",
            "the daemon's log, which has the details",
        )


def _plain_http_error(error: web.HTTPException, request: web.Request) -> web.Response:
    code = _CODES.get(error.status) or error.reason.lower().replace(" ", "_")
    message = f"cannot answer {request.method} {request.path}: {error.reason.lower()}"
    answer = error_response(error.status, code, message)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer

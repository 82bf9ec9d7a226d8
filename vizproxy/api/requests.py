"""Reading requests."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from vizproxy.errors import InvalidRequestError


async def json_object(request: web.Request, action: str) -> dict[str, Any]:
    """The JSON object that is a request's body; ``action`` is what it asks for.

    Raises:
        InvalidRequestError: it is none.
    """
    try:
        body = await request.json()
    except (ValueError, RecursionError, LookupError) as error:
        # Not JSON, a number without end, nesting without end, a character set that nobody knows.
        raise InvalidRequestError(action, f"the body is not JSON ({error})") from error
    if not isinstance(body, dict):
        raise InvalidRequestError(action, "the body is not a JSON object")
    return body


def check_websocket(request: web.Request, action: str) -> None:
    """Raise InvalidRequestError unless a request asks for a WebSocket."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise InvalidRequestError(action, "this address wants a WebSocket")

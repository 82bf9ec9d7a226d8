"""A client of the daemon, over its unix socket."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from vizproxy.errors import STRANGER, NotRunningError, RefusedError, not_running, silence_reason

TIMEOUT_SECONDS: Final = 30.0
HEARTBEAT_SECONDS: Final = 30.0


class ServerError(RefusedError):
    """The daemon answered with an error; the sentence and the hint are its own."""

    def __init__(self, status: int, message: str, hint: str) -> None:
        super().__init__(message, hint, 1)
        self.status = status


class Client:
    """Asks the daemon that listens on ``socket``. An async context manager."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(self._socket)),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def status(self) -> dict[str, Any]:
        """The desktop's status, as the API gives it."""
        return await self._ask_object("GET", "api/v1/status", "components")

    async def measurements(self) -> dict[str, Any]:
        """What is measured of the desktop now, as the API gives it; what it counts, it never resets."""
        return await self._ask_object("GET", "api/v1/measurements", "components")

    async def screenshot(self) -> bytes:
        """A picture of the desktop as PNG."""
        return await self._ask("GET", "api/v1/display/screenshot")

    async def apps(self) -> dict[str, Any]:
        """The apps on the desktop and the budget that they share, as the API gives them."""
        return await self._ask_object("GET", "api/v1/apps", "apps")

    async def stop_app(self, app_id: str) -> dict[str, Any]:
        """Begin to end an app; return it."""
        return await self._ask_object("DELETE", f"api/v1/apps/{quote(app_id, safe='')}", "id")

    async def raise_app(self, app_id: str) -> dict[str, Any]:
        """Bring all windows of an app to the front; return it."""
        path = f"api/v1/apps/{quote(app_id, safe='')}/raise"
        return await self._ask_object("POST", path, "id")

    async def windows(self) -> dict[str, Any]:
        """The windows on the desktop, as the API gives them."""
        return await self._ask_object("GET", "api/v1/windows", "windows")

    async def raise_window(self, window_id: str) -> dict[str, Any]:
        """Bring a window to the front; return it."""
        path = f"api/v1/windows/{quote(window_id, safe='')}/raise"
        return await self._ask_object("POST", path, "id")

    async def events(self) -> AsyncGenerator[dict[str, Any]]:
        """All that can be seen on the desktop, then what changes, as the API tells it; without end.

        Raises:
            NotRunningError: nobody answers on the socket, or not any more.
        """
        url = "http://vizproxy/api/v1/events"
        try:
            async with self._open.ws_connect(
                url, heartbeat=HEARTBEAT_SECONDS, max_msg_size=0
            ) as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        yield self._object(message.data, "type")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(_reason(error)) from error
        raise self._unreachable("it has closed the connection")

    async def _ask_object(self, method: str, path: str, key: str) -> dict[str, Any]:
        """Ask for a JSON object that has ``key`` in it."""
        return self._object(await self._ask(method, path), key)

    def _object(self, text: str | bytes, key: str) -> dict[str, Any]:
        """Read a JSON object that has ``key`` in it."""
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise self._unreachable(STRANGER) from error
        if not isinstance(answer, dict) or key not in answer:
            raise self._unreachable(STRANGER)
        return answer

    async def _ask(self, method: str, path: str) -> bytes:
        """Make a request.

        Raises:
            NotRunningError: nobody answers on the socket.
            ServerError: the daemon answers with an error.
        """
        try:
            async with self._open.request(method, f"http://vizproxy/{path}") as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(_reason(error)) from error
        if response.ok:
            return body
        raise _server_error(response.status, body) or self._unreachable(STRANGER)

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        return self._session

    def _unreachable(self, why: str) -> NotRunningError:
        return not_running(self._socket, why)


def unreachable(socket: Path, error: BaseException) -> NotRunningError:
    """The error that says why the daemon cannot be reached."""
    return not_running(socket, _reason(error))


def _reason(error: BaseException) -> str:
    cause = getattr(error, "os_error", error)
    match cause:
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return STRANGER
        case _:
            return silence_reason(cause) or getattr(cause, "strerror", None) or str(cause)


def _server_error(status: int, body: bytes) -> ServerError | None:
    """The daemon's error, if the answer is one of the daemon's."""
    try:
        answer = json.loads(body)
        return ServerError(status, str(answer["message"]), str(answer["hint"]))
    except (ValueError, KeyError, TypeError):
        return None

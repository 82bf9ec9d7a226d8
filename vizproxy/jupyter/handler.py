"""Carries requests and WebSockets to the daemon, and explains when it cannot be reached."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from aiohttp import ServerDisconnectedError
from jupyter_server.utils import url_path_join
from jupyter_server_proxy.handlers import NamedLocalProxyHandler
from tornado.httpclient import HTTPClientError
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.simple_httpclient import HTTPTimeoutError
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketError

from vizproxy.jupyter.explain import RETRY_AFTER_SECONDS, Explanation, Page

log = logging.getLogger(__name__)

HEALTH: Final = "healthz"
TRY_AGAIN_LATER: Final = 1013
REFUSED: Final = 1008
"""Close codes: nobody is there, and the daemon does not want this connection."""

_UNSENDABLE: Final = frozenset({1004, 1005, 1006, 1015})
"""Close codes that are told of a connection and never sent on one (RFC 6455, 7.4.1)."""

MAX_REASON_BYTES: Final = 123
CONNECT_SECONDS: Final = 5.0
PAGE_SECONDS: Final = 10.0
"""How long a person looks at nothing before the page says that the daemon does not answer."""

REQUEST_SECONDS: Final = 60.0
"""For all else. The API answers later than at once only where it was asked to wait, for 25 s."""

_NOT_PASSED_ON: Final = ("Cookie", "Authorization")
"""They are proofs towards the Jupyter server. The daemon lets in whoever comes by its socket."""

_OUT_OF_TIME: Final = 599


class Desktop(Protocol):
    """What the handler has to know of the desktop behind it."""

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""

    @property
    def misfit(self) -> Explanation | None:
        """Why it cannot be used although its daemon answers."""

    def wanted(self) -> None:
        """Somebody looks at it, or for it."""

    def explain(self, error: BaseException) -> Coroutine[Any, Any, Explanation]:
        """Say why the daemon could not be reached, after ``error``."""


class DesktopHandler(NamedLocalProxyHandler):  # type: ignore[misc]  # it has no types
    """The route ``desktop/``."""

    is_websocket = False

    def initialize(self, desktop: Desktop, page: Page) -> None:
        """Take what the entry gives each request."""
        self._desktop = desktop
        self._page = page
        self._explained = False

    # requests

    async def proxy(self, port: int, path: str) -> None:
        """Pass a request on. Whatever method it has, it comes through here."""
        self._desktop.wanted()
        if self._desktop.misfit is not None:
            self._show(self._desktop.misfit, path)
            return
        try:
            await super().proxy(port, path)
        except OSError as error:
            await self._explain(error, path)
        except HTTPError as error:
            if error.status_code != _OUT_OF_TIME:
                raise
            # jupyter-server-proxy's word for: no answer in time, or none before the end.
            await self._explain(_cause(error.__context__), path)

    async def _explain(self, error: BaseException, path: str) -> None:
        self._show(await self._desktop.explain(error), path)

    def _show(self, explanation: Explanation, path: str) -> None:
        log.debug("%s", explanation.message)
        self._explained = True
        self.set_status(503)
        self.set_header("Retry-After", str(RETRY_AFTER_SECONDS))
        self.set_header("Cache-Control", "no-store")
        if self._is_page():
            health = url_path_join(self.base_url, self.name, HEALTH)
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.set_header(
                "Content-Security-Policy", self._page.policy(self.content_security_policy)
            )
            self.write(self._page.render(explanation, encoded(health)))
        else:
            self.set_header("Content-Type", "application/json")
            self.write(explanation.as_json(with_html=path.strip("/") == HEALTH))

    def _is_page(self) -> bool:
        """Whether a browser asks for something to show to a person."""
        accepted = self.request.headers.get("Accept", "")
        return self.request.method in {"GET", "HEAD"} and "text/html" in accepted

    def _log(self) -> None:
        # Jupyter's log has an error, with headers, for each answer of status 503. The page asks often.
        if not self._explained:
            super()._log()

    def proxy_request_options(self) -> dict[str, Any]:
        """How long the daemon may take."""
        seconds = PAGE_SECONDS if self._is_page() else REQUEST_SECONDS
        return {
            "follow_redirects": False,
            "connect_timeout": CONNECT_SECONDS,
            "request_timeout": seconds,
        }

    def proxy_request_headers(self) -> HTTPHeaders:
        """The headers to pass on."""
        headers: HTTPHeaders = super().proxy_request_headers()
        for name in _NOT_PASSED_ON:
            headers.pop(name, None)
        return headers

    # WebSockets

    async def open(self, path: str) -> None:
        """Connect a WebSocket that was accepted already: what is wrong is told by closing it."""
        self.is_websocket = True
        self._desktop.wanted()
        if self._desktop.misfit is not None:
            self.close(REFUSED, self._desktop.misfit.message)
            return
        try:
            await super().open(path)
        except HTTPClientError as error:
            if error.code == _OUT_OF_TIME:
                await self._refuse(_cause(error))
            else:
                self.close(REFUSED, f"the desktop refuses the connection: {error.message}")
        except (OSError, StreamClosedError, WebSocketError) as error:
            await self._refuse(_cause(error))

    async def _refuse(self, error: BaseException) -> None:
        explanation = await self._desktop.explain(error)
        log.debug("%s", explanation.message)
        self.close(TRY_AGAIN_LATER, explanation.message)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the browser's side. When the daemon closed its own, the browser is told how."""
        upstream = getattr(self, "ws", None)
        if code is None and upstream is not None:
            code, reason = upstream.close_code, upstream.close_reason
            if code is None or code in _UNSENDABLE:
                code, reason = TRY_AGAIN_LATER, "the desktop's daemon has ended"
        super().close(code, _shortened(reason))

    # Either side may leave while something is on its way to it. That is no error.

    def on_message(self, message: str | bytes) -> None:
        """Pass on what the browser sends."""
        self._record_activity()
        upstream = getattr(self, "ws", None)
        if upstream is not None:
            with contextlib.suppress(WebSocketClosedError):
                writing = upstream.write_message(message, binary=isinstance(message, bytes))
                writing.add_done_callback(_forget)

    def write_message(
        self, message: bytes | str | dict[str, Any], binary: bool = False
    ) -> asyncio.Future[None] | None:
        """Pass on what the daemon sends."""
        with contextlib.suppress(WebSocketClosedError):
            writing: asyncio.Future[None] = super().write_message(message, binary=binary)
            writing.add_done_callback(_forget)
            return writing
        return None

    def ping(self, data: str | bytes = b"") -> None:
        """Pass on a ping of the daemon's."""
        with contextlib.suppress(WebSocketClosedError, StreamClosedError):
            super().ping(data)


def encoded(path: str) -> str:
    """A path as it stands in an address. A server's base URL may, or may not, be encoded already."""
    return quote(path, safe="/%:@!$&'()*+,;=~-._")


def _forget(writing: asyncio.Future[None]) -> None:
    """Take note of how writing ended, lest it be reported as an error that nobody saw."""
    if not writing.cancelled():
        writing.exception()


def _cause(error: BaseException | None) -> BaseException:
    """What went wrong, as one of the errors that :func:`vizproxy.client.unreachable` can tell."""
    match error:
        case HTTPTimeoutError():
            return TimeoutError()
        case StreamClosedError() if isinstance(error.real_error, OSError):
            return error.real_error
        case OSError() if not isinstance(error, StreamClosedError):
            return error
        case _:
            return ServerDisconnectedError()


def _shortened(reason: str | None) -> str | None:
    if reason is None:
        return None
    return reason.encode()[:MAX_REASON_BYTES].decode("utf-8", "ignore")

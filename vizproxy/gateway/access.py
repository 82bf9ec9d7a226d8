"""Who may do what.

Two ways lead in. The unix socket has mode 0600, so whoever can open it is the user (or a server that
acts for the user, such as jupyter-server-proxy) and is in control. A TCP listener, which exists only
when it was asked for, can be reached by every user of the machine: it wants the token, either as a
bearer token or, for a browser, as the session cookie that the token was traded for.

Cookies make a browser act for any page that asks, and so does a proxy that logs its user in. So a
request that does something, or opens a WebSocket, must come from a page of this very site: its Origin
header, which pages cannot forge, has to match the host that was asked (RFC 6454; RFC 6455, 10.2).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from enum import IntEnum
from typing import Final
from urllib.parse import urlsplit

from vizproxy.errors import AccessDeniedError, OriginError

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Role(IntEnum):
    """What somebody may do; a higher role includes the lower ones. Routes name the role they need."""

    OPEN = 0
    VIEW = 1
    CONTROL = 2


def new_token() -> str:
    """Return a fresh secret of 256 bits, fit for a URL fragment."""
    return secrets.token_urlsafe(32)


class Gatekeeper:
    """Checks proofs of access against the daemon's token."""

    def __init__(self, token: str, *, allowed_origins: Collection[str] = ()) -> None:
        self._token = token
        self._allowed_origins = frozenset(origin.rstrip("/") for origin in allowed_origins)
        self.cookie_value = hmac.new(
            token.encode(), b"vizproxy session 1", hashlib.sha256
        ).hexdigest()
        # Browsers keep one cookie jar for all ports of a host: each daemon needs its own name.
        self.cookie_name = "vizproxy-" + hashlib.sha256(token.encode()).hexdigest()[:12]

    def token_matches(self, token: str) -> bool:
        """Whether ``token`` is the daemon's, compared in constant time."""
        return _equal(token, self._token)

    def role(self, *, over_unix: bool, cookie: str | None, bearer: str | None) -> Role:
        """The role of a caller with these proofs."""
        if over_unix:
            return Role.CONTROL
        if bearer is not None and self.token_matches(bearer):
            return Role.CONTROL
        if cookie is not None and _equal(cookie, self.cookie_value):
            return Role.CONTROL
        return Role.OPEN

    def check_role(self, needed: Role, role: Role) -> None:
        """Raise AccessDeniedError unless ``role`` includes ``needed``."""
        if role < needed:
            raise AccessDeniedError(
                "open the desktop",
                "this browser has not shown the access link",
                "the link that `vizproxy serve` printed, or `vizproxy url`",
            )

    def check_origin(self, origin: str | None, hosts: Collection[str]) -> None:
        """Check that a request comes from a page of one of ``hosts``, or from no page at all.

        ``hosts`` are values of Host headers. Programs that are not browsers send no Origin.

        Raises:
            OriginError: the page belongs to another site.
        """
        if origin is None or origin.rstrip("/") in self._allowed_origins:
            return
        if (site := _site(origin)) is not None:
            scheme = urlsplit(origin).scheme
            if any(_site(f"{scheme}://{host}") == site for host in hosts):
                return
        raise OriginError(
            "let this page use the desktop",
            f"it comes from {origin[:200]!r}, not from the desktop's own site",
            "adding that origin to http.allowed_origins if it is yours",
        )


def _equal(offered: str, expected: str) -> bool:
    # What was offered may hold lone surrogates: so do headers whose bytes are no UTF-8.
    return hmac.compare_digest(offered.encode("utf-8", "surrogatepass"), expected.encode())


def _site(url: str) -> tuple[str, int] | None:
    """The host and port of a URL, or None where it has none (as in the origin ``null``)."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None:
        return None
    return parts.hostname.lower(), port

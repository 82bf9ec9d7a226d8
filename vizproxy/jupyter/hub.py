"""Tells a JupyterHub of activity, where nobody else in this process does.

The server that ``jupyterhub-singleuser`` starts reports by itself, ours included. A plain
``jupyter lab`` that a hub has started reports nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import aiohttp

log = logging.getLogger(__name__)

DEFAULT_INTERVAL_SECONDS: Final = 300.0
TIMEOUT_SECONDS: Final = 20.0
RETRY_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0)


@dataclass(frozen=True, slots=True, repr=False)
class Hub:
    """Where and how to report. It holds a secret: it has no text of its own."""

    url: str
    token: str
    server: str
    interval: float
    tls: tuple[str, str, str] | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self | None:
        """Read the hub from the environment that it gives its servers; None without one."""
        url, token = environ.get("JUPYTERHUB_ACTIVITY_URL"), environ.get("JUPYTERHUB_API_TOKEN")
        interval = _seconds(environ.get("JUPYTERHUB_ACTIVITY_INTERVAL"))
        if not url or not token or interval <= 0:
            return None
        tls = tuple(
            environ.get(f"JUPYTERHUB_SSL_{n}") for n in ("CERTFILE", "KEYFILE", "CLIENT_CA")
        )
        match tls:
            case (str(certificate), str(key), str(authority)) if certificate and key and authority:
                files: tuple[str, str, str] | None = (certificate, key, authority)
            case _:
                files = None
        return cls(url, token, environ.get("JUPYTERHUB_SERVER_NAME", ""), interval, files)


def body(server: str, last: datetime) -> dict[str, Any]:
    """What the hub's activity API wants to hear."""
    moment = last.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"servers": {server: {"last_activity": moment}}, "last_activity": moment}


class HubReporter:
    """Reports the last activity: at once, then at most once in the hub's interval."""

    def __init__(self, hub: Hub, *, retries: tuple[float, ...] = RETRY_SECONDS) -> None:
        self._hub = hub
        self._retries = retries
        self._last: datetime | None = None
        self._news = asyncio.Event()

    def active(self, moment: datetime) -> None:
        """There was activity."""
        self._last = moment
        self._news.set()

    async def run(self) -> None:
        """Report until cancelled."""
        async with self._session() as session:
            while True:
                await self._news.wait()
                self._news.clear()
                await self._report(session)
                await asyncio.sleep(self._hub.interval)

    async def _report(self, session: aiohttp.ClientSession) -> None:
        for pause in (*self._retries, None):
            if self._last is None:
                return
            failure = await self._post(session, self._last)
            if failure is None:
                return
            if pause is None:
                log.warning("cannot tell the hub of activity: %s", failure)
            else:
                await asyncio.sleep(pause)

    async def _post(self, session: aiohttp.ClientSession, last: datetime) -> str | None:
        """Post once; return what went wrong, in words that hold no secret."""
        try:
            async with session.post(
                self._hub.url,
                json=body(self._hub.server, last),
                headers={"Authorization": f"token {self._hub.token}"},
                allow_redirects=False,
            ) as answer:
                return None if answer.ok else f"it answered with status {answer.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}".rstrip(": ")

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        tls: ssl.SSLContext | bool = True
        if self._hub.tls is not None:
            tls = await asyncio.to_thread(_context, *self._hub.tls)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        ) as session:
            yield session


def _context(certificate: str, key: str, authority: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    return context


def _seconds(text: str | None) -> float:
    try:
        return float(text) if text else DEFAULT_INTERVAL_SECONDS
    except ValueError:
        return DEFAULT_INTERVAL_SECONDS

"""What the request handlers work with, put together by the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web

from vizproxy.api.status import Status
from vizproxy.gateway.access import Gatekeeper
from vizproxy.gateway.viewer import Gateway
from vizproxy.x11.screen import Screen


class Desktop(Protocol):
    """The desktop as handlers see it."""

    async def status(self) -> Status:
        """What is known of the desktop now."""

    async def status_after(self, revision: int, limit: float) -> Status:
        """The status as soon as it is newer than ``revision``, or after ``limit`` seconds."""

    def unready(self) -> str | None:
        """Why there is no picture to be served now; None when there is one."""

    def retry(self, component: str) -> bool:
        """Give a component another chance; False if it needs none. KeyError: there is none."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that handlers need. ``web`` and ``novnc`` are directories of files to serve."""

    desktop: Desktop
    screen: Screen
    gateway: Gateway
    gatekeeper: Gatekeeper
    web: Path
    novnc: Path


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)

"""What the request handlers work with, put together by the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web

from vizproxy.api.scrapes import Scrapes
from vizproxy.api.sockets import OpenSockets
from vizproxy.api.status import Status
from vizproxy.broker.broker import Broker
from vizproxy.broker.environment import AppEnvironment
from vizproxy.broker.leases import Wish
from vizproxy.broker.menu import Menu
from vizproxy.broker.windows import Windows
from vizproxy.changes import Changes
from vizproxy.config import Plan
from vizproxy.doctor.checkup import Checkup
from vizproxy.gateway.access import Gatekeeper, Role
from vizproxy.gateway.idleness import Idleness
from vizproxy.gateway.viewer import Gateway
from vizproxy.metrics.meter import Meter
from vizproxy.publish import Publisher
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

    async def ready_for_apps(self, limit: float) -> None:
        """Wait until apps can appear; NotReadyError if they can't within ``limit`` seconds."""

    def environment_for(self, plan: Plan) -> AppEnvironment:
        """What an app needs in its environment to be drawn by a plan."""

    def environment(self) -> AppEnvironment | None:
        """What an app needs in its environment to be drawn as the desktop is; None: not known yet."""

    def downgrade(self, wish: Wish, plan: Plan) -> str:
        """Why an app is drawn by a lesser plan than the desktop's; empty if it isn't."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that handlers need.

    ``changes`` counts the changes of the status, ``app_changes`` those of apps and windows.
    ``open_scrapes`` are those at the metrics' own address, where anybody may ask. ``web`` and ``novnc``
    are directories of files to serve.
    """

    desktop: Desktop
    screen: Screen
    gateway: Gateway
    gatekeeper: Gatekeeper
    broker: Broker
    windows: Windows
    menu: Menu
    checkup: Checkup
    meter: Meter
    scrapes: Scrapes
    open_scrapes: Scrapes
    idleness: Idleness
    publisher: Publisher
    changes: Changes
    app_changes: Changes
    sockets: OpenSockets
    web: Path
    novnc: Path


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)

ROLE: web.RequestKey[Role] = web.RequestKey("role", Role)
"""Where a request keeps the role of its sender, once that was checked."""

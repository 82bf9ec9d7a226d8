"""The far end of a launcher: a WebSocket by which the notebook's side starts programs for people.

Messages are JSON objects with a ``type``. The launcher tells what it can start (``offer``, again
whenever that changes) and how each order came out (``started``, ``failed``). The daemon tells what
programs need in their environment (``desktop``), when the desktop was last used (``activity``), and
orders: ``start`` a program, ``look`` for new ones. It begins with ``hello``, which tells its version,
as ``offer`` tells the launcher's (:mod:`vizproxy.compatibility`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import itertools
import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from vizproxy.api.messages import Reader
from vizproxy.api.requests import check_websocket
from vizproxy.api.services import SERVICES, Services
from vizproxy.broker.menu import Icon, Offer
from vizproxy.broker.snapshot import Level
from vizproxy.compatibility import OURS, Side, misfit
from vizproxy.errors import (
    EXIT_UNAVAILABLE,
    InvalidRequestError,
    NotReadyError,
    RefusedError,
    VizproxyError,
)
from vizproxy.gateway.relay import End
from vizproxy.gateway.viewer import close_socket

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 8 * 1024**2
MAX_OFFERS: Final = 1000
MAX_ICON_BYTES: Final = 128 * 1024
MAX_LIST: Final = 64
_MAX_TEXT: Final = 500
_MAX_SENTENCE: Final = 2000
_READER: Final = Reader("take an offer")
_ICON_TYPES: Final = ("image/png", "image/svg+xml")

START_SECONDS: Final = 45.0
"""How long a launcher has to start a program: `vizproxy run` waits for a desktop that is starting."""

SEND_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 5.0
"""The shortest time between two looks for new programs."""

TELL_SECONDS: Final = 1.0
"""The shortest time between two messages about activity."""


class Session:
    """One launcher: the :class:`vizproxy.broker.menu.Launcher` behind a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, services: Services) -> None:
        self._socket = socket
        self._services = services
        self._numbers = itertools.count(1)
        self._orders: dict[int, asyncio.Future[str]] = {}
        self._look = asyncio.Event()
        self._version: Side | None = None

    async def start(self, offer: str) -> str:
        """Have a program started; return the id of its app.

        Raises:
            RefusedError: the launcher says why not.
            NotReadyError: it does not answer, or leaves.
        """
        number = next(self._numbers)
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._orders[number] = done
        try:
            await self._send({"type": "start", "order": number, "entry": offer})
            async with asyncio.timeout(START_SECONDS):
                return await done
        except TimeoutError:
            raise _not_started("the notebook's side does not answer") from None
        finally:
            del self._orders[number]

    def look(self) -> None:
        """Have new programs asked for: now, or as soon as the last question is long enough ago."""
        self._look.set()

    async def run(self) -> None:
        """Take offers and pass on orders until the launcher leaves.

        Raises:
            NotReadyError: there are too many launchers.
            InvalidRequestError: this one speaks nonsense.
        """
        menu = self._services.menu
        number = menu.join(self)
        await self._send({"type": "hello", **OURS.told()})
        telling = [
            asyncio.create_task(self._tell_desktop(), name="launcher: desktop"),
            asyncio.create_task(self._tell_activity(), name="launcher: activity"),
            asyncio.create_task(self._ask_to_look(), name="launcher: look"),
        ]
        log.info("a launcher has connected")
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT:
                    break
                await self._take(number, message.data)
        finally:
            menu.leave(number)
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)
            for order in self._orders.values():
                if not order.done():
                    order.set_exception(_not_started("the notebook's side has gone away"))
            log.info("a launcher has left")

    async def _take(self, number: int, text: str) -> None:
        # An offer has many icons: the picture of the desktop is not to stand still meanwhile.
        told, offers = await asyncio.to_thread(_read, text)
        match told.get("type"):
            case "offer":
                if not self._fits(Side.of(told)):
                    return
                self._services.menu.offer(number, offers)
                log.info("%d programs are offered for the menu", len(offers))
            case "started":
                self._answer(told, app=_READER.text(told, "app", _MAX_TEXT))
            case "failed":
                message = _READER.text(told, "message", _MAX_SENTENCE)
                hint = _READER.text(told, "hint", _MAX_SENTENCE, may_be_empty=True)
                self._answer(told, error=RefusedError(message, hint, EXIT_UNAVAILABLE))
            case _:
                pass  # of a newer version

    def _fits(self, version: Side) -> bool:
        """Whether a launcher of a version can be used. If not, people are told once, on the page."""
        error = misfit(
            desktop=OURS, program=version, action="start the notebook's programs from the menu"
        )
        if version != self._version:
            self._version = version
            if error is not None:
                self._services.broker.announce(Level.WARNING, "version", str(error))
            elif version != OURS:
                log.debug("the launcher is of version %s", version.version)
        return error is None

    def _answer(
        self, told: Mapping[str, Any], *, app: str = "", error: VizproxyError | None = None
    ) -> None:
        number = told.get("order")
        order = self._orders.get(number) if isinstance(number, int) else None
        if order is None or order.done():
            return  # nobody waits any more
        if error is not None:
            order.set_exception(error)
        else:
            order.set_result(app)

    async def _tell_desktop(self) -> None:
        """Tell what programs need in their environment, once it is known and whenever it changes."""
        changes = self._services.changes
        told: dict[str, Any] | None = None
        while True:
            revision = changes.revision
            environment = self._services.desktop.environment()
            if environment is not None:
                now = {
                    "type": "desktop",
                    "environment": dict(environment.variables),
                    "virtualgl_display": environment.virtualgl_display,
                    "published": self._services.publisher.is_published,
                }
                if now != told:
                    told = now
                    await self._send(now)
            while changes.revision == revision:  # it may have changed while it was told
                await changes.wait()

    async def _tell_activity(self) -> None:
        """Tell when the desktop was last used, whenever it is used again."""
        idleness = self._services.idleness
        told: float | None = None
        while True:
            if idleness.last == told:
                await idleness.changes.wait()
            told = idleness.last
            await self._send({"type": "activity", "last": told})
            await asyncio.sleep(TELL_SECONDS)

    async def _ask_to_look(self) -> None:
        """Ask for new programs when somebody looks at the menu, but not all the time."""
        while True:
            await self._look.wait()
            self._look.clear()
            await self._send({"type": "look"})
            await asyncio.sleep(LOOK_SECONDS)

    async def _send(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_str(json.dumps(message))


async def launcher(request: web.Request) -> web.StreamResponse:
    """The WebSocket of a launcher."""
    check_websocket(request, "offer programs")
    services = request.app[SERVICES]
    async with services.sockets.accept(request, max_message=MAX_MESSAGE_BYTES) as socket:
        try:
            await Session(socket, services).run()
        except (InvalidRequestError, NotReadyError) as error:
            log.warning("a launcher is sent away: %s", error)
            nonsense = isinstance(error, InvalidRequestError)
            code = WSCloseCode.POLICY_VIOLATION if nonsense else WSCloseCode.TRY_AGAIN_LATER
            await close_socket(request, socket, End(code, error.message))
    return socket


def _read(text: str) -> tuple[Mapping[str, Any], list[Offer]]:
    """Read a message, and what it offers, if it is an offer. Blocks for a while."""
    told = _READER.json_object(text)
    return told, parse_offers(told) if told.get("type") == "offer" else []


def parse_offers(told: Mapping[str, Any]) -> list[Offer]:
    """Read what a launcher offers.

    Raises:
        InvalidRequestError: it makes no sense.
    """
    entries = told.get("entries")
    if not isinstance(entries, list) or len(entries) > MAX_OFFERS:
        raise _READER.bad(f"'entries' is not a list of up to {MAX_OFFERS}")
    return [_offer(entry) for entry in entries]


def _offer(entry: object) -> Offer:
    if not isinstance(entry, dict):
        raise _READER.bad("an entry is not an object")
    offer_id = _READER.text(entry, "id", _MAX_TEXT)
    if "/" in offer_id or offer_id in {".", ".."}:
        raise _READER.bad("'id' has a slash in it")
    return Offer(
        id=offer_id,
        name=_READER.text(entry, "name", _MAX_TEXT),
        comment=_READER.text(entry, "comment", _MAX_TEXT, may_be_empty=True),
        categories=_READER.texts(entry, "categories", MAX_LIST, _MAX_TEXT),
        keywords=_READER.texts(entry, "keywords", MAX_LIST, _MAX_TEXT),
        tile=entry.get("tile") is True,
        icon=_icon(entry.get("icon")),
    )


def _icon(icon: object) -> Icon | None:
    if icon is None:
        return None
    if not isinstance(icon, dict) or icon.get("type") not in _ICON_TYPES:
        raise _READER.bad("'icon' is neither a PNG nor an SVG")
    try:
        data = base64.b64decode(icon.get("data", ""), validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise _READER.bad("'icon' is not base64") from error
    if not data or len(data) > MAX_ICON_BYTES:
        raise _READER.bad(f"'icon' is not of 1 to {MAX_ICON_BYTES} bytes")
    return Icon(icon["type"], data)


def _not_started(why: str) -> NotReadyError:
    return NotReadyError("start the program", why, "again in a moment")

"""What the API's answers carry, and what a launcher is told, without a server around it."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.support import eventually
from vizproxy.api.errors import CONTENT_SECURITY_POLICY, add_headers
from vizproxy.api.launcher import Session
from vizproxy.api.menu import get_icon
from vizproxy.api.services import SERVICES, Services
from vizproxy.broker.environment import AppEnvironment
from vizproxy.broker.menu import Entry, Icon, Offer
from vizproxy.changes import Changes

ICON = Icon("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")


class OneIcon:
    """A menu of one program."""

    def entry(self, entry_id: str) -> Entry:
        return Entry(entry_id, Offer("kate", "Kate", icon=ICON), None)


class Desktop:
    """A desktop whose number changes while somebody is told of it, as a slow reader's may."""

    def __init__(self) -> None:
        self.number = 1

    def environment(self) -> AppEnvironment:
        return AppEnvironment({"DISPLAY": f":{self.number}"}, None)


class Published:
    """What is published: nothing."""

    is_published = False


class FakeServices:
    """The parts of the daemon that are asked here."""

    def __init__(self) -> None:
        self.menu = OneIcon()
        self.desktop = Desktop()
        self.publisher = Published()
        self.changes = Changes()


class Socket:
    """A launcher's end: while it takes its first message, the desktop changes."""

    def __init__(self, services: FakeServices) -> None:
        self._services = services
        self.told: list[dict[str, Any]] = []

    async def send_str(self, text: str) -> None:
        self.told.append(json.loads(text))
        if len(self.told) == 1:
            self._services.desktop.number = 2
            self._services.changes.bump()
        await asyncio.sleep(0)


async def test_an_icon_that_is_shown_by_itself_may_do_nothing() -> None:
    app = web.Application()
    app[SERVICES] = cast("Services", FakeServices())
    request = make_mocked_request(
        "GET", "/api/v1/menu/1.kate/icon", app=app, match_info={"id": "1.kate"}
    )
    answer = await get_icon(request)
    await add_headers(request, answer)
    directives = answer.headers.getall("Content-Security-Policy")
    assert len(directives) == 1
    assert "sandbox" in directives[0].split("; ")
    assert "script-src" not in directives[0]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_answer_without_a_policy_of_its_own_gets_the_pages() -> None:
    answer = web.Response()
    await add_headers(make_mocked_request("GET", "/"), answer)
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_a_desktop_that_changes_while_a_launcher_is_told_of_it_is_told_again() -> None:
    services = FakeServices()
    socket = Socket(services)
    session = Session(cast("web.WebSocketResponse", socket), cast("Services", services))

    async def both_told() -> bool:
        return len(socket.told) == 2

    telling = asyncio.create_task(session._tell_desktop())
    try:
        await eventually(both_told)
    finally:
        telling.cancel()
    assert [told["environment"]["DISPLAY"] for told in socket.told] == [":1", ":2"]

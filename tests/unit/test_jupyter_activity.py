"""What counts as activity, and how a hub is told of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support import eventually
from vizproxy.jupyter.activity import KEY, Activity
from vizproxy.jupyter.hub import Hub, HubReporter, body

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROOT = "/user/zo%C3%AB/desktop"


@dataclass
class Request:
    method: str
    path: str


def make(times: dict[str, datetime] | None = None) -> tuple[Activity, dict[str, datetime]]:
    kept = {} if times is None else times
    return Activity(kept, now=lambda: NOW), kept


def test_use_is_told_to_the_server_in_utc():
    activity, times = make()
    activity.used((NOW - timedelta(minutes=3)).timestamp())
    assert times == {KEY: NOW - timedelta(minutes=3)}
    assert times[KEY].tzinfo is UTC


def test_it_goes_neither_backwards_nor_into_the_future():
    activity, times = make()
    activity.used(NOW.timestamp() - 60)
    activity.used(NOW.timestamp() - 120)
    assert times[KEY] == NOW - timedelta(minutes=1)
    activity.used(NOW.timestamp() + 3600)
    assert times[KEY] == NOW


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), -1e300, 1e300])
def test_nonsense_is_no_time(nonsense: float):
    activity, times = make()
    activity.used(nonsense)
    assert times == {}


def test_whoever_wants_to_know_is_told_of_news_alone():
    told: list[datetime] = []
    activity = Activity({}, changed=told.append, now=lambda: NOW)
    activity.used(NOW.timestamp() - 10)
    activity.used(NOW.timestamp() - 10)
    activity.used(NOW.timestamp() - 5)
    assert told == [NOW - timedelta(seconds=10), NOW - timedelta(seconds=5)]


@pytest.mark.parametrize(
    ("method", "path", "counts"),
    [
        ("GET", "/", False),
        ("GET", "/api/v1/status", False),
        ("HEAD", "/", False),
        ("POST", "/api/v1/windows/7/raise", True),
        ("DELETE", "/api/v1/apps/kate-3", True),
        ("PUT", "/api/v1/display", False),
        ("POST", "/api/v1/session", False),
        ("POST", "/api/v1/display", True),
        ("GET", "/healthz", False),
    ],
)
def test_requests_that_act_count_once_the_daemon_tells_of_use(method: str, path: str, counts: bool):
    activity, _ = make()
    activity.listens()
    assert activity.counts(Request(method, ROOT + path), ROOT) is counts


def test_a_picture_does_not_count():
    activity, _ = make()
    counted = [activity.counts_by_itself]
    for tell in (lambda: activity.used(NOW.timestamp()), activity.lost, activity.listens):
        tell()
        counted.append(activity.counts_by_itself)
    assert counted == [True, False, True, False]


def test_everything_counts_while_the_daemon_is_silent_but_the_question_for_it():
    activity, _ = make()
    assert activity.counts(Request("GET", f"{ROOT}/websockify"), ROOT)
    assert activity.counts(Request("GET", f"{ROOT}/"), ROOT)
    assert not activity.counts(Request("GET", f"{ROOT}/healthz"), ROOT)


# the hub

ENVIRON = {
    "JUPYTERHUB_ACTIVITY_URL": "http://hub:8081/hub/api/users/zoe/activity",
    "JUPYTERHUB_API_TOKEN": "secret-token",
    "JUPYTERHUB_SERVER_NAME": "gpu",
}


def test_a_hub_is_known_by_its_variables():
    hub = Hub.of(ENVIRON)
    assert hub is not None
    assert (hub.url, hub.server, hub.interval) == (ENVIRON["JUPYTERHUB_ACTIVITY_URL"], "gpu", 300.0)
    assert "secret-token" not in repr(hub)
    assert Hub.of({}) is None
    assert Hub.of({**ENVIRON, "JUPYTERHUB_API_TOKEN": ""}) is None
    assert Hub.of({**ENVIRON, "JUPYTERHUB_ACTIVITY_INTERVAL": "0"}) is None
    odd = Hub.of({**ENVIRON, "JUPYTERHUB_ACTIVITY_INTERVAL": "often"})
    assert odd is not None
    assert odd.interval == 300.0
    tls = {f"JUPYTERHUB_SSL_{n}": f"/{n}" for n in ("CERTFILE", "KEYFILE", "CLIENT_CA")}
    sealed = Hub.of(ENVIRON | tls)
    assert sealed is not None
    assert sealed.tls == ("/CERTFILE", "/KEYFILE", "/CLIENT_CA")


def test_what_the_hub_is_told():
    moment = "2026-11-23T12:00:00Z"
    assert body("gpu", NOW) == {
        "servers": {"gpu": {"last_activity": moment}},
        "last_activity": moment,
    }


class FakeHub:
    """Takes reports; the first ``refusals`` of them are refused."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.asked = 0
        self.told: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()

    async def take(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.tokens.add(request.headers.get("Authorization"))
        if self.asked <= self.refusals:
            return web.Response(status=503)
        self.told.append(await request.json())
        return web.Response()

    async def been_told(self, times: int) -> None:
        async def check() -> bool:
            return len(self.told) >= times

        await eventually(check)


@contextlib.asynccontextmanager
async def reporting(
    fake: FakeHub, *, interval: float = 300.0, retries: tuple[float, ...] = (0.01,)
) -> AsyncIterator[HubReporter]:
    app = web.Application()
    app.router.add_post("/activity", fake.take)
    async with TestServer(app) as server:
        hub = Hub.of(ENVIRON)
        assert hub is not None
        reporter = HubReporter(
            replace(hub, url=str(server.make_url("/activity")), interval=interval), retries=retries
        )
        task = asyncio.create_task(reporter.run())
        try:
            yield reporter
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_activity_is_reported_at_once_and_then_at_most_once_in_the_interval():
    fake = FakeHub()
    async with reporting(fake, interval=0.2) as reporter:
        reporter.active(NOW)
        await fake.been_told(1)
        for seconds in range(5):
            reporter.active(NOW + timedelta(seconds=seconds))
        await fake.been_told(2)
    assert fake.told == [body("gpu", NOW), body("gpu", NOW + timedelta(seconds=4))]
    assert fake.tokens == {"token secret-token"}


async def test_a_report_that_was_refused_is_repeated():
    fake = FakeHub(refusals=2)
    async with reporting(fake, retries=(0.01, 0.01)) as reporter:
        reporter.active(NOW)
        await fake.been_told(1)
    assert fake.asked == 3


async def test_a_hub_that_does_not_listen_is_told_of_the_next_activity(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    fake = FakeHub(refusals=2)
    async with reporting(fake, interval=0.05) as reporter:
        reporter.active(NOW)

        async def given_up() -> bool:
            return "cannot tell the hub of activity: it answered with status 503" in caplog.text

        await eventually(given_up)
        reporter.active(NOW)
        await fake.been_told(1)
    assert "secret-token" not in caplog.text

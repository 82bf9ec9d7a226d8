"""The metrics of a running desktop, over its socket and at an address of their own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support import Daemon, eventually, running_daemon, window_on

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPEN = {"Accept": "application/openmetrics-text; version=1.0.0"}
MIB = 1024**2

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scraped(session: aiohttp.ClientSession, path: str = "/metrics") -> Series:
    """All series of one scrape, by name and labels."""
    async with session.get(path, headers=OPEN) as response:
        assert response.status == 200
        assert response.content_type == "application/openmetrics-text"
        text = await response.text()
    return {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(series: Series, name: str, **labels: str) -> float:
    return series[f"vizproxy_{name}", frozenset(labels.items())]


@asynccontextmanager
async def with_metrics(folder: Path, *more: str) -> AsyncIterator[tuple[Daemon, str]]:
    """A daemon that serves its metrics at an address of their own, and that address."""
    async with running_daemon(folder, "--metrics", "127.0.0.1:0", *more) as daemon:
        found = re.search(
            r"metrics are served at (http://127\.0\.0\.1:\d+/)", daemon.log.read_text()
        )
        assert found is not None
        yield daemon, found[1]


async def test_what_is_on_the_desktop_is_in_the_metrics(shared: Daemon) -> None:
    async with shared.session() as session, window_on(shared, "--pixmaps", str(MIB)):

        async def measured() -> Series | None:
            series = await scraped(session)
            return series if ("vizproxy_app_pixmap_bytes", UNLEASED) in series else None

        series = await eventually(measured)
        status = await shared.status()
        assert of(series, "desktop_state", state="ready") == 1
        assert of(series, "desktop_state", state="failed") == 0
        assert of(series, "apps", leased="false") == 1
        assert of(series, "app_pixmap_bytes", app="unleased") >= MIB
        assert of(series, "budget_bytes") == status["framebuffer"]["total"]
        for component in status["components"]:
            name = component["name"]
            assert of(series, "component_state", component=name, state="ready") == 1
        for collector in ("desktop", "apps", "viewers", "supervision"):
            assert of(series, "collector_success", collector=collector) == 1

        async def sources_are_read() -> Series | None:
            series = await scraped(session)
            read = [of(series, "collector_success", collector=name) for name in BACKGROUND]
            return series if read == [1, 1] else None

        series = await eventually(sources_are_read, timeout=15)
        size = status["display"]
        assert of(series, "display_width_pixels") == size["width"]
        assert of(series, "display_framebuffer_bytes") == size["width"] * size["height"] * 4
        assert of(series, "component_resident_memory_bytes", component="xorg") > MIB
        assert of(series, "process_open_fds") > 3


UNLEASED = frozenset({("app", "unleased")})
BACKGROUND = ("display", "process")


async def test_the_text_format_is_what_a_browser_gets(shared: Daemon) -> None:
    async with shared.session() as session, session.get("/metrics") as response:
        assert response.content_type == "text/plain"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "# TYPE vizproxy_viewers gauge" in await response.text()


async def test_a_viewer_shows_in_the_metrics(shared: Daemon) -> None:
    async with shared.session() as session:
        before = await scraped(session)
        async with shared.viewer() as viewer:
            await viewer.update(incremental=False)
            await viewer.request(incremental=True)

            async def counted() -> Series | None:
                series = await scraped(session)
                taken = of(series, "viewer_updates_total") > of(before, "viewer_updates_total")
                return series if taken else None

            series = await eventually(counted)
            assert (
                of(series, "viewers", role="control") == of(before, "viewers", role="control") + 1
            )
            sent = of(series, "viewer_sent_bytes_total") - of(before, "viewer_sent_bytes_total")
            assert sent > 0


async def test_measurements_are_json_for_a_terminal(shared: Daemon) -> None:
    async with shared.session() as session, session.get("/api/v1/measurements") as response:
        measured = await response.json()
    status = await shared.status()
    assert measured["plan"] == status["plan"]["name"]
    assert measured["framebuffer"]["total"] == status["framebuffer"]["total"]
    assert [c["name"] for c in measured["components"]] == [c["name"] for c in status["components"]]
    assert measured["viewers"]["control"] >= 0
    assert measured["gpu"] is None


async def test_the_address_of_the_metrics_serves_nothing_else(tmp_path: Path) -> None:
    async with with_metrics(tmp_path) as (daemon, url), aiohttp.ClientSession(url) as session:
        series = await scraped(session)
        assert of(series, "desktop_state", state="ready") == 1
        for path in ("/", "/api/v1/status", "/healthz", "/websockify", "/novnc/", "/metrics/x"):
            async with session.get(path) as response:
                assert response.status == 404, path
        for method in ("POST", "PUT", "DELETE"):
            async with session.request(method, "/metrics") as response:
                assert response.status == 405
        token = (daemon.directory / "token").read_text()
        async with session.get("/metrics") as response:
            assert token not in await response.text()


async def test_among_the_other_addresses_metrics_need_the_token(tmp_path: Path) -> None:
    async with running_daemon(tmp_path, "--http", "127.0.0.1:0") as daemon:
        (url,) = (await daemon.status())["listening"]
        token = (daemon.directory / "token").read_text()
        async with aiohttp.ClientSession(url) as session:
            async with session.get("/metrics") as response:
                assert response.status == 401
            bearer = {"Authorization": f"Bearer {token}"}
            async with session.get("/metrics", headers=bearer) as response:
                assert response.status == 200


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    async with with_metrics(tmp_path / "first") as (_, url):
        address = url.removeprefix("http://").rstrip("/")
        second = running_daemon(tmp_path / "second", "--metrics", address, wait=False)
        async with second as daemon:
            assert await daemon.ended() != 0
            said = daemon.log.read_text()
    assert f"cannot listen on {address}: another program listens there" in said
    assert "another --metrics" in said

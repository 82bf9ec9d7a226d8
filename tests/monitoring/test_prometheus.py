"""A real Prometheus that watches a real desktop: what it has recorded is what has happened."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from Xlib.display import Display

from tests.monitoring.promql import (
    DASHBOARDS,
    MONITORING,
    RULE_FILES,
    names,
    program,
    promtool,
    queries,
    recorded,
    rules,
    samples,
)
from tests.process.test_gpu_watch import desk
from tests.process.with_gpu import APP_BYTES
from tests.support import Daemon, eventually
from vizproxy.x11.resources import read_clients

pytestmark = [pytest.mark.slow]

KILLS = {"x11vnc": 2, "wm": 1}
"""How often which child is killed."""

UNTOLD = {"vizproxy_gpu_temperature_celsius"}
"""What a vGPU's driver keeps to itself ("not supported")."""

APP_CPU = 'vizproxy_app_cpu_seconds_total{app="viewer of brains"}'

LAG_SECONDS = 0.15
"""How far processor time may lie behind right after it was read, besides a fifth of it."""

ROUNDING_SECONDS = 0.05

WINDOW = (200, 100)
MIB = 1024**2
APP_MIB = 3


class Prometheus:
    """A Prometheus that scrapes one address every second, and evaluates vizproxy's rules."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str, **parameters: str) -> Any:
        async with self._session.get(f"/api/v1/{path}", params=parameters) as response:
            answer = await response.json()
            assert answer["status"] == "success", answer
            return answer["data"]

    async def query(self, expr: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The values of an instant vector, by the labels that vizproxy gave."""
        result = (await self.get("query", query=expr))["result"]
        return {
            tuple(
                sorted((k, v) for k, v in one["metric"].items() if k not in OF_PROMETHEUS)
            ): float(one["value"][1])
            for one in result
        }

    async def value(self, expr: str) -> float:
        """The only value of an expression; an AssertionError if there is none, or are several."""
        found = await self.query(expr)
        assert len(found) == 1, f"{expr}: {found}"
        return next(iter(found.values()))

    async def comes_to(self, expr: str, expected: float, *, limit: float = 20) -> None:
        """Wait until an expression has a value."""

        async def check() -> bool:
            value = await self.value(expr)
            assert value == expected, f"{expr} is {value}"
            return True

        await eventually(check, timeout=limit)


OF_PROMETHEUS = {"__name__", "job", "instance"}


@asynccontextmanager
async def watching(url: str, folder: Path) -> AsyncIterator[Prometheus]:
    """Run Prometheus until it is ready. It says itself which port it was given."""
    folder.mkdir()
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / file) for file in RULE_FILES]
    target = url.removeprefix("http://").rstrip("/")
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    log = folder / "log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            program("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:

        async def ready() -> str:
            found = re.search(r"Listening on.*?address=(127\.0\.0\.1:\d+)", log.read_text())
            assert found is not None
            return f"http://{found[1]}"

        address = await eventually(ready, timeout=30, of=log.read_text)
        async with aiohttp.ClientSession(address) as session:
            yield Prometheus(session)
    finally:
        process.terminate()
        await process.wait()


async def metrics_of(daemon: Daemon) -> str:
    """The address at which a daemon serves its metrics, as its log tells it."""

    async def check() -> str:
        found = re.search(
            r"metrics are served at (http://127\.0\.0\.1:\d+/)", daemon.log.read_text()
        )
        assert found is not None
        return found[1]

    return await eventually(check)


async def kill(daemon: Daemon, name: str) -> None:
    before = await daemon.until_component(name, "ready")
    os.kill(before["pid"], signal.SIGKILL)
    await daemon.until_component(name, "ready", after=before["restarts"])


def clients_of(environment: dict[str, str], pid: int) -> tuple[int, int]:
    """By X-Resource: how many X clients there are but this one, and a process's bytes of pixmaps."""
    display = Display(environment["DISPLAY"])
    try:
        clients = read_clients(display)
    finally:
        display.close()
    return len(clients), sum(one.pixmap_bytes for one in clients if one.pid == pid)


@asynccontextmanager
async def leased_app(daemon: Daemon) -> AsyncIterator[psutil.Process]:
    """A program with a lease and pixmaps, by ``vizproxy run``."""
    argv = (sys.executable, "-m", "vizproxy.cli.main", "run", "--name", "viewer of brains")
    process = await asyncio.create_subprocess_exec(
        *argv,
        *("--plan", "software", "--framebuffer", "64MiB"),
        *(sys.executable, "-m", "tests.xprogram", "--moving", "--pause", "0.02"),
        *("--pixmaps", str(APP_MIB * MIB), "--place", f"{WINDOW[0]}x{WINDOW[1]}+40+60"),
        env={**os.environ, "VIZPROXY_SOCKET": str(daemon.socket)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).strip() == b"shown"
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        await process.communicate()


async def test_what_prometheus_has_recorded_is_what_has_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"FAKE_GPU_PROFILE": "A40-8Q", "VIZPROXY_METRICS_LISTEN": "127.0.0.1:0"}
    async with desk(tmp_path, **more) as here:
        daemon = here.daemon
        await here.condition("fine")
        url = await metrics_of(daemon)
        async with watching(url, tmp_path / "prometheus") as prometheus:
            await prometheus.comes_to('up{job="vizproxy"}', 1)
            environment = await daemon.environment()
            monkeypatch.setenv("XAUTHORITY", environment["XAUTHORITY"])
            async with leased_app(daemon) as app:
                await apps_are_recorded(prometheus, environment, app)
                await drawing_is_recorded(prometheus, daemon)
                await kills_are_recorded(prometheus, daemon)
                await memory_is_recorded(prometheus, daemon, app)
                told = await processor_time_is_recorded(prometheus, daemon, app)
                here.order(f"app {app.pid}")
                on_gpu = 'vizproxy_app_gpu_framebuffer_bytes{app="viewer of brains"}'
                await prometheus.comes_to(on_gpu, APP_BYTES)
                here.order("xid 31")
                await prometheus.comes_to('vizproxy_gpu_xid_errors_total{xid="31"}', 1)
                await nothing_is_missing(prometheus, url)
            await prometheus.comes_to("sum(vizproxy_apps)", 0)
            used = await prometheus.value(APP_CPU)
            assert used >= told, "the time that an app has used is there when it has ended"


async def apps_are_recorded(
    prometheus: Prometheus, environment: dict[str, str], app: psutil.Process
) -> None:
    """Apps and X clients, against X-Resource."""
    await prometheus.comes_to('vizproxy_apps{leased="true"}', 1)
    await prometheus.comes_to('vizproxy_app_granted_bytes{app="viewer of brains"}', 64 * MIB)
    clients, pixmaps = await asyncio.to_thread(clients_of, environment, app.pid)
    assert pixmaps >= APP_MIB * MIB
    await prometheus.comes_to('vizproxy_app_pixmap_bytes{app="viewer of brains"}', pixmaps)
    ours = 2  # the daemon's own, which it leaves out: one that acts, one that watches what is drawn
    await prometheus.comes_to("vizproxy_display_clients", clients - ours)


async def drawing_is_recorded(prometheus: Prometheus, daemon: Daemon) -> None:
    """Frames that are drawn, their pixels, and updates that a viewer takes."""
    async with daemon.viewer() as viewer:
        await prometheus.comes_to('vizproxy_viewers{role="control"}', 1)
        before = await prometheus.value("vizproxy_viewer_updates_total")
        for _ in range(10):
            await viewer.update()
        await viewer.request(incremental=True)

        async def counted() -> bool:
            return await prometheus.value("vizproxy_viewer_updates_total") >= before + 10

        await eventually(counted)
    await prometheus.comes_to('vizproxy_viewer_sessions_ended_total{reason="left"}', 1)
    await prometheus.comes_to("vizproxy_viewer_first_picture_seconds_count", 1)
    drawn = await prometheus.value("increase(vizproxy_display_damage_events_total[10s])")
    pixels = await prometheus.value("increase(vizproxy_display_damaged_pixels_total[10s])")
    assert drawn > 10
    assert 1 <= pixels / drawn <= 2 * WINDOW[0] * WINDOW[1] + 4096


async def kills_are_recorded(prometheus: Prometheus, daemon: Daemon) -> None:
    """Restarts, against the list of those that were killed."""
    for name, count in KILLS.items():
        for _ in range(count):
            await kill(daemon, name)
    for component in await daemon.pids():
        killed = KILLS.get(component, 0)
        series = f'vizproxy_component_restarts_total{{component="{component}",cause="killed"}}'
        await prometheus.comes_to(series, killed)
    await prometheus.comes_to("sum(vizproxy_component_restarts_total)", sum(KILLS.values()))
    await prometheus.comes_to('vizproxy_component_state{component="x11vnc",state="ready"}', 1)
    backoff = 'vizproxy_component_state_seconds_total{component="x11vnc",state="backoff"}'
    assert 0 < await prometheus.value(backoff) < 60


async def memory_is_recorded(prometheus: Prometheus, daemon: Daemon, app: psutil.Process) -> None:
    """Resident memory, against psutil."""

    async def as_psutil_says(series: str, process: psutil.Process) -> None:
        async def check() -> bool:
            said = await prometheus.value(series)
            assert said == pytest.approx(process.memory_info().rss, rel=0.2), series
            return True

        await eventually(check, timeout=20)

    resident = "vizproxy_component_resident_memory_bytes"
    for component, pid in (await daemon.pids()).items():
        await as_psutil_says(f'{resident}{{component="{component}"}}', psutil.Process(pid))
    await as_psutil_says('vizproxy_app_resident_memory_bytes{app="viewer of brains"}', app)
    await as_psutil_says("vizproxy_process_resident_memory_bytes", psutil.Process(daemon.pid))


async def processor_time_is_recorded(
    prometheus: Prometheus, daemon: Daemon, app: psutil.Process
) -> float:
    """Processor time, against psutil; return the app's.

    What is said was read up to 5 s before a scrape, so it lags, and is never ahead.
    """

    async def as_psutil_says(series: str, used: Callable[[], float]) -> float:
        async def check() -> float:
            before = used()
            said = await prometheus.value(series)
            assert said > 0, series
            assert 0.8 * before - LAG_SECONDS <= said <= used() + ROUNDING_SECONDS, series
            return said

        return await eventually(check, timeout=40)

    own = psutil.Process(daemon.pid)
    await as_psutil_says("vizproxy_process_cpu_seconds_total", lambda: own_time(own))
    xorg = psutil.Process((await daemon.pids())["xorg"])
    told = 'vizproxy_component_cpu_seconds_total{component="xorg"}'
    await as_psutil_says(told, lambda: own_time(xorg) + time_of_children(xorg))
    return await as_psutil_says(APP_CPU, lambda: own_time(app))


def own_time(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def time_of_children(process: psutil.Process) -> float:
    """Of those that have ended: Xorg starts a compiler of keymaps."""
    times = process.cpu_times()
    return times.children_user + times.children_system


async def nothing_is_missing(prometheus: Prometheus, url: str) -> None:
    """Every metric of the catalogue, and so all that dashboards and rules ask for, is in a scrape."""
    known = set(await prometheus.get("label/__name__/values"))
    asked = {name for rule in rules() for name in names(rule["expr"])}
    asked |= {name for file in DASHBOARDS for query in queries(file) for name in names(query)}
    scraped = samples().keys() - UNTOLD
    assert scraped - known == set()
    assert asked - recorded() - UNTOLD <= known
    undocumented = {n for n in known if n.startswith("vizproxy_")} - samples().keys()
    assert undocumented == set()
    groups = (await prometheus.get("rules"))["groups"]
    assert [rule for group in groups for rule in group["rules"] if rule["health"] == "err"] == []
    await prometheus_lints_it(url)


async def prometheus_lints_it(url: str) -> None:
    """``promtool check metrics`` has nothing to say, and the OpenMetrics form parses."""
    async with aiohttp.ClientSession(url) as session:
        async with session.get("/metrics") as response:
            text = await response.text()
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        async with session.get("/metrics", headers=accept) as response:
            assert list(text_string_to_metric_families(await response.text()))
    checked = await asyncio.to_thread(promtool, "check", "metrics", text=text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")

"""From one moment of the desktop to what Prometheus reads."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from tests.support import eventually
from tests.unit import measuring
from tests.unit.broking import MIB
from vizproxy.broker.slots import Slots
from vizproxy.cli.toprates import RENEWAL_SECONDS
from vizproxy.distribution import Distribution
from vizproxy.metrics import sampling
from vizproxy.metrics.catalogue import METRICS, Kind
from vizproxy.metrics.collectors import COLLECTORS
from vizproxy.metrics.exposition import Exposition
from vizproxy.metrics.families import Families
from vizproxy.metrics.measurements import Measurements
from vizproxy.metrics.sampling import Sampling

GOLDEN = Path(__file__).parents[1] / "golden"
RENEW = "RENEW_GOLDEN"

PLAIN = "text/plain;version=0.0.4"
OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
"""What Prometheus 2.42 sends as its Accept header."""


def exposition(**collectors: object) -> Exposition:
    """One whose clock stands still, with other collectors in the place of some."""
    return Exposition({**COLLECTORS, **collectors}, clock=lambda: 0.0)  # type: ignore[dict-item]


def text(now: Measurements, accept: str = PLAIN) -> str:
    return exposition().write(now, accept=accept).data.decode()


def value(now: Measurements, series: str) -> float:
    """The value of a series, as it stands in the text."""
    found = [line for line in text(now).splitlines() if line.startswith(f"{series} ")]
    assert len(found) == 1, f"{series} is there {len(found)} times"
    return float(found[0].rpartition(" ")[2])


@pytest.mark.parametrize(("name", "accept"), [("metrics.txt", PLAIN), ("openmetrics.txt", OPEN)])
def test_the_golden_exposition(name: str, accept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.11.2")
    written = text(measuring.BUSY, accept)
    file = GOLDEN / name
    if os.environ.get(RENEW):
        file.write_text(written)
    assert written == file.read_text(), f"{RENEW}=1 writes it anew"


def test_what_the_form_depends_on() -> None:
    write = exposition().write
    assert write(measuring.BUSY, accept=PROMETHEUS).content_type.startswith(
        "application/openmetrics-text; version=1.0.0"
    )
    assert write(measuring.BUSY).content_type.startswith("text/plain; version=0.0.4")
    body = write(measuring.BUSY, accept=PLAIN, accept_encoding="deflate, gzip")
    assert body.gzipped
    assert gzip.decompress(body.data) == write(measuring.BUSY, accept=PLAIN).data
    assert len(body.data) < 8192


@given(st.text(), st.text())
def test_no_header_breaks_a_scrape(accept: str, encoding: str) -> None:
    nonsense = f"application/openmetrics-text;version={accept}"
    for header in (accept, nonsense):
        assert exposition().write(measuring.FRESH, accept=header, accept_encoding=encoding).data


@pytest.mark.parametrize("now", [measuring.BUSY, measuring.FRESH], ids=["busy", "fresh"])
def test_both_forms_parse_and_hold_nothing_that_is_not_in_the_catalogue(now: Measurements) -> None:
    for accept, parse in ((PLAIN, plain_families), (OPEN, open_families)):
        for family in parse(text(now, accept)):
            name = family.name
            known = {name, f"{name}_total", f"{name}_info"} & METRICS.keys()
            assert known, name


def test_a_busy_desktop_has_every_metric_but_what_its_gpu_keeps_to_itself() -> None:
    written = text(measuring.BUSY)
    absent = {
        name for name in METRICS if not re.search(rf"^{name}(_count|[ {{])", written, re.MULTILINE)
    }
    assert absent == {"vizproxy_gpu_temperature_celsius"}


def test_a_desktop_that_begins_has_what_is_counted_at_zero() -> None:
    written = text(measuring.FRESH)
    for series in (
        'vizproxy_leases_refused_total{reason="gpu_full"}',
        'vizproxy_viewers_refused_total{reason="origin"}',
        'vizproxy_viewer_sessions_ended_total{reason="stalled"}',
        'vizproxy_component_restarts_total{cause="killed",component="xorg"}',
    ):
        assert f"{series} 0.0" in written
    assert "vizproxy_gpu" not in written
    assert "vizproxy_display_width_pixels " not in written
    assert 'vizproxy_collector_success{collector="display"} 0.0' in written


def test_apps_are_counted_by_name() -> None:
    busy = measuring.BUSY
    assert value(busy, 'vizproxy_apps{leased="true"}') == 2
    assert value(busy, 'vizproxy_app_instances{app="voreen"}') == 2
    assert value(busy, 'vizproxy_app_pixmap_bytes{app="voreen"}') == 3 * MIB
    assert value(busy, 'vizproxy_app_gpu_framebuffer_bytes{app="voreen"}') == 768 * MIB
    assert value(busy, 'vizproxy_app_resident_memory_bytes{app="voreen"}') == 500 * MIB
    assert value(busy, 'vizproxy_app_resident_memory_bytes{app="unleased"}') == 8 * MIB
    assert value(busy, 'vizproxy_app_cpu_seconds_total{app="voreen"}') == 44.5
    assert value(busy, 'vizproxy_app_cpu_seconds_total{app="unleased"}') == 1.5


def test_what_a_driver_does_not_tell_by_process_is_absent() -> None:
    silent = measuring.snapshot(measuring.app("a-1", "a"))
    written = text(replace(measuring.BUSY, apps=silent))
    assert "vizproxy_app_gpu_framebuffer_bytes{" not in written
    assert "vizproxy_app_resident_memory_bytes{" not in written


def test_nothing_private_is_told() -> None:
    written = text(measuring.BUSY)
    assert "nobody else may read" not in written
    assert "voreen-1" not in written  # ids of apps count up for ever


@given(st.lists(st.text(max_size=60), min_size=1, max_size=100))
def test_apps_of_any_name_make_a_bounded_number_of_series_that_parse(names: list[str]) -> None:
    slots = Slots(most=8)
    apps = [measuring.app(f"x-{n}", slots.label(name)) for n, name in enumerate(names)]
    written = text(replace(measuring.FRESH, apps=measuring.snapshot(*apps)), OPEN)
    (family,) = (f for f in open_families(written) if f.name == "vizproxy_app_instances")
    assert len(family.samples) <= 9
    assert sum(sample.value for sample in family.samples) == len(names)


def test_however_odd_the_numbers_of_xids_their_labels_are_few() -> None:
    gpu = replace(measuring.GPU, xids={79: 1, **dict.fromkeys(range(1000, 1100), 2), -1: 3})
    name = "vizproxy_gpu_xid_errors_total"
    now = replace(measuring.BUSY, gpu=gpu)
    assert value(now, f'{name}{{xid="79"}}') == 1
    assert value(now, f'{name}{{xid="other"}}') == 203
    assert text(now, PLAIN).count(f"{name}{{") == 2


def test_the_catalogue_keeps_to_the_conventions() -> None:
    for name, metric in METRICS.items():
        assert re.fullmatch(r"vizproxy_[a-z0-9_]+", name)
        assert name.endswith("_total") is (metric.kind is Kind.COUNTER)
        assert name.endswith("_info") is (metric.kind is Kind.INFO)
        assert metric.help.endswith(".")
        assert metric.collector in {*COLLECTORS, ""}


def test_values_need_the_labels_of_their_metric() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Families().put("vizproxy_viewers", 1)
    with pytest.raises(KeyError):
        Families().put("vizproxy_unheard_of", 1)


# what goes wrong


def test_a_collector_that_fails_leaves_out_its_own(caplog: pytest.LogCaptureFixture) -> None:
    def broken(now: Measurements, out: Families) -> None:
        out.put("vizproxy_viewers", 1, "view")
        raise ValueError("what it has is odd")

    failing = exposition(viewers=broken)
    bodies = [failing.write(measuring.BUSY, accept=PLAIN) for _ in range(3)]
    written = bodies[-1].data.decode()
    assert 'vizproxy_collector_success{collector="viewers"} 0.0' in written
    assert 'vizproxy_collector_success{collector="apps"} 1.0' in written
    assert "vizproxy_viewers" not in written
    assert "vizproxy_budget_bytes" in written
    assert len(caplog.records) == 1


def test_a_source_that_fails_shows_in_its_collector() -> None:
    assert value(measuring.FRESH, 'vizproxy_collector_success{collector="display"}') == 0
    assert value(measuring.BUSY, 'vizproxy_collector_age_seconds{collector="gpu"}') == 2.0
    assert value(measuring.BUSY, 'vizproxy_collector_duration_seconds{collector="gpu"}') == 0.01


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_reading_is_shown_until_it_is_stale() -> None:
    clock, values = Clock(), itertools.count(1)

    async def read() -> int:
        return next(values)

    source = Sampling("numbers", read, clock=clock)
    assert (source.value, source.status.success, source.status.age) == (None, False, None)
    await source.sample()
    clock.now += 3
    assert (source.value, source.status.success, source.status.age) == (1, True, 3.0)
    clock.now += sampling.STALE_SECONDS
    assert source.value is None


async def test_a_reading_that_fails_keeps_the_last_value_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = iter([7])

    async def read() -> int:
        for answer in answers:
            return answer
        raise OSError("it is gone")

    clock = Clock()
    source = Sampling("numbers", read, clock=clock)
    for _ in range(2):
        await source.sample()
    assert (source.value, source.status.success) == (7, False)
    assert caplog.records == []
    clock.now += sampling.STALE_SECONDS
    for _ in range(2):
        await source.sample()
    assert [record.getMessage() for record in caplog.records] == [
        "the numbers cannot be measured: it is gone"
    ]


async def test_what_can_never_be_read_is_logged_when_it_is_no_matter_of_starting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def read() -> int:
        raise OSError("it is not there yet")

    clock = Clock()
    source = Sampling("numbers", read, clock=clock)
    await source.sample()
    assert caplog.records == []
    clock.now += sampling.STALE_SECONDS
    await source.sample()
    await source.sample()
    assert len(caplog.records) == 1


async def test_a_reading_that_hangs_is_given_up() -> None:
    async def read() -> int:
        await asyncio.Event().wait()
        return 1

    source = Sampling("numbers", read, patience=0.01)
    await source.sample()
    assert (source.value, source.status.success) == (None, False)
    assert source.status.duration >= 0.01


async def test_a_reading_that_is_asked_for_comes_before_it_is_due() -> None:
    readings = asyncio.Queue[int]()

    async def read() -> None:
        readings.put_nowait(1)

    source = Sampling("numbers", read, period=3600.0)
    task = asyncio.create_task(source.run())
    async with asyncio.timeout(10):
        await readings.get()
        source.soon()
        await readings.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_after_a_failure_a_reading_does_not_wait_for_a_long_period(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampling, "PERIOD_SECONDS", 0.05)
    readings = asyncio.Queue[int]()

    async def read() -> None:
        readings.put_nowait(1)
        if readings.qsize() < 2:
            raise OSError("not yet")

    source = Sampling("numbers", read, period=3600.0)
    task = asyncio.create_task(source.run())

    async def read_again() -> bool:
        return source.status.success

    await eventually(read_again)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_the_terminal_knows_how_often_processes_are_read() -> None:
    assert RENEWAL_SECONDS == sampling.PERIOD_SECONDS


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_a_distribution_counts_all_that_is_observed(values: list[float]) -> None:
    distribution = Distribution.empty(1.0, 10.0)
    for one in values:
        distribution = distribution.observed(one)
    assert distribution.count == len(values)
    assert distribution.total == pytest.approx(sum(values))
    assert distribution.counts[0] == sum(one <= 1.0 for one in values)
    assert distribution.counts[2] == sum(one > 10.0 for one in values)

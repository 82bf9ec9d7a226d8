"""What ``vizproxy top`` makes of two looks and more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.looking import app, component, later, measured
from vizproxy.cli.toprates import DAEMON, Course, Rates, app_key, component_key


def course(*looks: dict[str, Any]) -> Course:
    seen = Course()
    for look in looks:
        seen = seen.seen(look)
    return seen


def test_one_look_tells_no_rates() -> None:
    seen = course(measured())
    assert seen.rates == Rates()
    assert seen.cpu_rate(component_key("xorg")) is None


def test_two_looks_tell_what_happens_per_second() -> None:
    first = measured()
    grown = {
        "drawn__frames": 120,
        "drawn__pixels": 4_000_000,
        "viewers__updates": 80,
        "viewers__sent_bytes": 2048,
        "viewers__received_bytes": 512,
        "viewers__blocked_seconds": 0.5,
    }
    assert course(first, later(2, first, **grown)).rates == Rates(
        frames=60, pixels=2e6, updates=40, sent=1024, received=256, blocked=0.25
    )


def test_what_stands_still_is_nothing_at_once() -> None:
    first = measured()
    moving = later(2, first, drawn__frames=120)
    assert course(first, moving, later(2, moving)).rates.frames == 0


def test_a_daemon_that_was_restarted_counts_anew() -> None:
    first = measured()
    again = later(2, first, viewers__sent_bytes=-(10**8), viewers__updates=10)
    rates = course(first, again).rates
    assert rates.sent is None
    assert rates.updates == 5


@pytest.mark.parametrize("seconds", [0, -5])
def test_a_clock_that_does_not_go_on_tells_no_rates(seconds: float) -> None:
    first = measured()
    assert course(first, later(seconds, first, drawn__frames=9)).rates == Rates()


# ------------------------------------------------------------------------------------------ CPU time


def looks(key: str, times: list[tuple[float, float]]) -> list[float | None]:
    """The rates after looks at a moment each, with the CPU time that the daemon told."""
    seen, rates = Course(), []
    for moment, seconds in times:
        parts = [component("xorg", cpu_seconds=seconds)]
        use = {"cpu_seconds": seconds, "resident_bytes": 0, "open_files": 1, "threads": 1}
        seen = seen.seen(
            measured(moment, components=parts, apps=[app("a", cpu_seconds=seconds)], daemon=use)
        )
        rates.append(seen.cpu_rate(key))
    return rates


@pytest.mark.parametrize("key", [component_key("xorg"), app_key("a-1"), DAEMON])
def test_cpu_time_that_is_renewed_every_five_seconds(key: str) -> None:
    """Two looks between which nothing was renewed tell nothing new; half a core is half a core."""
    times = [(0, 10), (2, 10), (4, 12.5), (6, 12.5), (8, 12.5), (10, 15), (12, 15)]
    assert looks(key, [(float(t), s) for t, s in times]) == [None, None, *[0.5] * 5]


def test_cpu_time_that_is_not_renewed_any_more() -> None:
    times = [(0.0, 10.0), (2.0, 12.5), *((float(t), 12.5) for t in (4, 6, 8, 10))]
    assert looks(DAEMON, times) == [None, 0.5, 0.5, 0.5, 0.5, 0.0]


def test_cpu_time_of_what_is_idle_from_the_start() -> None:
    assert looks(DAEMON, [(float(t), 3.0) for t in (0, 2, 4, 6, 8)])[-1] == 0.0


def test_what_stood_still_when_others_were_renewed_is_idle() -> None:
    """The daemon reads its children and the apps without a lease at one moment."""
    first = measured(
        components=[component("xorg", cpu_seconds=5.0), component("wm", cpu_seconds=1.0)],
        apps=[app("leased"), app("stray", leased=False)],
    )
    second = later(1, first)
    assert not course(first, second).is_settled
    second["components"] = [component("xorg", cpu_seconds=7.5), component("wm", cpu_seconds=1.0)]
    seen = course(first, second)
    keys = (component_key("xorg"), component_key("wm"), DAEMON, app_key("stray-1"))
    assert [seen.cpu_rate(key) for key in keys] == [0.5, 0.0, 0.0, 0.0]
    assert seen.cpu_rate(app_key("leased-1")) is None, "its own side tells when it likes"
    assert not seen.is_settled
    third = later(1, second)
    third["apps"] = [app("leased", cpu_seconds=2.0), app("stray", leased=False)]
    assert course(first, second, third).is_settled


def test_before_processes_were_measured_nothing_is_settled() -> None:
    first = measured(daemon=None, components=[component("xorg", cpu_seconds=None)], apps=[])
    assert not course(first, later(1, first)).is_settled


def test_cpu_time_looked_at_seldom() -> None:
    assert looks(DAEMON, [(0.0, 0.0), (60.0, 30.0), (120.0, 90.0)]) == [None, 0.5, 1.0]


def test_cpu_time_that_counts_anew() -> None:
    assert looks(DAEMON, [(0.0, 50.0), (5.0, 55.0), (10.0, 1.0)]) == [None, 1.0, None]


@settings(max_examples=25)
@given(
    share=st.floats(0, 64),
    phase=st.floats(0, 4.99),
    interval=st.sampled_from([0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 20.0]),
)
def test_steady_use_is_told_as_it_is(share: float, phase: float, interval: float) -> None:
    """Whenever the daemon reads, and however often one looks."""

    def told(moment: float) -> float:
        return share * (5 * ((moment + phase) // 5))

    times = [(100 + n * interval, told(100 + n * interval)) for n in range(30)]
    rates = looks(DAEMON, times)[-1]
    assert rates == pytest.approx(share, abs=0.01)


def test_what_is_not_known_has_no_rate() -> None:
    nothing = measured(
        daemon=None,
        components=[component("xorg", cpu_seconds=None)],
        apps=[app("a", cpu_seconds=None)],
    )
    seen = course(nothing, later(5, nothing))
    assert [seen.cpu_rate(k) for k in (DAEMON, component_key("xorg"), app_key("a-1"))] == [None] * 3


def test_what_has_gone_is_forgotten() -> None:
    first = measured()
    assert course(first, later(5, first) | {"apps": []}).cpu_rate(app_key("voreen-1")) is None

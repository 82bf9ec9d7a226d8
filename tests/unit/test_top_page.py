"""What ``vizproxy top`` shows, in words and numbers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.looking import GIB, MIB, app, component, gpu, later, measured
from vizproxy.cli.toppage import Bar, Page, Table, Tone, Word, lost_page, page_of
from vizproxy.cli.toprates import Course


def page(*looks: dict[str, Any]) -> Page:
    course = Course()
    for look in looks or (measured(),):
        course = course.seen(look)
    return page_of(course)


def line(shown: Page, label: str) -> list[str]:
    (found,) = [each for each in shown.lines if each.label == label]
    return [word.text for word in found.words]


def cells(table: Table, heading: str) -> list[Any]:
    number = [column.heading for column in table.columns].index(heading)
    return [row[number] for row in table.rows]


def texts(table: Table, heading: str) -> list[str]:
    return [cell.text for cell in cells(table, heading)]


def after_a_while(**grown: float) -> Page:
    first = measured()
    return page(first, later(2, first, **grown))


def test_the_display() -> None:
    shown = after_a_while(drawn__frames=87, drawn__pixels=5_000_000)
    assert line(shown, "display") == [
        ":7 1600x900x24",
        "43.5 frames/s",
        "2.5 Mpixel/s",
        "idle 3.2 s",
        "5 X clients",
        "5.49 MiB screen",
    ]


def test_a_display_of_which_nothing_is_known() -> None:
    assert line(page(measured(display=None)), "display") == ["not known"]


def test_an_idle_time_that_nobody_knows() -> None:
    display = measured()["display"] | {"idle_seconds": None}
    assert "idle -" in line(page(measured(display=display)), "display")


def test_viewers() -> None:
    shown = after_a_while(
        viewers__updates=86,
        viewers__sent_bytes=25 * MIB,
        viewers__received_bytes=3000,
        viewers__blocked_seconds=0.1,
    )
    assert line(shown, "viewers") == [
        "2 (1 view only)",
        "43.0 updates/s",
        "out 12.5 MiB/s",
        "in 1.46 KiB/s",
        "rtt 12 ms",
        "blocked 5 %",
        "last input 1 min 1 s ago",
    ]


def test_a_first_look_says_what_it_does_not_know() -> None:
    shown = page()
    assert line(shown, "viewers")[1:4] == ["- updates/s", "out -", "in -"]
    assert line(shown, "display")[1] == "- frames/s"
    assert set(texts(shown.tables[0], "CPU %")) == {"-"}


def test_without_viewers_nothing_is_delivered() -> None:
    viewers = measured()["viewers"] | {"control": 0, "view": 0}
    assert line(page(measured(viewers=viewers)), "viewers") == ["0", "last input 1 min 1 s ago"]


def test_a_slow_viewer_stands_out() -> None:
    (viewers,) = [
        x for x in after_a_while(viewers__blocked_seconds=1.0).lines if x.label == "viewers"
    ]
    assert Word("blocked 50 %", Tone.WARNING) in viewers.words


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00123, "1.2 ms"), (0.25, "250 ms"), (1.24, "1.2 s"), (None, "-")]
)
def test_round_trips(seconds: float | None, text: str) -> None:
    viewers = measured()["viewers"] | {"round_trip_seconds": seconds}
    assert f"rtt {text}" in line(page(measured(viewers=viewers)), "viewers")


def test_the_budget() -> None:
    (budget,) = [each for each in page().lines if each.label == "budget"]
    assert [word.text for word in budget.words] == [
        "512 MiB used",
        "1 GiB granted",
        "of 2 GiB",
        "1 of 16 apps",
    ]
    assert budget.bar == Bar(512 * MIB, 1 * GIB, 2 * GIB, Tone.GOOD)


def test_pixmaps_of_nobody_are_told() -> None:
    framebuffer = measured()["framebuffer"] | {"unattributed_bytes": 3 * MIB}
    assert line(page(measured(framebuffer=framebuffer)), "budget")[-1] == "3 MiB of nobody's"


def test_the_gpu() -> None:
    assert line(page(), "GPU") == [
        "3 GiB used",
        "of 8 GiB",
        "43 % busy",
        "encoder 3 %",
        "62 °C",
        "memory 12 %",
        "encodings 0",
        "NVIDIA A40-8Q",
    ]


def test_a_gpu_that_keeps_to_itself() -> None:
    silent = gpu(framebuffer=None, condition="silent", licensed=False, profile="")
    for key in ("percent", "memory_percent", "encoder_percent", "encoder_sessions", "temperature"):
        silent[key] = None
    shown = page(measured(gpu=silent))
    assert line(shown, "GPU") == ["silent", "not licensed", "NVIDIA A40-8Q"]
    assert shown.lines[-1].bar is None


def test_a_gpu_that_was_given_up() -> None:
    """It was lost, and another plan is in force: there is no condition any more."""
    lost = gpu(framebuffer=None, condition=None, licensed=None, profile="")
    for key in ("percent", "memory_percent", "encoder_percent", "encoder_sessions", "temperature"):
        lost[key] = None
    shown = page(measured(gpu=lost))
    assert line(shown, "GPU") == ["given up", "NVIDIA A40-8Q"]
    assert Word("given up", Tone.BAD) in shown.lines[-1].words


def test_no_gpu_no_line() -> None:
    assert [each.label for each in page(measured(gpu=None)).lines] == [
        "display",
        "viewers",
        "budget",
    ]


# ------------------------------------------------------------------------------------------- tables


def test_children() -> None:
    first = measured(
        components=[
            component("xorg", cpu_seconds=1.0),
            component("wm", state="backoff", pid=None, restarts=3, retry_in_seconds=1.6),
            component("x11vnc", cpu_seconds=None, resident_bytes=None),
        ]
    )
    second = later(5, first)
    second["components"] = [first["components"][0] | {"cpu_seconds": 3.5}, *first["components"][1:]]
    second["daemon"] = first["daemon"] | {"cpu_seconds": 4.25}
    children, _ = page(first, second).tables
    assert texts(children, "CHILD") == ["xorg", "wm", "x11vnc", "daemon"]
    assert texts(children, "STATE") == ["ready", "backoff", "ready", ""]
    assert cells(children, "STATE")[1].tone is Tone.WARNING
    assert texts(children, "FOR") == ["3 min 20 s", "again in 2 s", "3 min 20 s", ""]
    assert texts(children, "PID") == ["42", "-", "42", ""]
    assert texts(children, "CPU %") == ["50.0", "0.0", "-", "5.0"]
    assert texts(children, "CPU TIME") == ["3.5 s", "1.0 s", "-", "4.2 s"]
    assert texts(children, "MEMORY") == ["96 MiB", "96 MiB", "-", "80 MiB"]
    assert texts(children, "RESTARTS") == ["0", "3", "0", ""]


def test_before_processes_were_measured() -> None:
    children, _ = page(measured(daemon=None)).tables
    assert "daemon" not in texts(children, "CHILD")


def test_apps_with_those_first_that_use_most() -> None:
    apps = [
        app("small", MIB),
        app("big", 513 * MIB - 1),
        app("stray", 2 * MIB, leased=False, windows=["0x1", "0x2"], resident_bytes=None),
        app("ending", 0, state="stopping"),
    ]
    _, table = page(measured(apps=apps)).tables
    assert texts(table, "APP") == ["big", "stray", "small", "ending"]
    assert texts(table, "ID") == ["big-1", "stray-1", "small-1", "ending-1"]
    assert texts(table, "STATE") == ["running", "no lease", "running", "stopping"]
    assert texts(table, "WINDOWS") == ["1", "2", "1", "1"]
    assert texts(table, "MEMORY") == ["1.17 GiB", "-", "1.17 GiB", "1.17 GiB"]
    assert texts(table, "USED") == ["513 MiB !", "2 MiB", "1 MiB", "0 B"]
    assert texts(table, "GRANTED") == ["512 MiB"] * 4
    assert cells(table, "FRAMEBUFFER")[0].tone is Tone.BAD
    assert cells(table, "USED")[0].tone is Tone.BAD


def test_an_app_that_uses_too_much_stands_out_in_the_budget() -> None:
    (budget,) = [x for x in page(measured(apps=[app("a", GIB)])).lines if x.label == "budget"]
    assert budget.bar is not None
    assert budget.bar.tone is Tone.WARNING


# ----------------------------------------------------------------------------------- what names hold


def test_names_and_warnings_cannot_write_over_the_terminal() -> None:
    evil = "\x1b]0;owned\a[red]\u202e\udc80"
    shown = page(
        measured(
            summary=evil,
            warnings=[evil],
            apps=[app(evil)],
            gpu=gpu(name=evil),
        )
    )
    told = [shown.summary, *shown.warnings, *line(shown, "GPU"), *texts(shown.tables[1], "APP")]
    assert all(text.isprintable() for text in told)
    assert sum(r"\x1b]0;owned\x07[red]\u202e\udc80" in text for text in told) == 4


# ------------------------------------------------------------------------------------ nobody answers


def test_a_daemon_that_has_gone() -> None:
    shown = lost_page("cannot reach the desktop at /x: no daemon runs there", 12.0)
    assert shown.state == "failed"
    assert shown.summary == "cannot reach the desktop at /x: no daemon runs there"
    assert [word.text for word in shown.words] == [
        "no answer for 12.0 s; it is asked again and again"
    ]
    assert (shown.lines, shown.tables) == ((), ())


def test_before_the_first_look() -> None:
    assert page_of(Course()).summary == "waiting for the desktop"

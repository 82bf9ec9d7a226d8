"""How ``vizproxy top`` looks in terminals of any size."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live

from tests.unit.looking import GIB, MIB, app, component, gpu, later, measured
from vizproxy.cli.toppage import Page, lost_page, page_of
from vizproxy.cli.toprates import Course
from vizproxy.cli.topview import PageView, plain_lines


def busy_page(**changed: Any) -> Page:
    first = measured(
        components=[
            component("xorg", pid=31337),
            component("wm", state="fatal", pid=None, restarts=5),
            component("x11vnc", state="backoff", pid=None, retry_in_seconds=3.0, restarts=1),
            component("websockify"),
        ],
        apps=[app(f"app {n}", n * 40 * MIB, id=f"app-{n}") for n in range(20)],
        warnings=[
            "programs draw by EGL, which lacks some of GLX: " + "a reason " * 20,
            "b",
            "c",
            "d",
        ],
        gpu=gpu(licensed=False),
    )
    first |= changed
    return page_of(Course().seen(first).seen(later(1, first, drawn__frames=60)))


def lines(page: Page, width: int, height: int | None = None) -> list[str]:
    return [line.plain for line in PageView(page).lines(width, height)]


def test_a_desktop_in_the_usual_terminal() -> None:
    first = measured(
        components=[component("xorg"), component("wm")],
        apps=[app("voreen", 256 * MIB), app("too much", 600 * MIB)],
        gpu=None,
        warnings=["too-much-1 uses 600 MiB of framebuffer and may use 512 MiB"],
    )
    shown = lines(page_of(Course().seen(first).seen(later(1, first, drawn__frames=60))), 80, 24)
    assert [line.rstrip() for line in shown] == [
        "● the desktop is ready  plan virtualgl  vizproxy 1.2.3",
        "! too-much-1 uses 600 MiB of framebuffer and may use 512 MiB",
        "display   :7 1600x900x24  60.0 frames/s  0.0 Mpixel/s  idle 3.2 s  5 X clients",
        "          5.49 MiB screen",
        "viewers   2 (1 view only)  0.0 updates/s  out 0 B/s  in 0 B/s  rtt 12 ms",
        "          blocked 0 %  last input 1 min 1 s ago",
        "budget    █████▒▒▒▒▒▒············  512 MiB used  1 GiB granted  of 2 GiB",
        "          1 of 16 apps",
        "",
        "CHILD   STATE  FOR         PID  CPU %  CPU TIME  MEMORY  RESTARTS",
        "xorg    ready  3 min 20 s   42      -     1.0 s  96 MiB         0",
        "wm      ready  3 min 20 s   42      -     1.0 s  96 MiB         0",
        "daemon                              -     4.0 s  80 MiB",
        "",
        "APP       STATE    WINDOWS  CPU %    MEMORY  FRAMEBUFFER        USED  GRANTED",
        "too much  running        1      -  1.17 GiB  ████████████  600 MiB !  512 MiB",
        "voreen    running        1      -  1.17 GiB  ██████······    256 MiB  512 MiB",
    ]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (60, 40), (200, 60)])
def test_it_fits(width: int, height: int) -> None:
    shown = lines(busy_page(), width, height)
    assert len(shown) <= height
    assert max(map(cell_len, shown)) <= width
    assert any(line.startswith("app 19") for line in shown)
    assert shown[-1].startswith("and ") == (height < 60)


@pytest.mark.parametrize("width", [1, 10, 20, 30, 40, 50])
@pytest.mark.parametrize("height", [1, 5, 12])
def test_it_can_be_drawn_where_it_does_not_fit(width: int, height: int) -> None:
    for page in (busy_page(), busy_page(apps=[]), lost_page("cannot reach it: gone", 3.0)):
        shown = lines(page, width, height)
        assert max(map(cell_len, shown)) <= max(width, 30)  # what no table can do without


def test_lines_end_at_the_edge_of_the_smallest_terminal() -> None:
    """They are not continued on the next line, which would push out what is below."""
    for page in (busy_page(), lost_page("cannot reach it: gone", 3.0)):
        out = io.StringIO()
        console = Console(file=out, width=18, height=10, markup=False, emoji=False)
        console.print(PageView(page))
        shown = [line.rstrip() for line in out.getvalue().splitlines()]
        assert shown == [line[:18].rstrip() for line in lines(page, 18)]


def test_forty_columns_show_what_counts() -> None:
    shown = lines(busy_page(), 40)
    assert max(map(cell_len, shown)) <= 40
    (heading,) = [line.split() for line in shown if line.startswith("APP")]
    assert heading[0] == "APP"
    assert heading[-2:] == ["USED", "GRANTED"]


def test_wide_terminals_show_all() -> None:
    shown = lines(busy_page(), 140)
    (row,) = [line.split() for line in shown if line.startswith("app 7 ")]
    assert row[:4] == ["app", "7", "app-7", "running"]


def test_many_warnings_leave_room() -> None:
    shown = lines(busy_page(), 80)
    assert sum(line.startswith("!") for line in shown) == 3
    assert "! and 2 warnings more" in shown


def test_no_programs() -> None:
    assert "no programs; `vizproxy run COMMAND` starts one" in lines(busy_page(apps=[]), 80, 24)


@pytest.mark.parametrize("name", ["[red]alarm[/red]", "[/]", ":smile:", "a\\[b", "日本語のアプリ"])
def test_names_are_shown_as_they_are(name: str) -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, height=40, markup=False, emoji=False, highlight=False)
    console.print(PageView(busy_page(apps=[app(name, summary="x")], summary=name, warnings=[name])))
    assert out.getvalue().count(name) == 4  # with the summary, the warning and the id


def test_wide_characters_keep_columns_aligned() -> None:
    shown = lines(busy_page(apps=[app("日本語"), app("voreen")], gpu=None), 80)
    rows = [line for line in shown if line.endswith("512 MiB")]
    assert {cell_len(row) for row in rows} == {cell_len(rows[0])}
    assert len(rows) == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", None, "nonsense"])
def test_output_that_is_not_utf8(encoding: str | None) -> None:
    odd = app("Häßlich → 日", 256 * MIB, id="odd-1")
    shown = plain_lines(busy_page(apps=[odd]), 120, encoding)
    carried = encoding if encoding == "latin-1" else "ascii"
    assert "\n".join(shown).encode(carried)
    umlauts = "Häßlich" if encoding == "latin-1" else r"H\xe4\xdflich"
    name = umlauts + r" \u2192 \u65e5"
    (row,) = [line for line in shown if line.startswith(name)]
    assert "######......" in row


# -------------------------------------------------------------------------------------------- colours


def drawn(page: Page, *, no_color: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=80,
        height=24,
        force_terminal=True,
        color_system="standard",
        no_color=no_color,
        _environ={"TERM": "xterm"},
    )
    with Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(PageView(page), refresh=True)
    return out.getvalue()


def test_colours() -> None:
    assert "\x1b[32mready" in drawn(busy_page(), no_color=False)
    plain = drawn(busy_page(), no_color=True)
    assert "ready" in plain
    assert not [
        code for code in ("\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1;31m") if code in plain
    ]


def test_a_screen_is_filled_and_no_more() -> None:
    shown = drawn(busy_page(), no_color=True)
    assert shown.startswith("\x1b[?1049h")
    assert shown.rstrip().endswith(("\x1b[?1049l", "\x1b[?25h"))
    assert shown.count("\n") == 23


def test_a_gpu_line_has_its_own_bar() -> None:
    (line,) = [line for line in lines(busy_page(), 100) if line.startswith("GPU")]
    assert "█████████···············  3 GiB used  of 8 GiB" in line
    assert measured()["gpu"]["framebuffer"]["total"] == 8 * GIB

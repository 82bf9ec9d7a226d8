"""What ``vizproxy top`` shows, as values: words with their importance, bars and tables. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from vizproxy.amounts import amount_text
from vizproxy.cli.text import MARKS, duration_text, printable
from vizproxy.cli.toprates import DAEMON, Course, Measured, Rates, app_key, component_key

UNKNOWN: Final = "-"
"""Stands for what is not known, or not yet."""


class Tone(StrEnum):
    """How a text is meant; it is never told by its colour alone."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    FAINT = "faint"
    STRONG = "strong"


_TONES: Final = {"32": Tone.GOOD, "33": Tone.WARNING, "31": Tone.BAD}


@dataclass(frozen=True, slots=True)
class Word:
    """A text that is not broken."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Bar:
    """What is ``used`` and, beyond that, ``granted`` of a ``whole``."""

    used: int
    granted: int
    whole: int
    tone: Tone = Tone.GOOD


Cell = Word | Bar


@dataclass(frozen=True, slots=True)
class Line:
    """Facts about one thing, the more important ones first."""

    label: str
    words: tuple[Word, ...]
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. In a narrow terminal those of the highest ``rank`` are left out first.

    ``least`` is how narrow it may become; 0: not narrower than its cells.
    """

    heading: str
    rank: int = 0
    right: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; ``empty`` is what to say where there are none."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """All that is shown. ``state`` is the desktop's, and marks its ``summary``."""

    state: str
    summary: str
    words: tuple[Word, ...] = ()
    warnings: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    tables: tuple[Table, ...] = ()


def lost_page(message: str, seconds: float) -> Page:
    """What is shown while no daemon answers, which none has done for so many seconds."""
    gone = Word(f"no answer for {duration_text(seconds)}; it is asked again and again", Tone.FAINT)
    return Page("failed", printable(message), (gone,))


def page_of(course: Course) -> Page:
    """What is shown of a daemon that answers; :data:`UNKNOWN` stands for all that is not known."""
    measured = course.latest
    if measured is None:
        return Page("starting", "waiting for the desktop")
    lines = [_display(measured, course.rates), _viewers(measured, course.rates), _budget(measured)]
    if measured["gpu"] is not None:
        lines.append(_gpu(measured["gpu"]))
    return Page(
        state=measured["state"],
        summary=printable(measured["summary"]),
        words=(Word(f"plan {measured['plan']}"), Word(f"vizproxy {measured['version']}")),
        warnings=tuple(printable(text) for text in measured["warnings"]),
        lines=tuple(lines),
        tables=(_children(measured, course), _apps(measured, course)),
    )


# -------------------------------------------------------------------------------------------- lines


def _display(measured: Measured, rates: Rates) -> Line:
    display = measured["display"]
    if display is None:
        return Line("display", (Word("not known", Tone.WARNING),))
    idle = display["idle_seconds"]
    words = (
        Word(f"{display['name']} {display['width']}x{display['height']}x{display['depth']}"),
        Word(f"{_number(rates.frames)} frames/s", Tone.STRONG),
        Word(f"{_megapixels(rates.pixels)} Mpixel/s"),
        Word(f"idle {UNKNOWN if idle is None else duration_text(idle)}"),
        Word(f"{display['clients']} X clients"),
        Word(f"{amount_text(display['framebuffer_bytes'])} screen"),
    )
    return Line("display", words)


def _viewers(measured: Measured, rates: Rates) -> Line:
    viewers = measured["viewers"]
    count, watching = viewers["control"] + viewers["view"], viewers["view"]
    words = [Word(f"{count} ({watching} view only)" if watching else f"{count}")]
    if count:
        slow = (rates.blocked or 0) >= _MUCH_BLOCKED
        words += [
            Word(f"{_number(rates.updates)} updates/s", Tone.STRONG),
            Word(f"out {_flow(rates.sent)}"),
            Word(f"in {_flow(rates.received)}"),
            Word(f"rtt {_short_time(viewers['round_trip_seconds'])}"),
            Word(f"blocked {_percent(rates.blocked)}", Tone.WARNING if slow else Tone.PLAIN),
        ]
    words.append(Word(f"last input {duration_text(viewers['input_idle_seconds'])} ago"))
    return Line("viewers", tuple(words))


_MUCH_BLOCKED: Final = 0.25
"""From which share of the time on it stands out that viewers take less than there is to send."""


def _budget(measured: Measured) -> Line:
    budget = measured["framebuffer"]
    used, granted, total = budget["used"], budget["granted"], budget["total"]
    too_much = any(app["framebuffer"]["over"] for app in measured["apps"])
    tone = Tone.WARNING if too_much else Tone.GOOD
    words = [
        Word(f"{amount_text(used)} used", Tone.STRONG),
        Word(f"{amount_text(granted)} granted"),
        Word(f"of {amount_text(total)}"),
        Word(f"{budget['apps']} of {budget['max_apps']} apps"),
    ]
    if budget["unattributed_bytes"]:
        words.append(Word(f"{amount_text(budget['unattributed_bytes'])} of nobody's", Tone.FAINT))
    return Line("budget", tuple(words), Bar(used, granted, total, tone))


def _gpu(gpu: Mapping[str, Any]) -> Line:
    framebuffer, words, bar = gpu["framebuffer"], [], None
    if gpu["condition"] != "fine":
        words.append(Word(gpu["condition"] or "given up", Tone.BAD))  # another plan is in force
    if framebuffer is not None:
        used, total = framebuffer["used"], framebuffer["total"]
        full = used >= _NEARLY_FULL * total
        bar = Bar(used, used, total, Tone.WARNING if full else Tone.GOOD)
        words += [Word(f"{amount_text(used)} used", Tone.STRONG), Word(f"of {amount_text(total)}")]
    told = (
        ("percent", "{} % busy"),
        ("encoder_percent", "encoder {} %"),
        ("temperature", "{} °C"),
        ("memory_percent", "memory {} %"),
        ("encoder_sessions", "encodings {}"),
    )
    words += [Word(text.format(gpu[key])) for key, text in told if gpu[key] is not None]
    if gpu["licensed"] is False:
        words.append(Word("not licensed", Tone.WARNING))
    name, profile = gpu["name"], gpu["profile"]
    words.append(Word(printable(name if profile in name else f"{name} {profile}")))
    return Line("GPU", tuple(words), bar)


_NEARLY_FULL: Final = 0.95


# ------------------------------------------------------------------------------------------- tables


_CHILD_COLUMNS: Final = (
    Column("CHILD"),
    Column("STATE"),
    Column("FOR", rank=4),
    Column("PID", rank=3, right=True),
    Column("CPU %", rank=1, right=True),
    Column("CPU TIME", rank=5, right=True),
    Column("MEMORY", rank=1, right=True),
    Column("RESTARTS", rank=2, right=True),
)

_APP_COLUMNS: Final = (
    Column("APP", least=16),
    Column("ID", rank=6),
    Column("STATE", rank=4),
    Column("WINDOWS", rank=5, right=True),
    Column("CPU %", rank=1, right=True),
    Column("CPU TIME", rank=7, right=True),
    Column("MEMORY", rank=3, right=True),
    Column("FRAMEBUFFER", rank=2),
    Column("USED", right=True),
    Column("GRANTED", right=True),
)


def _children(measured: Measured, course: Course) -> Table:
    rows = [_child(component, course) for component in measured["components"]]
    if (daemon := measured["daemon"]) is not None:
        unsaid = Word("")
        rows.append((Word(DAEMON), unsaid, unsaid, unsaid, *_use(daemon, DAEMON, course), unsaid))
    return Table(_CHILD_COLUMNS, tuple(rows))


def _child(component: Mapping[str, Any], course: Course) -> tuple[Cell, ...]:
    name, state, pid = component["name"], component["state"], component["pid"]
    retry, restarts = component["retry_in_seconds"], component["restarts"]
    since = component["since_seconds"]
    return (
        Word(name),
        Word(state, _TONES.get(MARKS.get(state, ("", ""))[0], Tone.PLAIN)),
        Word(duration_text(since) if retry is None else f"again in {retry:.0f} s"),
        Word(UNKNOWN if pid is None else str(pid)),
        *_use(component, component_key(name), course),
        Word(str(restarts), Tone.WARNING if restarts else Tone.PLAIN),
    )


def _apps(measured: Measured, course: Course) -> Table:
    """The apps, those that use most of the framebuffer first."""
    most_first: Sequence[Mapping[str, Any]] = sorted(
        measured["apps"], key=lambda app: (-app["framebuffer"]["used"], app["started"], app["id"])
    )
    rows = tuple(_app(app, course) for app in most_first)
    return Table(_APP_COLUMNS, rows, "no programs; `vizproxy run COMMAND` starts one")


def _app(app: Mapping[str, Any], course: Course) -> tuple[Cell, ...]:
    framebuffer = app["framebuffer"]
    used, granted, over = framebuffer["used"], framebuffer["granted"], framebuffer["over"]
    tone = Tone.BAD if over else Tone.GOOD
    state = app["state"] if app["leased"] or app["state"] != "running" else "no lease"
    use = f"{amount_text(used, math.ceil)} !" if over else amount_text(used)
    return (
        Word(printable(app["name"])),
        Word(printable(app["id"])),
        Word(state),
        Word(str(len(app["windows"]))),
        *_use(app, app_key(app["id"]), course),
        Bar(used, used, granted, tone),
        Word(use, Tone.BAD if over else Tone.PLAIN),
        Word(amount_text(granted)),
    )


def _use(user: Mapping[str, Any], key: str, course: Course) -> tuple[Word, Word, Word]:
    """The cells for the CPU, now and in all, and the memory that something uses."""
    rate, seconds, memory = course.cpu_rate(key), user["cpu_seconds"], user["resident_bytes"]
    return (
        Word(UNKNOWN if rate is None else f"{100 * rate:.1f}"),
        Word(UNKNOWN if seconds is None else duration_text(seconds)),
        Word(UNKNOWN if memory is None else amount_text(memory)),
    )


# ------------------------------------------------------------------------------------------ numbers


def _number(rate: float | None) -> str:
    return UNKNOWN if rate is None else f"{rate:.1f}"


def _megapixels(rate: float | None) -> str:
    return UNKNOWN if rate is None else f"{rate / 1e6:.1f}"


def _flow(rate: float | None) -> str:
    return UNKNOWN if rate is None else f"{amount_text(round(rate))}/s"


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.0f} %"


def _short_time(seconds: float | None) -> str:
    """A time of milliseconds or seconds."""
    if seconds is None:
        return UNKNOWN
    milliseconds = 1000 * seconds
    if milliseconds >= 1000:
        return f"{seconds:.1f} s"
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"

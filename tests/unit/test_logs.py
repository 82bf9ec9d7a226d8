"""The daemon's log: what a line looks like, and what happens when it cannot be written."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.http_exceptions import InvalidHeader

from vizproxy import logs
from vizproxy.config import LogFormat, LogLevel
from vizproxy.errors import FileSystemError

log = logging.getLogger("vizproxy.test")


@pytest.fixture(autouse=True)
def same_loggers_afterwards() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("vizproxy", "aiohttp", "asyncio")]
    levels = [logger.level for logger in loggers]
    yield
    assert [logger.handlers for logger in loggers] == [[], [], []]
    assert all(logger.propagate for logger in loggers)
    assert [logger.level for logger in loggers] == levels


def written(
    level: LogLevel = LogLevel.INFO, form: LogFormat = LogFormat.HUMAN, **extra: object
) -> list[str]:
    """What the same few events look like."""
    stream = io.StringIO()
    with logs.logging_to(stream, file=None, level=level, form=form):
        log.debug("small talk")
        log.info("%s -> %s", "starting", "ready", extra=extra)
        log.warning("zwölf\nlines", extra=extra)
        log.error("it broke", exc_info=ZeroDivisionError("a bug"))
    return stream.getvalue().splitlines()


CLOCK = r"\d\d:\d\d:\d\d\.\d\d\d"


def test_lines_for_people() -> None:
    first, second, third, *rest = written(component="xorg", pid=812)
    assert re.fullmatch(CLOCK + r" info    xorg\[812\]         starting -> ready", first)
    assert re.fullmatch(CLOCK + r" warning xorg\[812\]         zwölf\\nlines", second)
    assert re.fullmatch(CLOCK + r" error   vizproxy          it broke", third)
    assert rest == ["    ZeroDivisionError: a bug"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"lease": "voreen-1"}, "starting -> ready (lease voreen-1)"),
        ({"state": "ready"}, "starting -> ready"),  # it says so itself
        (
            {"state": "fatal", "lease": "voreen-1"},
            "starting -> ready (state fatal, lease voreen-1)",
        ),
    ],
)
def test_people_find_every_field_once(fields: dict[str, Any], text: str) -> None:
    assert written(**fields)[0].split(maxsplit=3)[3] == text


def test_lines_for_programs() -> None:
    lines = written(form=LogFormat.JSON, component="xorg", pid=812, state="ready", lease="a-1")
    entries = [json.loads(line) for line in lines]
    assert len(entries) == 3  # one line an event, whatever is in it
    first, second, third = entries
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "info",
        "logger": "vizproxy.test",
        "message": "starting -> ready",
        "component": "xorg",
        "pid": 812,
        "state": "ready",
        "lease": "a-1",
    }
    assert second["message"] == "zwölf\nlines"
    assert "ZeroDivisionError: a bug" in third["exception"]


@pytest.mark.parametrize(
    ("level", "count"),
    [(LogLevel.DEBUG, 4), (LogLevel.INFO, 3), (LogLevel.WARNING, 2), (LogLevel.ERROR, 1)],
)
def test_the_level_chooses(level: LogLevel, count: int) -> None:
    assert len(written(level, LogFormat.JSON)) == count


NASTY = "a\nb\r\x1b[31mred\x9b\x00\x7f\u2028\u202eturned\x85\udce4\U000e0041"


def test_nothing_ends_a_line_or_drives_a_terminal() -> None:
    for form in LogFormat:
        stream = io.StringIO()
        with logs.logging_to(stream, file=None, level=LogLevel.INFO, form=form):
            log.info("%s", NASTY, extra={"component": NASTY, "lease": NASTY})
            log.info("a\ttab")
        first, second, nothing = stream.getvalue().split("\n")
        assert first.isprintable()
        assert nothing == ""
        if form is LogFormat.JSON:
            entry = json.loads(first)
            assert (entry["message"], entry["lease"]) == (NASTY, NASTY)
            assert json.loads(second)["message"] == "a\ttab"
        else:
            assert r"a\nb\r\x1b[31mred\x9b\x00\x7f\u2028\u202eturned\x85\udce4\U000e0041" in first
            assert second.endswith("a\ttab")


def test_no_line_of_a_traceback_passes_for_an_event() -> None:
    stream = io.StringIO()
    with logs.logging_to(stream, file=None, level=LogLevel.INFO, form=LogFormat.HUMAN):
        log.error(
            "it broke", exc_info=ValueError("\n12:00:00.000 info    vizproxy  all\x1b is well")
        )
    event, *trace = stream.getvalue().splitlines()
    assert event.endswith("it broke")
    assert trace == [
        "    ValueError: ",
        r"    12:00:00.000 info    vizproxy  all\x1b is well",
    ]


def test_other_programs_logs_are_left_alone() -> None:
    stream = io.StringIO()
    with logs.logging_to(stream, file=None, level=LogLevel.DEBUG, form=LogFormat.HUMAN):
        logging.getLogger("elsewhere").error("not here")
        logging.getLogger("aiohttp.client").info("small talk")
    assert stream.getvalue() == ""


def test_what_libraries_warn_of_is_told_without_what_they_quote() -> None:
    stream = io.StringIO()
    with logs.logging_to(stream, file=None, level=LogLevel.INFO, form=LogFormat.HUMAN):
        logging.getLogger("asyncio").warning("socket.send() raised exception.")
        server = logging.getLogger("aiohttp.server")
        for error in (InvalidHeader("Bearer: secret"), KeyError("secret")):
            try:
                raise error
            except type(error):
                server.exception("Error handling request from %s", "10.1.2.3")
    first, second, third = stream.getvalue().splitlines()
    assert first.endswith("warning vizproxy          socket.send() raised exception.")
    assert second.endswith("Error handling request from 10.1.2.3: InvalidHeader")
    assert [line.split()[1] for line in (second, third)] == ["warning", "error"]
    where = r"KeyError < test_logs\.py:\d+ test_what_libraries_warn_of\w+"
    assert re.search(rf"Error handling request from 10\.1\.2\.3: {where}$", third)
    assert "secret" not in stream.getvalue()


def test_a_request_that_makes_no_sense_is_no_error() -> None:
    stream = io.StringIO()
    with logs.logging_to(stream, file=None, level=LogLevel.ERROR, form=LogFormat.HUMAN):
        error = InvalidHeader("Bearer: secret")
        logging.getLogger("aiohttp.server").error("Error handling request", exc_info=error)
    assert stream.getvalue() == ""


def test_the_file_is_private_and_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "log"
    for text in ("one", "two"):
        with logs.logging_to(
            io.StringIO(), file=file, level=LogLevel.INFO, form=LogFormat.HUMAN
        ) as writer:
            logs.write_first_line(writer, file, text)
            log.info("and more \udce4")  # bytes that were no UTF-8 reach the log escaped
    assert file.stat().st_mode & 0o777 == 0o600
    assert [line.split()[-1] for line in file.read_text().splitlines()] == [
        "one",
        "\\udce4",
        "two",
        "\\udce4",
    ]


def test_the_first_line_is_left_out_where_the_level_says_so() -> None:
    stream = io.StringIO()
    with logs.logging_to(stream, file=None, level=LogLevel.WARNING, form=LogFormat.HUMAN) as writer:
        logs.write_first_line(writer, None, "starts")
    assert stream.getvalue() == ""


# ------------------------------------------------------------------------- what cannot be written


@pytest.mark.parametrize("name", ["none/log", "."])
def test_a_file_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with (
        pytest.raises(FileSystemError, match=f"cannot write the log to {re.escape(str(file))}: "),
        logs.logging_to(io.StringIO(), file=file, level=LogLevel.INFO, form=LogFormat.HUMAN),
    ):
        pytest.fail("it was opened")


def test_a_full_disk_at_the_start_is_an_error() -> None:
    full = Path("/dev/full")
    with (
        logs.logging_to(
            io.StringIO(), file=full, level=LogLevel.INFO, form=LogFormat.HUMAN
        ) as writer,
        pytest.raises(FileSystemError, match="no space left on device"),
    ):
        logs.write_first_line(writer, full, "starts")


def test_a_full_disk_later_costs_lines_and_nothing_else() -> None:
    with logs.logging_to(
        io.StringIO(), file=Path("/dev/full"), level=LogLevel.INFO, form=LogFormat.HUMAN
    ) as writer:
        for n in range(100):
            log.info("line %d", n)
    assert writer.lost == 100


class Disk(io.StringIO):
    """A stream that is full at times."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def record(text: str) -> logging.LogRecord:
    return log.makeRecord(log.name, logging.INFO, "", 0, text, (), None)


def test_when_there_is_room_again_the_log_says_what_it_lacks() -> None:
    disk = Disk()
    writer = logs.LogWriter(disk, logging.Formatter())
    for full, text in [
        (False, "one"),
        (True, "two"),
        (True, "three"),
        (False, "four"),
        (False, "five"),
        (True, "six"),
        (False, "seven"),
    ]:
        disk.full = full
        writer.emit(record(text))
    assert disk.getvalue().splitlines() == [
        "one",
        "four",
        "log lines before this one are missing: 2 at most",
        "five",
        "seven",
        "log lines before this one are missing: 1 at most",
    ]
    assert writer.lost == 3


def test_what_it_lacks_is_told_in_the_logs_own_form() -> None:
    disk = Disk()
    writer = logs.LogWriter(disk, logs.JsonFormatter())
    disk.full = True
    writer.emit(record("one"))
    disk.full = False
    writer.emit(record("two"))
    entries = [json.loads(line) for line in disk.getvalue().splitlines()]
    assert [(e["level"], e["message"]) for e in entries] == [
        ("info", "two"),
        ("warning", "log lines before this one are missing: 1 at most"),
    ]


class SlowDisk(io.StringIO):
    """A stream that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        assert self.go.wait(10)
        return super().write(text)


def test_a_slow_disk_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "QUEUE_LINES", 10)
    disk = SlowDisk()
    with logs.logging_to(disk, file=None, level=LogLevel.INFO, form=LogFormat.HUMAN) as writer:
        for n in range(100):
            log.info("line %d", n)  # which returns, though nothing was written
        assert disk.getvalue() == ""
        assert 89 <= writer.lost <= 90  # the writer may hold one line beside the queue
        lost = writer.lost
        disk.go.set()
    lines = disk.getvalue().splitlines()
    assert sum("line " in line for line in lines) == 100 - lost
    assert any(f"missing: {lost} at most" in line for line in lines)


@pytest.mark.parametrize("form", list(LogFormat))
def test_a_line_that_cannot_be_formatted_does_not_end_the_log(form: LogFormat) -> None:
    stream = io.StringIO()
    with logs.logging_to(stream, file=None, level=LogLevel.INFO, form=form) as writer:
        log.info("%d apples", "two")
        log.info("still here")
    assert "still here" in stream.getvalue()
    assert writer.lost == 1

"""The daemon's log: one line an event, for people or as JSON.

What a program, a browser or an app has said may stand in it, so what could end a line or drive a
terminal is escaped. Only the traceback of a bug has several lines in the form for people, each of them
indented, so that none passes for an event.

Lines are written by a thread of their own, so that a slow disk or terminal never holds up the event
loop. A line that cannot be written (a full disk) is counted, not raised: the desktop goes on, and
:attr:`LogWriter.lost` shows in the status.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import logging.handlers
import os
import queue
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO

from aiohttp.http_exceptions import HttpProcessingError

from vizproxy.config import LogFormat, LogLevel
from vizproxy.errors import FileSystemError, system_reason

FIELDS: Final = ("component", "pid", "state", "lease")
"""Fields that log calls pass in ``extra``: a child's name, process and state; an app's id."""

_TOLD_BY_TEXT: Final = ("state", "lease")
_OURS: Final = "vizproxy"
_LIBRARIES: Final = ("aiohttp", "asyncio")
"""Whose warnings and errors are events of the daemon's, too."""

_FRAMES: Final = 5

QUEUE_LINES: Final = 10_000
"""How many lines may wait for the writer; more are counted as lost."""


class HumanFormatter(logging.Formatter):
    """``12:03:04.567 info    xorg[812]         starting -> ready``."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        who, pid = getattr(record, "component", _OURS), getattr(record, "pid", None)
        name = who if pid is None else f"{who}[{pid}]"
        text = record.getMessage()
        head = f"{clock}.{int(record.msecs):03d} {record.levelname.lower():<7} {name:<17}"
        lines = [one_line(f"{head} {text}{_untold(record, text)}")]
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            lines += [f"    {one_line(line)}" for line in trace.split("\n")]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with time in RFC 3339 and UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _escaped(json.dumps(entry, ensure_ascii=False), _in_json)


def one_line(text: str) -> str:
    """Escape, as Python does, what could end a line, drive a terminal or turn the text's direction."""
    return _escaped(text, lambda c: c if c == "\t" else c.encode("unicode_escape").decode())


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else escape(c) for c in text)


def _in_json(character: str) -> str:
    return json.dumps(character)[1:-1]


def _untold(record: logging.LogRecord, text: str) -> str:
    """The fields of a record for which a reader of the text would look in vain, behind it."""
    found = ((name, str(getattr(record, name, ""))) for name in _TOLD_BY_TEXT)
    untold = [f"{name} {value}" for name, value in found if value and value not in text]
    return f" ({', '.join(untold)})" if untold else ""


class LogWriter(logging.Handler):
    """Writes formatted lines to a stream and counts those that it could not write."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self._stream = stream
        self._reported = 0
        self.lost = 0
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; count it if that fails."""
        try:
            self.write_line(self.format(record))
        except Exception:  # noqa: BLE001 - whatever an argument's own text raises, the log goes on
            self.lost += 1
            return
        if self.lost > self._reported:
            # At most: the stream's buffer may have kept some of them until there was room.
            missing = self.lost - self._reported
            text = f"log lines before this one are missing: {missing} at most"
            facts = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
            with contextlib.suppress(OSError, ValueError):
                self.write_line(self.format(logging.makeLogRecord({**facts, "msg": text})))
                self._reported += missing

    def write_line(self, line: str) -> None:
        """Write and flush. Raises OSError when the line did not get there."""
        self._stream.write(line + "\n")
        self._stream.flush()


class _BoundedQueueHandler(logging.handlers.QueueHandler):
    """Hands records to the writer's thread; drops and counts them when it cannot follow."""

    def __init__(self, lines: queue.SimpleQueue[logging.LogRecord], writer: LogWriter) -> None:
        super().__init__(lines)
        self._lines = lines
        self._writer = writer

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave formatting to the writer; records are not pickled."""
        return record if record.name.partition(".")[0] == _OURS else _without_quotes(record)

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue without waiting."""
        if record.levelno < self.level:
            return  # less important than its library thinks
        # The bound is kept here: a queue with a bound would have no room for the listener's end.
        if self._lines.qsize() < QUEUE_LINES:
            self._lines.put(record)
        else:
            self._writer.lost += 1


def _without_quotes(record: logging.LogRecord) -> logging.LogRecord:
    """A library's record without what its exception says.

    aiohttp's quote the request that they are about, in which a token may stand. The exception's type
    and its way through the code are kept; of a request that makes no sense, the type. That is no error
    of the daemon's, and whoever reaches a port can send one.
    """
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record
    told = copy.copy(record)
    nonsense = isinstance(error, HttpProcessingError)
    where = "" if nonsense else _way(error)
    told.msg, told.args = f"%s: {type(error).__name__}%s", (record.getMessage(), where)
    told.exc_info = told.exc_text = None
    if nonsense:
        told.levelno, told.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return told


def _way(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-_FRAMES)
    return "".join(f" < {Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))


@contextlib.contextmanager
def logging_to(
    stream: TextIO, *, file: Path | None, level: LogLevel, form: LogFormat
) -> Iterator[LogWriter]:
    """Send the log of everything under ``vizproxy`` to ``file``, or to ``stream`` without one.

    What aiohttp and asyncio warn of goes there, too.

    Raises:
        FileSystemError: the log cannot be opened.
    """
    formatter = JsonFormatter() if form is LogFormat.JSON else HumanFormatter()
    with _opened(file, stream) as target:
        writer = LogWriter(target, formatter)
        lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        handler = _BoundedQueueHandler(lines, writer)
        listener = logging.handlers.QueueListener(lines, writer)
        least = logging.getLevelNamesMapping()[level.value.upper()]
        handler.setLevel(least)
        listener.start()
        try:
            with contextlib.ExitStack() as loggers:
                loggers.enter_context(_handled(_OURS, handler, least))
                for name in _LIBRARIES:
                    loggers.enter_context(_handled(name, handler, max(least, logging.WARNING)))
                yield writer
        finally:
            listener.stop()


@contextlib.contextmanager
def _handled(name: str, handler: logging.Handler, level: int) -> Iterator[None]:
    """Give a logger a handler of its own, and a level, for a while."""
    logger = logging.getLogger(name)
    before = logger.level, logger.propagate
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        level, logger.propagate = before
        logger.setLevel(level)


@contextlib.contextmanager
def _opened(file: Path | None, stream: TextIO) -> Iterator[TextIO]:
    if file is None:
        yield stream
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise _cannot_log(file, error) from error
    target = os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")
    try:
        yield target
    finally:
        with contextlib.suppress(OSError):  # what could not be flushed was counted as lost
            target.close()


def write_first_line(writer: LogWriter, file: Path | None, text: str) -> None:
    """Write the log's first line without the queue.

    Raises:
        FileSystemError: it cannot be written.
    """
    logger = logging.getLogger("vizproxy")
    record = logger.makeRecord(logger.name, logging.INFO, __file__, 0, text, (), None)
    if not logger.isEnabledFor(logging.INFO):
        return
    try:
        writer.write_line(writer.format(record))
    except OSError as error:
        raise _cannot_log(file, error) from error


def discard(stream: TextIO) -> None:
    """Let what a stream still holds, and is yet to get, go nowhere: it cannot be written."""
    with contextlib.suppress(OSError, ValueError):  # it has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _cannot_log(file: Path | None, error: OSError) -> FileSystemError:
    name = "standard error" if file is None else str(file)
    why = system_reason(error)
    return FileSystemError(f"write the log to {name}", why, "another log.file")

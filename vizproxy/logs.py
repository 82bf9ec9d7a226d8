"""The daemon's log: one line an event, for people or as JSON.

Lines are written by a thread of their own, so that a slow disk or terminal never holds up the event
loop. A line that cannot be written (a full disk) is counted, not raised: the desktop goes on, and
:attr:`LogWriter.lost` shows in the status.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import os
import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from vizproxy.config import LogFormat, LogLevel
from vizproxy.errors import FileSystemError, system_reason

FIELDS: Final = ("component", "pid", "state")
"""Structured fields that log calls pass in ``extra``."""

QUEUE_LINES: Final = 10_000
"""How many lines may wait for the writer; more are counted as lost."""


class HumanFormatter(logging.Formatter):
    """``12:03:04.567 info    xorg         starting -> ready``."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        component = getattr(record, "component", "vizproxy")
        text = super().format(record)
        return (
            f"{clock}.{int(record.msecs):03d} {record.levelname.lower():<7} {component:<11} {text}"
        )


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
        return json.dumps(entry, ensure_ascii=False)


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
        except (OSError, ValueError, TypeError, KeyError):  # the latter: arguments that do not fit
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
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue without waiting."""
        # The bound is kept here: a queue with a bound would have no room for the listener's end.
        if self._lines.qsize() < QUEUE_LINES:
            self._lines.put(record)
        else:
            self._writer.lost += 1


@contextlib.contextmanager
def logging_to(
    stream: TextIO, *, file: Path | None, level: LogLevel, form: LogFormat
) -> Iterator[LogWriter]:
    """Send the log of everything under ``vizproxy`` to ``file``, or to ``stream`` without one.

    Raises:
        FileSystemError: the log cannot be opened.
    """
    formatter = JsonFormatter() if form is LogFormat.JSON else HumanFormatter()
    with _opened(file, stream) as target:
        writer = LogWriter(target, formatter)
        lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        handler = _BoundedQueueHandler(lines, writer)
        listener = logging.handlers.QueueListener(lines, writer)
        logger = logging.getLogger("vizproxy")
        before = logger.level
        logger.setLevel(level.value.upper())
        logger.propagate = False
        logger.addHandler(handler)
        listener.start()
        try:
            yield writer
        finally:
            logger.removeHandler(handler)
            logger.propagate = True
            logger.setLevel(before)
            listener.stop()


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

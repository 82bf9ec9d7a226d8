"""The latest of what has happened, for people."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from vizproxy.broker.snapshot import Level, Notice

log = logging.getLogger(__name__)

MAX_NOTICES: Final = 50
_LOG_LEVELS: Final = {
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
}


def about(app: str) -> logging.LoggerAdapter[logging.Logger]:
    """The log, for lines about an app: they carry its id, which is its lease's if it has one."""
    return logging.LoggerAdapter(log, {"lease": app})


class Notices:
    """Keeps the last :data:`MAX_NOTICES` notices, and logs each."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._numbers = itertools.count(1)
        self._latest: deque[Notice] = deque(maxlen=MAX_NOTICES)

    def add(
        self, level: Level, kind: str, app: str | None, text: str, output: tuple[str, ...] = ()
    ) -> None:
        """Something has happened: a sentence about it, and the app that it is about.

        ``output`` is not logged.
        """
        self._latest.append(
            Notice(next(self._numbers), self._now(), level, kind, app, text, output)
        )
        (log if app is None else about(app)).log(_LOG_LEVELS[level], "%s", text)

    @property
    def latest(self) -> tuple[Notice, ...]:
        """The latest, oldest first."""
        return tuple(self._latest)

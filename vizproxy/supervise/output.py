"""What children say, in the log: tagged, and bounded for each of them.

A child may say anything at any rate, and the log is one for all. The last lines of each are kept by
:class:`~vizproxy.supervise.process.Child`, whatever the log leaves out.
"""

from __future__ import annotations

import logging
from typing import Final

from vizproxy.supervise.clock import Clock, TimerHandle
from vizproxy.supervise.process import Child

log = logging.getLogger(__name__)

BURST_LINES: Final = 100
"""How many lines a child may say at once."""

LINES_PER_SECOND: Final = 20
"""How many it may say in the long run."""

PAUSE_SECONDS: Final = 1.0
"""For how long nothing is logged of a child that has said too much: so that what is left out, and what
is logged, are pieces in which one can read."""


class OutputLog:
    """Logs what one run of a child says, at level DEBUG, by a token bucket."""

    def __init__(self, component: str, clock: Clock) -> None:
        self._component = component
        self._clock = clock
        self._room = float(BURST_LINES)
        self._filled = clock.time()
        self._left_out = 0
        self._pause: TimerHandle | None = None
        self._pid = 0

    def add(self, child: Child, text: str) -> None:
        """The child has said a line."""
        if not log.isEnabledFor(logging.DEBUG):
            return
        self._pid = child.pid
        if self._pause is None and self._take():
            self._say("%s", text)
            return
        self._left_out += 1
        if self._pause is None:
            self._pause = self._clock.call_later(PAUSE_SECONDS, self._resume)

    def end(self) -> None:
        """The child will say no more."""
        if self._pause is not None:
            self._pause.cancel()
            self._resume()

    def _take(self) -> bool:
        """Take the room for a line, if there is any."""
        now = self._clock.time()
        grown = self._room + (now - self._filled) * LINES_PER_SECOND
        self._room, self._filled = min(grown, float(BURST_LINES)), now
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def _resume(self) -> None:
        self._pause = None
        self._take()  # the note is a line, too
        number, self._left_out = self._left_out, 0
        self._say("%d line%s of output left out", number, "" if number == 1 else "s")

    def _say(self, message: str, *arguments: object) -> None:
        log.debug(message, *arguments, extra={"component": self._component, "pid": self._pid})

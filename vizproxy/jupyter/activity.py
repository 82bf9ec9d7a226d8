"""What counts as activity of the Jupyter server: use of the desktop, not its moving picture."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Final, Protocol

KEY: Final = "vizproxy"

_ACTING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OF_THE_PAGE: Final = frozenset({("PUT", "api/v1/display"), ("POST", "api/v1/session")})
"""What the page does by itself when it is opened, or its window is resized."""

_QUESTION: Final = "healthz"


class Request(Protocol):
    """What has to be known of a request."""

    @property
    def method(self) -> str | None:
        """``GET``, …"""

    @property
    def path(self) -> str:
        """The path, below the server's root."""


class Activity:
    """The time of the last use, told to the server in ``times``.

    The daemon tells of use as it happens: it sees what is typed and clicked. The proxy sees bytes
    alone, and a picture that moves makes the browser send some all the time.
    """

    def __init__(
        self,
        times: MutableMapping[str, datetime],
        *,
        changed: Callable[[datetime], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._times = times
        self._changed = changed
        self._now = now
        self._told = False

    def used(self, seconds: float) -> None:
        """The desktop was used, at that many seconds of the epoch."""
        self._told = True
        now = self._now()
        try:
            moment = min(datetime.fromtimestamp(seconds, UTC), now)
        except (ValueError, OverflowError, OSError):  # no time at all
            return
        if moment > self._times.get(KEY, datetime.min.replace(tzinfo=UTC)):
            self._times[KEY] = moment
            self._changed(moment)

    def listens(self) -> None:
        """The daemon will tell of use."""
        self._told = True

    def lost(self) -> None:
        """The daemon tells nothing any more."""
        self._told = False

    @property
    def counts_by_itself(self) -> bool:
        """Whether whatever passes is activity by itself, also what comes by a WebSocket.

        It is as long as the daemon does not tell of use, as jupyter-server-proxy has it by default: a
        session that was kept too long is better than one that was ended under its user.
        """
        return not self._told

    def counts(self, request: Request, root: str) -> bool:
        """Whether a request is activity by itself. ``root`` is the path of the desktop's page."""
        path = request.path.removeprefix(root).strip("/")
        if path == _QUESTION:
            return False
        if self.counts_by_itself:
            return True
        return request.method in _ACTING and (request.method, path) not in _OF_THE_PAGE

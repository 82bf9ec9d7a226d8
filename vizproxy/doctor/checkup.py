"""A check-up of the machine that the daemon runs on, as often as it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from vizproxy.config import Config
from vizproxy.display.plan import RenderingPlan
from vizproxy.doctor.case import make_case
from vizproxy.doctor.examine import examine
from vizproxy.doctor.model import Report
from vizproxy.doctor.running import look
from vizproxy.errors import NotReadyError
from vizproxy.facts.calls import DriverCalls
from vizproxy.facts.model import Machine

KEPT_SECONDS: Final = 2.0
"""How long a report is good for. Those who ask at once share one; who has mended something and asks
again gets another."""

PATIENCE_SECONDS: Final = 20.0
"""How long the look at the machine may take: more than the calls in it may, one after the other."""


class Checkup:
    """Examines the machine. There is one look at a time, off the event loop.

    ``probe`` is blocking and finds out what there is; ``status`` gives the desktop's status as the
    API does, and ``plan`` the plan in force. ``socket`` is the daemon's, and ``templates`` the
    directory of the X servers' configurations. ``clock`` counts seconds.
    """

    def __init__(
        self,
        *,
        config: Config,
        probe: Callable[[], Machine],
        status: Callable[[], Awaitable[Mapping[str, Any]]],
        plan: Callable[[], RenderingPlan],
        socket: Path,
        templates: Path,
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._probe = probe
        self._status = status
        self._plan = plan
        self._socket = socket
        self._templates = templates
        self._clock = clock
        self._calls = DriverCalls(PATIENCE_SECONDS, name="check-up")
        self._lock = asyncio.Lock()
        self._report: Report | None = None
        self._at = 0.0

    async def report(self) -> Report:
        """A report that is no older than :data:`KEPT_SECONDS`.

        Raises:
            NotReadyError: the machine cannot be looked at now.
        """
        async with self._lock:
            if self._report is None or self._clock() - self._at > KEPT_SECONDS:
                self._report = await self._examine()
                self._at = self._clock()
            return self._report

    async def _examine(self) -> Report:
        status = await self._status()
        desktop = await look(status, self._socket)
        plan = self._plan()

        def work() -> Report:
            machine = replace(self._probe(), desktop=desktop)
            case = make_case(machine, self._config, self._templates, plan=plan, here=True)
            return examine(case)

        try:
            return await self._calls.call(work)
        except TimeoutError as error:
            raise NotReadyError(
                "examine the machine", "it has not answered in time", "again in a minute"
            ) from error

"""The running desktop: what its parts know, put together for the API."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from vizproxy import __version__
from vizproxy.api.status import Health, Status, assess
from vizproxy.display.components import DisplayAddress
from vizproxy.display.plan import RenderingPlan
from vizproxy.errors import VizproxyError
from vizproxy.runtime import Layout
from vizproxy.supervise.status import ComponentStatus
from vizproxy.supervise.supervisor import Supervisor
from vizproxy.x11.screen import Screen


class Changes:
    """Counts the changes that the status shows, and wakes who waits for the next one."""

    def __init__(self) -> None:
        self.revision = 1
        self._next = asyncio.Event()

    def bump(self) -> None:
        """Something has changed."""
        self.revision += 1
        happened, self._next = self._next, asyncio.Event()
        happened.set()

    async def wait(self) -> None:
        """Return after the next change."""
        await self._next.wait()


class RunningDesktop:
    """Answers what handlers ask of the desktop.

    ``changes`` is bumped by every part of the desktop that the status shows. ``viewers``,
    ``listening`` and ``log_lines_lost`` are asked for at every status.
    """

    def __init__(
        self,
        *,
        changes: Changes,
        plan: RenderingPlan,
        layout: Layout,
        address: DisplayAddress,
        screen: Screen,
        viewers: Callable[[], int],
        listening: Callable[[], Sequence[str]],
        log_lines_lost: Callable[[], int],
    ) -> None:
        self._changes = changes
        self._plan = plan
        self._layout = layout
        self._address = address
        self._screen = screen
        self._viewers = viewers
        self._listening = listening
        self._log_lines_lost = log_lines_lost
        self._supervisor: Supervisor | None = None
        self._stopping = False

    def attach(self, supervisor: Supervisor) -> None:
        """Tell whose children these are; the supervisor and the desktop need each other."""
        self._supervisor = supervisor

    def begin_stopping(self) -> None:
        """From now on there is no picture for new viewers."""
        self._stopping = True
        self._changes.bump()

    @property
    def components(self) -> tuple[ComponentStatus, ...]:
        """The children, in the order of the graph."""
        return self._supervisor.snapshot() if self._supervisor is not None else ()

    async def status(self) -> Status:
        """What is known of the desktop now."""
        size = await self._screen.size_soon()
        components = self.components
        return Status(
            version=__version__,
            revision=self._changes.revision,
            health=assess(components, stopping=self._stopping),
            plan=self._plan.name.value,
            plan_reason=self._plan.reason,
            display=self._address.name,
            size=size,
            viewers=self._viewers(),
            components=components,
            environment=self._environment(),
            runtime_dir=str(self._layout.root),
            listening=tuple(self._listening()),
            log_lines_lost=self._log_lines_lost(),
        )

    async def status_after(self, revision: int, limit: float) -> Status:
        """The status as soon as it is newer than ``revision``, or after ``limit`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while self._changes.revision <= revision and not self._stopping:
                    await self._changes.wait()
        return await self.status()

    async def settled(self) -> VizproxyError | None:
        """Wait for the first picture, or for the failure to get one, and return that failure."""
        while True:
            health = self._health()
            if health.picture:
                return None
            if health.condition in {"failed", "stopping"}:
                return VizproxyError("show the desktop", health.summary, "`vizproxy status`")
            await self._changes.wait()

    def unready(self) -> str | None:
        """Why there is no picture to be served now; None when there is one."""
        health = self._health()
        return None if health.picture else health.summary

    def retry(self, component: str) -> bool:
        """Give a component another chance; False if it needs none. KeyError: there is none."""
        if self._supervisor is None:
            raise KeyError(component)
        return self._supervisor.retry(component)

    def _health(self) -> Health:
        return assess(self.components, stopping=self._stopping)

    def _environment(self) -> dict[str, str]:
        """What a program needs in its environment to appear on the desktop."""
        if self._address.name is None:
            return {}
        return {"DISPLAY": self._address.name, "XAUTHORITY": str(self._layout.xauthority)}

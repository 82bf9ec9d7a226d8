"""The running desktop: what its parts know, put together for the API."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence

from vizproxy import __version__
from vizproxy.api.status import Condition, Health, Status, assess
from vizproxy.broker import environment
from vizproxy.broker.environment import AppEnvironment, Displays
from vizproxy.broker.leases import Wish
from vizproxy.broker.snapshot import Snapshot
from vizproxy.changes import Changes
from vizproxy.config import Plan
from vizproxy.display.gpuhealth import GpuStatus
from vizproxy.display.inforce import PlanInForce
from vizproxy.display.numbers import DisplayAddress
from vizproxy.display.plan import choose_for_app
from vizproxy.display.recovery import Recovery
from vizproxy.errors import NotReadyError, VizproxyError
from vizproxy.runtime import Layout
from vizproxy.supervise.history import ComponentHistory
from vizproxy.supervise.machine import UP, State
from vizproxy.supervise.status import ComponentStatus
from vizproxy.supervise.supervisor import Supervisor
from vizproxy.x11.screen import Screen


class RunningDesktop:
    """Answers what handlers ask of the desktop.

    ``changes`` is bumped by every part of the desktop that the status shows. ``viewers``, ``apps``,
    ``last_activity``, ``listening``, ``log_lines_lost`` and ``gpu`` are asked for at every status, as
    is ``recovery``.
    """

    def __init__(
        self,
        *,
        changes: Changes,
        plan: PlanInForce,
        layout: Layout,
        address: DisplayAddress,
        address_3d: DisplayAddress | None,
        screen: Screen,
        viewers: Callable[[], int],
        apps: Callable[[], Snapshot],
        last_activity: Callable[[], float | None],
        listening: Callable[[], Sequence[str]],
        log_lines_lost: Callable[[], int],
        gpu: Callable[[], GpuStatus | None],
        recovery: Recovery,
    ) -> None:
        self._changes = changes
        self._plan = plan
        self._layout = layout
        self._address = address
        self._address_3d = address_3d
        self._screen = screen
        self._viewers = viewers
        self._apps = apps
        self._last_activity = last_activity
        self._listening = listening
        self._log_lines_lost = log_lines_lost
        self._gpu = gpu
        self._recovery = recovery
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

    @property
    def histories(self) -> tuple[ComponentHistory, ...]:
        """What the supervisor remembers of the children."""
        return self._supervisor.history() if self._supervisor is not None else ()

    @property
    def plan(self) -> Plan:
        """The rendering plan in force."""
        return self._plan.now.name

    @property
    def condition(self) -> Condition:
        """The desktop as a whole."""
        return self._health().condition

    def pids(self) -> frozenset[int]:
        """The PIDs of the desktop's own programs, and the daemon's, which is an X client as well."""
        return frozenset(c.pid for c in self.components if c.pid is not None) | {os.getpid()}

    async def follow(self, app_changes: Changes) -> None:
        """Pass on, for ever, those changes of apps that the status shows."""
        shown: object = None
        while True:
            status = self._apps()
            before, shown = shown, (len(status.apps), status.granted, status.warnings)
            if shown != before:
                self._changes.bump()
            await app_changes.wait()

    async def status(self) -> Status:
        """What is known of the desktop now."""
        size = await self._screen.size_soon()
        components, plan = self.components, self._plan.now
        return Status(
            version=__version__,
            revision=self._changes.revision,
            health=self._health(),
            plan=plan.name.value,
            plan_reason=plan.reason,
            plan_warning=plan.warning,
            display=self._address.name,
            size=size,
            viewers=self._viewers(),
            apps=self._apps(),
            components=components,
            environment=self._environment(),
            runtime_dir=str(self._layout.root),
            last_activity=self._last_activity(),
            listening=tuple(self._listening()),
            log_lines_lost=self._log_lines_lost(),
            gpu=self._gpu(),
            gpu_server_warning=self._recovery.warning,
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
        return assess(
            self.components,
            stopping=self._stopping,
            gpu=self._gpu(),
            falling_back=self._recovery.due,
        )

    async def ready_for_apps(self, limit: float) -> None:
        """Wait until apps can appear.

        Raises:
            NotReadyError: they can't within ``limit`` seconds, or never will; the text says why.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while not self._takes_apps() and not self._has_failed():
                    await self._changes.wait()
        if not self._takes_apps() or self._has_failed():
            raise NotReadyError(
                "start a program on the desktop", self._health().summary, "`vizproxy status`"
            )

    def _has_failed(self) -> bool:
        if self._recovery.due:
            return self._stopping
        return self._stopping or any(
            c.name == "xorg" and c.state is State.FATAL for c in self.components
        )

    def _takes_apps(self) -> bool:
        """Whether the X servers are up. The window manager is waited for unless it was given up."""
        if self._recovery.due:
            return False
        waited_for = [c for c in self.components if c.name in {"xorg", "xorg3d", "wm"}]
        return bool(waited_for) and all(
            c.state in UP or (c.state is State.FATAL and c.name != "xorg") for c in waited_for
        )

    def plan_for(self, wish: Wish) -> Plan:
        """How an app is drawn: as it asks, else as the desktop is, if its own side can do that.

        Raises:
            PlanError: it cannot be drawn as it asks.
        """
        plan = choose_for_app(wish.plan, self._plan.now.name, self._plan.facts)
        if wish.plan is None and plan in {Plan.VIRTUALGL, Plan.EGL} and not wish.virtualgl:
            return Plan.SOFTWARE
        return plan

    def downgrade(self, wish: Wish, plan: Plan) -> str:
        """Why an app is drawn by a lesser plan than the desktop's; empty if it isn't."""
        if wish.plan is not None or plan is self._plan.now.name:
            return ""
        return (
            f"{wish.program} is drawn in software: VirtualGL is not installed where it runs; "
            "install it there, too, or give its place as display.virtualgl_dir"
        )

    def environment_for(self, plan: Plan) -> AppEnvironment:
        """What an app needs in its environment to be drawn by a plan.

        Raises:
            NotReadyError: an X server that it needs is not up.
        """
        displays = self._displays()
        if displays is None:
            why = "the X server has not started yet"
            raise NotReadyError("tell the environment", why, "again in a moment")
        return environment.for_app(plan, displays)

    def environment(self) -> AppEnvironment | None:
        """What an app needs in its environment to be drawn as the desktop is; None: not known yet."""
        displays = self._displays()
        if displays is None:
            return None
        try:
            return environment.for_app(self._plan.now.name, displays)
        except NotReadyError:  # the 3D server is down: until it is back, in software
            return environment.for_app(Plan.SOFTWARE, displays)

    def _environment(self) -> dict[str, str]:
        """What a program needs in its environment to appear on the desktop."""
        displays = self._displays()
        return {} if displays is None else environment.for_shell(displays)

    def _displays(self) -> Displays | None:
        if self._address.name is None:
            return None
        up = {component.name for component in self.components if component.state in UP}
        three_d = self._address_3d.name if self._address_3d and "xorg3d" in up else None
        return Displays(
            self._plan.now.name,
            self._address.name,
            three_d,
            str(self._layout.xauthority),
            self._plan.facts.egl_display,
        )

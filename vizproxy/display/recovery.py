"""What is done when the X server on the GPU fails, and when the GPU is lost.

A server that runs when the GPU is lost is started anew: what it holds of the GPU is void, and it may
hang there for ever. One that was given up, for whatever reason and whether it had worked before or not,
leaves programs without anything to draw on: under ``auto``, the next best plan takes the place of its
plan, until the desktop's end. With a plan that was asked for, people are told, and the failure stands
in the status until somebody gives the server another chance, or the GPU is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from vizproxy.changes import Changes
from vizproxy.config import Plan
from vizproxy.display import xorglog
from vizproxy.display.gpuwatch import Tell
from vizproxy.display.inforce import PlanInForce
from vizproxy.display.plan import RenderingPlan
from vizproxy.errors import VizproxyError
from vizproxy.supervise.machine import UP, State
from vizproxy.supervise.status import ComponentStatus
from vizproxy.supervise.supervisor import Supervisor

_WAITING: Final = frozenset({State.DEGRADED, State.BACKOFF, State.FATAL})
_LOST: Final = "lost the GPU"
_CLOSED: Final = "all windows on the desktop were closed"


class Recovery:
    """Keeps something that can be drawn on.

    ``write`` writes the X servers' settings for a plan (blocking; VizproxyError: it cannot);
    ``changed`` is called when another plan is in force.
    """

    def __init__(
        self,
        plan: PlanInForce,
        *,
        write: Callable[[RenderingPlan], None],
        tell: Tell,
        changed: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._write = write
        self._tell = tell
        self._changed = changed
        self._supervisor: Supervisor | None = None
        self._loss = ""
        self._stuck = False
        self._moving = False
        self._ending = False
        self._told = ""

    def attach(self, supervisor: Supervisor) -> None:
        """Tell whose children the X servers are."""
        self._supervisor = supervisor

    def end(self) -> None:
        """From now on nothing is mended: the desktop is being ended."""
        self._ending = True

    # the GPU is lost, and back

    def gpu_lost(self, reason: str) -> None:
        """Start the X server on the GPU anew."""
        self._loss = reason
        server = self._plan.gpu_server
        if self._supervisor is not None and server is not None and not self._ending:
            self._supervisor.restart(server, f"{_LOST}: {reason}")

    def gpu_back(self) -> None:
        """Give the X server on the GPU another chance, if it waits for one."""
        self._loss = ""
        server = self._server()
        if server is None or server.state not in _WAITING or self._ending:
            return
        if self._supervisor is not None:
            self._supervisor.retry(server.name)

    def toll(self) -> str:
        """What users lose with the GPU, as a clause; empty if nothing."""
        server = self._server()
        if server is None or server.state not in UP:
            return ""
        direct = self._plan.now.name is Plan.DIRECT
        return _CLOSED if direct else "programs that drew on it have ended"

    # the next best plan

    @property
    def due(self) -> bool:
        """Whether another plan is about to take the place of the one in force."""
        return self._moving or (self._may_move() and self._given_up() is not None)

    @property
    def warning(self) -> str:
        """That the X server on the GPU was given up and nothing takes its place; empty if it is not so.

        It goes on from nothing: ``the X server on the GPU was given up: it …``.
        """
        server = self._given_up()
        if server is None or self.due:
            return ""
        return f"{failure(server, self._loss)}; try `vizproxy doctor`"

    async def follow(self, changes: Changes) -> None:
        """See to it, for ever, that the plan in force is one that works."""
        while True:
            server = self._given_up()
            if server is not None and self._may_move():
                await self._fall_back(server)
            else:
                self._tell_once(self.warning)
                await changes.wait()

    def _server(self) -> ComponentStatus | None:
        if self._supervisor is None:
            return None
        name = self._plan.gpu_server
        return next((c for c in self._supervisor.snapshot() if c.name == name), None)

    def _given_up(self) -> ComponentStatus | None:
        """The X server on the GPU, if it was given up."""
        server = self._server()
        given_up = server is not None and server.state is State.FATAL and not self._ending
        return server if given_up else None

    def _may_move(self) -> bool:
        """Whether another plan may take the place of the one in force, as far as is known."""
        return self._plan.may_change and not self._stuck

    def _tell_once(self, warning: str) -> None:
        if warning and warning != self._told:
            self._tell(logging.ERROR, "gpu_server", warning)
        self._told = warning

    async def _fall_back(self, server: ComponentStatus) -> None:
        before = self._plan.now
        why = failure(server, self._loss)
        plan = self._plan.next_after(why, gpu_lost=bool(self._loss))
        if before.name is Plan.DIRECT:
            self._moving = True
            self._plan.change(plan, why)
            try:
                await self._move_desktop(server.name, before)
            finally:
                self._moving = False
        elif self._supervisor is not None and self._supervisor.retire(server.name):
            self._plan.change(plan, why)
        if self._plan.now is plan:
            closed = before.name is Plan.DIRECT and server.was_ready
            toll = f"{_CLOSED}, since its X server was replaced: " if closed else ""
            self._tell(logging.WARNING, "plan", f"{toll}{plan.warning}")
        self._changed()

    async def _move_desktop(self, server: str, before: RenderingPlan) -> None:
        """Start the desktop's X server by the plan in force, with a driver that needs no GPU."""
        try:
            await asyncio.to_thread(self._write, self._plan.now)
        except VizproxyError as error:
            self._stuck = True
            self._plan.now = before
            self._tell(logging.ERROR, "plan", str(error))
        else:
            if self._supervisor is not None and not self._ending:
                self._supervisor.retry(server)


def failure(server: ComponentStatus, loss: str = "") -> str:
    """Why an X server on the GPU does not come up, as a clause; ``loss`` is why the GPU was lost."""
    said = xorglog.first_reason(server.output)
    more = f" ({said})" if said else ""
    how = f"was given up: it {server.reason}{more}"
    if loss and not server.reason.startswith(_LOST):
        return f"the GPU was lost: {loss}; the X server on it {how}"
    return f"the X server on the GPU {how}"

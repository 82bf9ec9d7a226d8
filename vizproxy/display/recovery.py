"""What is done when the X server on the GPU fails, and when the GPU is lost.

A server that was up when the GPU was lost is started anew: what it holds of the GPU is void, and it
may hang there for ever. One that has never come up cannot use this GPU at all: under ``auto``, the next
best plan takes the place of its plan. With a plan that was asked for, the failure stands in the status.

There is one case between the two. In the plan ``direct``, the desktop itself is on the GPU: if that is
lost and its server is given up, there would be no desktop until the GPU is back, so that counts, too.
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
from vizproxy.supervise.machine import State
from vizproxy.supervise.status import ComponentStatus
from vizproxy.supervise.supervisor import Supervisor

_WAITING: Final = frozenset({State.BACKOFF, State.FATAL})


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
        self._lost = False
        self._stuck = False
        self._moving = False

    def attach(self, supervisor: Supervisor) -> None:
        """Tell whose children the X servers are."""
        self._supervisor = supervisor

    # the GPU is lost, and back

    def gpu_lost(self, reason: str) -> None:
        """Start the X server on the GPU anew."""
        self._lost = True
        server = self._plan.gpu_server
        if self._supervisor is not None and server is not None:
            self._supervisor.restart(server, f"lost the GPU: {reason}")

    def gpu_back(self) -> None:
        """Give the X server on the GPU another chance, if it waits for one."""
        self._lost = False
        server = self._server()
        if self._supervisor is not None and server is not None and server.state in _WAITING:
            self._supervisor.retry(server.name)

    # the next best plan

    @property
    def due(self) -> bool:
        """Whether another plan is about to take the place of the one in force."""
        return self._moving or self._hopeless() is not None

    async def follow(self, changes: Changes) -> None:
        """See to it, for ever, that the plan in force is one that works."""
        while True:
            server = self._hopeless()
            if server is not None:
                await self._fall_back(server)
            else:
                await changes.wait()

    def _server(self) -> ComponentStatus | None:
        if self._supervisor is None:
            return None
        name = self._plan.gpu_server
        return next((c for c in self._supervisor.snapshot() if c.name == name), None)

    def _hopeless(self) -> ComponentStatus | None:
        """The X server on the GPU, if it was given up and will not do, and there is another way."""
        if not self._plan.may_change or self._stuck:
            return None
        server = self._server()
        if server is None or server.state is not State.FATAL:
            return None
        desktop_lost = self._lost and self._plan.now.name is Plan.DIRECT
        return server if not server.was_ready or desktop_lost else None

    async def _fall_back(self, server: ComponentStatus) -> None:
        before = self._plan.now
        why = failure(server)
        plan = self._plan.next_after(why)
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
            self._tell(logging.WARNING, "plan", plan.warning)
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
            if self._supervisor is not None:
                self._supervisor.retry(server)


def failure(server: ComponentStatus) -> str:
    """Why an X server on the GPU does not come up, as a clause."""
    said = xorglog.first_reason(server.output)
    more = f" ({said})" if said else ""
    return f"the X server on the GPU was given up: it {server.reason}{more}"

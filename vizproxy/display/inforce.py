"""The rendering plan in force: chosen at the start, and another one once it turns out not to work."""

from __future__ import annotations

from typing import Final

from vizproxy.config import Display, Plan
from vizproxy.display.plan import Facts, RenderingPlan, choose

_SERVERS: Final = {Plan.VIRTUALGL: "xorg3d", Plan.DIRECT: "xorg"}
"""The X server that draws on the GPU, by its component's name."""


class PlanInForce:
    """The plan that the desktop runs by now; ``display`` and ``facts`` are what it was chosen from."""

    def __init__(self, display: Display, facts: Facts, plan: RenderingPlan) -> None:
        self.facts = facts
        self.now = plan
        self._display = display
        self._failed: dict[Plan, str] = {}

    @property
    def gpu_server(self) -> str | None:
        """The name of the component that is an X server on the GPU, if there is one."""
        return _SERVERS.get(self.now.name)

    @property
    def may_change(self) -> bool:
        """Whether another plan may take its place: one that was asked for is carried out or fails."""
        return self._display.plan is Plan.AUTO

    def next_after(self, why: str, *, gpu_lost: bool = False) -> RenderingPlan:
        """The plan to be tried now that this one does not work; ``why`` is a clause.

        On a GPU that is lost nothing draws, with or without an X server.
        """
        failed = {**self._failed, self.now.name: why} | ({Plan.EGL: why} if gpu_lost else {})
        return choose(self._display, self.facts, failed)

    def change(self, plan: RenderingPlan, why: str) -> None:
        """From now on, another plan is in force."""
        self._failed[self.now.name] = why
        self.now = plan

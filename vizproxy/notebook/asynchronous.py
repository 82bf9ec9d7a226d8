"""The desktop as coroutines."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping

from vizproxy.notebook.core import ActivityName, Command, Core, PlanName
from vizproxy.notebook.values import App


class AsyncDesktop(Core):
    """The desktop, for programs that have an event loop, and for a notebook's ``await``.

    It has all that :class:`vizproxy.Desktop` has, which explains it. What asks the daemon is a
    coroutine, also ``apps()``, ``windows()`` and ``status()``; ``display`` is an attribute.

    ::

        desktop = AsyncDesktop()
        brain, surface = await asyncio.gather(desktop.run("voreen"), desktop.run("paraview"))
        await desktop.wait_for_window(brain)
        picture = await desktop.screenshot()
    """

    async def run(
        self,
        command: Command,
        *,
        name: str | None = None,
        framebuffer: int | str | None = None,
        plan: PlanName | None = None,
        activity: ActivityName | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> App:
        """Start a program with a lease on the framebuffer: :meth:`vizproxy.Desktop.run`."""
        app, to_know = await self.start(
            command,
            name=name,
            framebuffer=framebuffer,
            plan=plan,
            activity=activity,
            cwd=cwd,
            env=env,
        )
        for text in to_know:
            warnings.warn(text, stacklevel=2)
        return app

"""A broker, and stand-ins for the desktop and the apps around it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, cast

from tests.unit.broking import LIMITS, client, scene, window, wish
from tests.unit.fakes import idle
from vizproxy.broker import processes
from vizproxy.broker.broker import Broker, Policy
from vizproxy.broker.leases import Lease, Limits, Wish
from vizproxy.changes import Changes
from vizproxy.config import OverUse, Plan
from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.errors import DisplayError
from vizproxy.x11.observer import Observer
from vizproxy.x11.scene import EMPTY, Client, Scene, Window
from vizproxy.x11.session import XSession

WARN = Policy(OverUse.WARN, grace=10.0, close_timeout=5.0)
STOP = Policy(OverUse.STOP, grace=10.0, close_timeout=5.0)
NO_TIME = Policy(OverUse.WARN, grace=10.0, close_timeout=0.0)


def base(number: int) -> int:
    return number << 21


class FakeObserver:
    """Sees what a test says; ``fails`` while the X server cannot be asked."""

    def __init__(self) -> None:
        self.scene: Scene = EMPTY
        self.next_scene: Scene | None = None
        self.fails = False
        self.readings = 0

    async def refresh(self) -> Scene:
        self.readings += 1
        if self.fails:
            raise DisplayError("read the windows", "the X server is not running")
        self.scene, self.next_scene = self.next_scene or self.scene, None
        return self.scene


class FakeSession:
    """Notes what is to be done on the X server, as ``ask 0x…`` and ``cut 0x…``."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails = False

    async def call(self, job: partial[object]) -> None:
        names = {"_ask_to_close": "ask", "_cut_client": "cut"}
        (target,) = job.args
        self.done.append(f"{names[job.func.__name__]} {target:#x}")
        if self.fails:
            raise DisplayError("reach the X server", "the connection was lost")


class Holder:
    """An app's own side. ``on_look`` is what it does when it is asked for its PIDs."""

    def __init__(self, on_look: Callable[[], None] = lambda: None) -> None:
        self.told: list[str] = []
        self.on_look = on_look
        self.bug: Exception | None = None

    async def look(self) -> None:
        self.told.append("look")
        self.on_look()

    async def stop(self, grace: float) -> None:
        self.told.append(f"stop {grace:g}")
        if self.bug is not None:
            raise self.bug

    async def release(self, reason: str) -> None:
        self.told.append(f"release: {reason}")


class Desk:
    """A broker whose desktop and time are a test's."""

    def __init__(
        self, policy: Policy = WARN, limits: Limits = LIMITS, changes: Changes | None = None
    ) -> None:
        self.now = 1000.0
        self.observer = FakeObserver()
        self.session = FakeSession()
        self.changes = changes or Changes()
        self.gpu: GpuFramebuffer | None = None
        self.own: frozenset[int] = frozenset()
        self.choose: Callable[[Wish], Plan] = lambda _: Plan.SOFTWARE
        self.namespace = processes.own_pid_namespace()
        self.broker = Broker(
            limits=limits,
            policy=policy,
            session=cast(XSession, self.session),
            observer=cast(Observer, self.observer),
            choose_plan=self._choose,
            own_pids=lambda: self.own,
            gpu=lambda: self.gpu,
            changes=self.changes,
            now=lambda: self.now,
            clock=lambda: self.now,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """The broker's own task; a bug in it fails the test."""
        task = asyncio.create_task(self.broker.run())
        await self.quiet()
        try:
            yield task
            assert not task.done() or task.cancelled(), "the broker has ended by itself"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def quiet(self) -> None:
        """Return when the broker has done all that there is to do."""
        broker = self.broker
        await idle()
        while broker._wake.is_set() or broker._renewing.locked():
            await idle()
        await idle()

    async def sees(self, *things: Client | Window) -> None:
        """The desktop changes to this, and all that follows from it happens."""
        self.observer.scene = scene(*things)
        await self.again()

    async def again(self) -> None:
        """The broker looks once more at what there is."""
        self.broker.scene_changed()
        await self.quiet()

    async def passes(self, seconds: float) -> None:
        self.now += seconds
        await self.again()

    async def starts(
        self,
        name: str = "voreen",
        framebuffer: int | None = None,
        *,
        pids: tuple[int, ...] = (),
        holder: Holder | None = None,
        **changed: Any,
    ) -> Lease:
        """An app of the daemon's own namespace gets a lease, and all that follows happens."""
        asked = wish(name, framebuffer, **({"pid_namespace": self.namespace} | changed))
        lease = await self.broker.admit(asked, holder or Holder(), pids=pids)
        await self.quiet()
        return lease

    def _choose(self, asked: Wish) -> Plan:
        return self.choose(asked)

    # what a test asks

    def apps(self) -> list[str]:
        return [app.id for app in self.broker.snapshot().apps]

    def windows(self) -> dict[int, str]:
        return {owned.window.id: owned.app for owned in self.broker.snapshot().windows}

    def notices(self) -> list[tuple[str, str, str | None]]:
        notices = self.broker.snapshot().notices
        return [(notice.level.value, notice.kind, notice.app) for notice in notices]


def shown(
    number: int, pid: int | None, pixmaps: int = 0, /, **changed: Any
) -> list[Client | Window]:
    """An X client with one window."""
    changed = {"instance": f"x{number}"} | changed
    at = base(number)
    return [client(at, pid, pixmaps), window(at + 1, at, **changed)]

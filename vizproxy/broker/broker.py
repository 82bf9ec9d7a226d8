"""The broker: applies the rules of :mod:`vizproxy.broker.leases` to what happens on the desktop.

All decisions are made on the event loop, from the ledger of leases and the accounts of the last scene.
The accounts are renewed when the observer reports a change, when an app's own side reports PIDs, and
when a deadline passes; nothing is polled here. Before an X client that is new is taken for a stranger,
the apps' own sides are asked for their PIDs: a program may have forked since they last told them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from Xlib.display import Display

from vizproxy.amounts import amount_text
from vizproxy.broker import leases, processes
from vizproxy.broker.accounts import Accounts
from vizproxy.broker.attribution import Surroundings
from vizproxy.broker.counts import Counts
from vizproxy.broker.leases import Lease, Ledger, Limits, Wish
from vizproxy.broker.notices import Notices, about
from vizproxy.broker.overuse import OverUseWatch
from vizproxy.broker.snapshot import App, Level, Snapshot, over_use_text
from vizproxy.changes import Changes
from vizproxy.config import OverUse, Plan
from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.errors import (
    AdmissionError,
    DisplayError,
    NoSuchAppError,
    NotReadyError,
    WindowGoneError,
)
from vizproxy.x11 import actions
from vizproxy.x11.observer import Observer
from vizproxy.x11.scene import Scene
from vizproxy.x11.session import XSession

log = logging.getLogger(__name__)

LINGER_SECONDS: Final = 10.0
"""How long a lease outlives its program once what that has forked shows nothing any more."""

START_SECONDS: Final = 300.0
"""How long a lease outlives its program while what that has forked has never shown anything."""

LOOK_SECONDS: Final = 1.0
"""How long an app's own side has to tell its PIDs."""

BACKSTOP_SECONDS: Final = 2.0
"""How long after its time to end an app's X clients are cut off, if its own side has not ended it."""


class Holder(Protocol):
    """An app's own side: whoever holds its lease."""

    async def look(self) -> None:
        """Ask for the PIDs; return when they were reported, or when it takes too long."""

    async def stop(self, grace: float) -> None:
        """Tell the app to end; what has not ended after ``grace`` seconds is to be killed."""

    async def release(self, reason: str) -> None:
        """Say that the lease has ended."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to an app that has used too much for ``grace`` seconds.

    ``close_timeout`` is how long an app may take to end, in seconds.
    """

    over_use: OverUse
    grace: float
    close_timeout: float


class Broker:
    """Lets apps onto the desktop, and knows what belongs to whom.

    ``choose_plan`` maps what an app asks for to the plan by which it is drawn (PlanError: none);
    ``own_pids`` tells the PIDs of the desktop's own programs; ``gpu`` the GPU's framebuffer, if there
    is one. ``changes`` is bumped when a snapshot differs from the last one. ``now`` tells the time of
    day, ``clock`` a time that never jumps, both in seconds.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        policy: Policy,
        session: XSession,
        observer: Observer,
        choose_plan: Callable[[Wish], Plan],
        own_pids: Callable[[], AbstractSet[int]],
        gpu: Callable[[], GpuFramebuffer | None],
        changes: Changes,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._policy = policy
        self._session = session
        self._observer = observer
        self._choose_plan = choose_plan
        self._own_pids = own_pids
        self._gpu = gpu
        self._changes = changes
        self._now = now
        self._clock = clock
        self._numbers = itertools.count(1)
        self._ledger = Ledger()
        self._accounts = Accounts()
        self._around = Surroundings("")
        self._holders: dict[str, Holder] = {}
        self._stopping: frozenset[str] = frozenset()
        self._strangers: frozenset[int] = frozenset()
        self._over = OverUseWatch()
        self._idle_until: Mapping[str, float] = {}
        self._released: frozenset[str] = frozenset()
        self._notices = Notices(now)
        self._counts = Counts()
        self._wake = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None

    # the course of things

    async def run(self) -> None:
        """Follow what happens, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            while True:
                self._wake.clear()
                await self._renew()
                deadline = self._next_deadline()
                try:
                    async with asyncio.timeout(deadline and max(deadline - self._clock(), 0)):
                        await self._wake.wait()
                except TimeoutError:
                    pass  # a deadline has passed

    def announce(self, level: Level, kind: str, text: str) -> None:
        """Tell something that has happened to the desktop, and is about no app."""
        self._notices.add(level, kind, None, text)
        self._changes.bump()

    def limit(self, limits: Limits) -> None:
        """From now on other limits hold, for whoever comes; grants that were given stay."""
        if limits != self._limits:
            self._limits = limits
            self._changes.bump()

    def scene_changed(self) -> None:
        """The observer sees something new, or the GPU's framebuffer was read again."""
        self._wake.set()

    async def look_again(self) -> None:
        """Read the scene and bring the accounts up to date now, where much depends on them."""
        try:
            await self._observer.refresh()
        except DisplayError as error:
            log.debug("the last known scene decides: %s", error)
        await self._renew()

    async def _renew(self) -> None:
        """Bring the accounts up to date, and do what follows from them."""
        async with self._renewing:
            before = self.snapshot()
            scene = self._observer.scene
            self._around = around = await self._surroundings(scene)
            seen = self._accounts.without_adoption(scene, self._ledger, around)
            unknown = seen.unknown_clients()
            if self._holders and unknown - self._strangers:
                await asyncio.gather(*(holder.look() for holder in tuple(self._holders.values())))
            self._strangers = unknown
            self._accounts = self._accounts.renewed(
                scene,
                self._ledger,
                around,
                self._gpu(),
                number=lambda: next(self._numbers),
                now=self._now(),
            )
            self._ledger = self._ledger.shown(self._accounts.attribution.leased)
            self._judge_over_use()
            self._release_the_idle()
            if self.snapshot() != before:
                self._changes.bump()

    async def _surroundings(self, scene: Scene) -> Surroundings:
        pids = frozenset(client.pid for client in scene.clients if client.pid is not None)
        return await asyncio.to_thread(processes.look_around, pids, self._own_pids())

    def _next_deadline(self) -> float | None:
        deadlines = [at for x, at in self._idle_until.items() if x not in self._released]
        if (over := self._over.next_deadline(self._policy.grace)) is not None:
            deadlines.append(over)
        return min(deadlines, default=None)

    def _judge_over_use(self) -> None:
        apps = {app.id: app for app in self._apps()}
        over = {app.id for app in apps.values() if app.over}
        self._over, late = self._over.next(over, self._clock(), self._policy.grace)
        for app_id in sorted(late):
            self._counts.over_uses += 1
            text = over_use_text(app_id, apps[app_id].use, apps[app_id].granted)
            if self._policy.over_use is OverUse.STOP:
                self._notices.add(Level.ERROR, "over_use", app_id, f"{text}: it is being ended")
                self._start(self._stop_if_there(app_id))
            else:
                self._notices.add(Level.WARNING, "over_use", app_id, text)

    def _release_the_idle(self) -> None:
        """End the leases of programs that have ended and left behind what shows nothing."""
        shown = self._accounts.attribution.leased
        now = self._clock()
        self._idle_until = {
            lease.id: self._idle_until.get(
                lease.id, now + (LINGER_SECONDS if lease.shown else START_SECONDS)
            )
            for lease in self._ledger.leases.values()
            if not lease.root_alive and lease.id not in shown
        }
        late = {lease_id for lease_id, until in self._idle_until.items() if now >= until}
        for lease_id in late - self._released:
            self._start(self._holders[lease_id].release("what is left of it shows nothing"))
        self._released = frozenset(late)

    def _start(self, work: Coroutine[None, None, object]) -> None:
        try:
            if self._tasks is not None:
                self._tasks.create_task(work)
                return
        except RuntimeError:
            log.debug("the broker has ended")
        work.close()
        raise NotReadyError(
            "act on an app", "the desktop is starting or being ended", "again in a moment"
        )

    # leases

    async def admit(self, wish: Wish, holder: Holder, *, pids: Iterable[int] = ()) -> Lease:
        """Give an app a lease.

        Raises:
            AdmissionError: there is no room.
            PlanError: it cannot be drawn as it asks.
        """
        plan = self._choose_plan(wish)
        await self.look_again()
        # One that comes back after its connection was lost was adopted meanwhile: it must not stand in
        # its own way.
        itself = Lease(0, wish, 0, plan, self._now(), frozenset(pids))
        claimed = self._accounts.claimed(self._ledger.admitted(itself), self._around)
        standing = claimed.standing(self._ledger)
        try:
            granted = leases.grant_for(wish, self._ledger, standing, self._limits)
        except AdmissionError as error:
            if not wish.again:  # else it runs, and asks every now and then
                self._counts.refused[error.reason] += 1
                self._notices.add(Level.WARNING, "refused", None, error.message)
                self._changes.bump()
            raise
        slot = self._counts.slots.label(wish.name)
        lease = replace(itself, number=next(self._numbers), granted=granted, slot=slot)
        self._ledger = self._ledger.admitted(lease)
        self._holders[lease.id] = holder
        self._counts.admitted += 1
        amount = amount_text(granted)
        told = (lease.id, amount, plan.value)
        about(lease.id).info("%s got a lease: %s of framebuffer, plan %s", *told)
        self._wake.set()
        self._changes.bump()
        return lease

    def report(self, lease_id: str, pids: Iterable[int], *, root_alive: bool) -> None:
        """An app's own side tells the PIDs of its process tree, and whether its root lives."""
        ledger = self._ledger.reported(lease_id, pids, root_alive=root_alive)
        if ledger != self._ledger:
            self._ledger = ledger
            self._wake.set()
            self._changes.bump()

    def report_use(self, lease_id: str, cpu_seconds: float, resident_bytes: int) -> None:
        """An app's own side tells the CPU time and the memory of its processes.

        The CPU time is counted from the app's start on. It is told every few seconds at most, and if it
        has changed noticeably, so each time is passed on.
        """
        ledger = self._ledger.used(lease_id, cpu_seconds, resident_bytes)
        if ledger != self._ledger:
            self._counts.cpu_time(self._ledger.leases[lease_id], ledger.leases[lease_id])
            self._ledger = ledger
            self._changes.bump()

    def end(
        self, lease_id: str, reason: str, *, failed: bool = False, output: tuple[str, ...] = ()
    ) -> None:
        """End a lease. Nothing happens if it has ended before.

        ``output`` is what the app said last. It may be anything, so it goes to its user alone.
        """
        if lease_id not in self._ledger.leases:
            return
        self._ledger = self._ledger.ended(lease_id)
        self._holders.pop(lease_id, None)
        if failed and lease_id not in self._stopping:
            self._notices.add(Level.ERROR, "failed", lease_id, f"{lease_id} {reason}", output)
        else:
            about(lease_id).info("the lease of %s has ended: %s", lease_id, reason)
        self._stopping -= {lease_id}
        self._wake.set()
        self._changes.bump()

    # ending apps

    async def stop(self, app_id: str) -> App:
        """Begin to end an app, politely at first; return it.

        Raises:
            NoSuchAppError: there is none of that id.
        """
        app = self.app(app_id)
        if app_id in self._stopping:
            return app
        self._stopping |= {app_id}
        self._changes.bump()
        about(app_id).info("%s is being ended", app_id)
        grace = self._policy.close_timeout
        holder = self._holders.get(app_id)
        self._start(self._cut_off(app_id, grace + (BACKSTOP_SECONDS if holder is not None else 0)))
        if holder is not None:
            await holder.stop(grace)
        else:
            for window in app.windows:
                await self._on_display(partial(_ask_to_close, window))
        return self.app(app_id) if self.snapshot().app(app_id) else app

    async def _stop_if_there(self, app_id: str) -> None:
        try:
            await self.stop(app_id)
        except NoSuchAppError:
            pass  # it has just ended by itself

    async def _cut_off(self, app_id: str, grace: float) -> None:
        """Close what X clients an app still has when its time to end is over."""
        if not await self.until(lambda: self._has_ended(app_id), grace):
            await self.look_again()  # an X client that has come meanwhile may have got the number
            for client in self._accounts.clients_of(app_id):
                text = "%s does not end; its connection to the X server is cut"
                about(app_id).warning(text, app_id)
                await self._on_display(partial(_cut_client, client.base))
        self._stopping -= {app_id}
        self._changes.bump()

    def _has_ended(self, app_id: str) -> bool:
        return app_id not in self._ledger.leases and not self._accounts.clients_of(app_id)

    async def until(self, condition: Callable[[], bool], limit: float) -> bool:
        """Wait until a condition on what the broker knows holds; False if it takes too long."""
        try:
            async with asyncio.timeout(limit):
                while not condition():
                    await self._changes.wait()
        except TimeoutError:
            return False
        return True

    async def _on_display(self, action: Callable[[Display], object]) -> None:
        try:
            await self._session.call(action)
        except (DisplayError, WindowGoneError) as error:
            log.debug("%s", error)

    # what is known

    def app(self, app_id: str) -> App:
        """The app of an id. Raises NoSuchAppError if there is none."""
        app = self.snapshot().app(app_id)
        if app is None:
            raise NoSuchAppError(
                f"find the app {app_id!r}", "there is none of that id", "`vizproxy apps`"
            )
        return app

    def _apps(self) -> tuple[App, ...]:
        return self._accounts.apps(self._ledger, self._limits, self._stopping)

    def snapshot(self) -> Snapshot:
        """All that is known now."""
        apps = self._apps()
        return Snapshot(
            apps=apps,
            windows=self._accounts.windows(),
            limits=self._limits,
            granted=self._ledger.granted,
            used=sum(app.use.bytes for app in apps),
            unattributed=self._accounts.attribution.unattributed,
            gpu=self._accounts.gpu,
            notices=self._notices.latest,
            tally=self._counts.tally,
        )


def _ask_to_close(window: int, display: Display) -> None:
    actions.ask_to_close(display, window)


def _cut_client(base: int, display: Display) -> None:
    actions.kill_x_client(display, base)

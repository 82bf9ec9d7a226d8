"""The rules by which apps share the framebuffer, as pure functions.

A *lease* is one app's right to draw: it holds a part of the budget, its grant, until it ends. All that
is known at one moment is a :class:`Ledger`, which is never changed: each operation returns the next
one. Amounts are in bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vizproxy.amounts import amount_text
from vizproxy.broker.slots import OTHER
from vizproxy.config import Activity, Plan
from vizproxy.errors import AdmissionError

MAX_NAME_CHARS: Final = 40
_NAMED_IN_REFUSAL: Final = 5
_NOT_IN_ID: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Limits:
    """What all apps share, and what one gets that asks for no amount."""

    max_apps: int
    framebuffer: int
    share: int


def limits_for(max_apps: int, framebuffer: int, share: int | None) -> Limits:
    """The limits; without a ``share``, one that lets ``max_apps`` apps in."""
    return Limits(
        max_apps, framebuffer, max(framebuffer // max_apps, 1) if share is None else share
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """What an app asks for. Without ``framebuffer`` it gets the usual share.

    ``program`` is the base name of its program. ``machine`` and ``pid_namespace`` tell where its PIDs
    are valid: the host name and the kernel's name of the namespace (``pid:[4026531836]``).
    """

    name: str
    program: str
    framebuffer: int | None = None
    plan: Plan | None = None
    machine: str = ""
    pid_namespace: str = ""
    virtualgl: bool = False
    activity: Activity | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """One app's right to draw. ``number`` grows with every app and is never given twice.

    ``root_alive`` tells whether the program that was started still runs; ``pids`` are those of its
    process tree, in its own namespace; ``shown`` whether it has ever reached the desktop; ``slot`` is
    what metrics call it. ``cpu_seconds`` and ``resident_bytes`` are what its processes use, as its own
    side has told it.
    """

    number: int
    wish: Wish
    granted: int
    plan: Plan
    started: float
    pids: frozenset[int] = frozenset()
    root_alive: bool = True
    shown: bool = False
    slot: str = OTHER
    cpu_seconds: float | None = None
    resident_bytes: int | None = None

    @property
    def id(self) -> str:
        """What people call it: ``voreen-1``."""
        return app_id(self.wish.name, self.number)


def app_id(name: str, number: int) -> str:
    """The id of an app: its name, in letters that need no quoting anywhere, and its number."""
    slug = _NOT_IN_ID.sub("-", name.lower()).strip("-")
    return f"{slug or 'app'}-{number}"


@dataclass(frozen=True, slots=True)
class Use:
    """What an app uses: bytes of X pixmaps, and of the GPU's framebuffer where that is known.

    The two lie in different memories, except on a server that draws on the GPU itself; either of them
    is held against the grant.
    """

    pixmap_bytes: int = 0
    gpu_bytes: int | None = None

    @property
    def bytes(self) -> int:
        """What is held against the grant."""
        return max(self.pixmap_bytes, self.gpu_bytes or 0)


NOTHING: Final = Use()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in use at one moment: by each lease (id → use), and by apps without one (name → use).

    ``gpu_free`` is what the GPU's framebuffer has left, whoever uses the rest; None where there is no
    GPU.
    """

    leased: Mapping[str, Use] = field(default_factory=dict)
    unleased: tuple[tuple[str, Use], ...] = ()
    gpu_free: int | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every lease that holds at one moment, by its id, in the order of their start."""

    leases: Mapping[str, Lease] = field(default_factory=dict)

    @property
    def granted(self) -> int:
        """The sum of all grants."""
        return sum(lease.granted for lease in self.leases.values())

    def admitted(self, lease: Lease) -> Ledger:
        """The ledger with one lease more. ValueError: there is one of that id."""
        if lease.id in self.leases:
            raise ValueError(f"there is a lease {lease.id}")
        return Ledger({**self.leases, lease.id: lease})

    def ended(self, lease_id: str) -> Ledger:
        """The ledger without a lease; the same one if it has ended before."""
        if lease_id not in self.leases:
            return self
        return Ledger({key: lease for key, lease in self.leases.items() if key != lease_id})

    def reported(self, lease_id: str, pids: Iterable[int], *, root_alive: bool) -> Ledger:
        """The ledger after an app's own side has told its PIDs. A root that ended stays so."""
        lease = self.leases.get(lease_id)
        if lease is None:
            return self
        alive = root_alive and lease.root_alive
        return self._with(replace(lease, pids=frozenset(pids), root_alive=alive))

    def used(self, lease_id: str, cpu_seconds: float, resident_bytes: int) -> Ledger:
        """The ledger after an app's own side has told what it uses. CPU time never shrinks."""
        lease = self.leases.get(lease_id)
        if lease is None:
            return self
        cpu_seconds = max(cpu_seconds, lease.cpu_seconds or 0.0)
        return self._with(replace(lease, cpu_seconds=cpu_seconds, resident_bytes=resident_bytes))

    def shown(self, lease_ids: Iterable[str]) -> Ledger:
        """The ledger after apps were seen on the desktop."""
        ledger = self
        for lease_id in lease_ids:
            lease = ledger.leases.get(lease_id)
            if lease is not None and not lease.shown:
                ledger = ledger._with(replace(lease, shown=True))
        return ledger

    def _with(self, lease: Lease) -> Ledger:
        return Ledger({**self.leases, lease.id: lease})


REFUSALS: Final = ("too_many_apps", "framebuffer_full", "gpu_full")
"""The limits that may stand in a lease's way, as :class:`AdmissionError` names them."""


def grant_for(wish: Wish, ledger: Ledger, standing: Standing, limits: Limits) -> int:
    """Decide whether an app is let in; return the bytes that it is granted.

    Room is what the budget leaves after the grants, or what is used of the framebuffer where that is
    more, and after what apps without a lease use. So the sum of all grants never exceeds the budget.
    What is granted must also be left on the GPU: others may use it who draw nothing here.

    Raises:
        AdmissionError: there is no room. The text names the limit, what is asked and who has what.
    """
    apps = len(ledger.leases) + len(standing.unleased)
    if apps >= limits.max_apps:
        raise _refusal(
            wish,
            f"{_counted(apps)} on the desktop and broker.max_apps is {limits.max_apps}",
            "too_many_apps",
            ledger,
            standing,
        )
    asked = limits.share if wish.framebuffer is None else wish.framebuffer
    held = _held(ledger, standing)
    room = limits.framebuffer - sum(amount for _, amount in held)
    if asked > max(room, 0):
        raise _refusal(
            wish,
            f"it asks for {amount_text(asked)} of framebuffer, and {_free(room, limits)}",
            "framebuffer_full",
            ledger,
            standing,
        )
    if standing.gpu_free is not None and asked > standing.gpu_free:
        free = amount_text(max(standing.gpu_free, 0), math.floor)
        why = f"it asks for {amount_text(asked)} of framebuffer, and the GPU has {free} left"
        raise _refusal(wish, why, "gpu_full", ledger, standing)
    return asked


def _counted(apps: int) -> str:
    return "1 app is" if apps == 1 else f"{apps} apps are"


def _free(room: int, limits: Limits) -> str:
    budget = f"of the budget of {amount_text(limits.framebuffer)}"
    if room <= 0:
        return f"nothing {budget} is free"
    return f"{amount_text(room, math.floor)} {budget} are free"


def _held(ledger: Ledger, standing: Standing) -> list[tuple[str, int]]:
    """Who holds how much of the budget."""
    leased = [
        (key, max(lease.granted, standing.leased.get(key, NOTHING).bytes))
        for key, lease in ledger.leases.items()
    ]
    return leased + [(name, use.bytes) for name, use in standing.unleased]


def _refusal(wish: Wish, why: str, code: str, ledger: Ledger, standing: Standing) -> AdmissionError:
    held = sorted(_held(ledger, standing), key=lambda part: -part[1])
    shown = [f"{name} has {amount_text(amount)}" for name, amount in held[:_NAMED_IN_REFUSAL]]
    if more := len(held) - len(shown):
        rest = amount_text(sum(amount for _, amount in held[len(shown) :]))
        shown.append(f"{more} more {'has' if more == 1 else 'have'} {rest}")
    users = f" ({', '.join(shown)})" if shown else ""
    hint = "ending one of them (`vizproxy apps stop ID`)" if held else "a smaller --framebuffer"
    if held and code != "too_many_apps":
        hint += ", or a smaller --framebuffer"
    return AdmissionError(f"start {wish.name}", f"{why}{users}", hint, reason=code)


def over_grant(granted: int, use: Use) -> bool:
    """Whether an app uses more than it was granted."""
    return use.bytes > granted

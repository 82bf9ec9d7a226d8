"""How fast the daemon's counters grow, from what it measured at one moment and at the next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

Measured = Mapping[str, Any]
"""What the daemon measured at one moment, as ``GET /api/v1/measurements`` gives it."""

RENEWAL_SECONDS: Final = 5.0
"""How often the daemon reads what processes use, and how often an app's own side tells it at most."""

LATE_SECONDS: Final = 1.0
"""How late a renewal may be: a reading takes its time."""

DAEMON: Final = "daemon"
"""The key of the daemon's own process among the CPU rates."""


def component_key(name: str) -> str:
    """The key of a child among the CPU rates."""
    return f"component {name}"


def app_key(app_id: str) -> str:
    """The key of an app among the CPU rates."""
    return f"app {app_id}"


@dataclass(frozen=True, slots=True)
class Rates:
    """What happens per second; None is not known, or not yet.

    Frames and pixels drawn; updates and bytes sent to viewers, and bytes received from them; seconds
    for which slow viewers blocked what there was to send.
    """

    frames: float | None = None
    pixels: float | None = None
    updates: float | None = None
    sent: float | None = None
    received: float | None = None
    blocked: float | None = None


@dataclass(frozen=True, slots=True)
class Renewed:
    """A counter that is renewed every :data:`RENEWAL_SECONDS`, or less often if it stands still.

    Between two looks it may stand still although what it counts goes on; so its rate is that of the
    latest renewal, until one is missing. ``rate`` is per second, None as long as it is not known;
    ``since`` is the moment of the latest renewal that was seen, or else of the first look.
    """

    value: float
    since: float
    rate: float | None = None

    def seen(self, value: float, now: float, elapsed: float) -> Renewed:
        """The same at the next look, ``elapsed`` seconds after the last one."""
        if value < self.value:
            return Renewed(value, now)
        if value > self.value:
            # All of it has come since the renewal before, which the last look had seen.
            return Renewed(value, now, (value - self.value) / max(elapsed, RENEWAL_SECONDS))
        if now - self.since >= RENEWAL_SECONDS + LATE_SECONDS + elapsed:
            return Renewed(value, self.since, 0.0)
        return self


@dataclass(frozen=True, slots=True)
class Course:
    """The latest look at a daemon, and what follows from it and those before. Never changed."""

    latest: Measured | None = None
    rates: Rates = field(default_factory=Rates)
    cpu: Mapping[str, Renewed] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether it is known how much CPU everything uses, of which that can be known."""
        return DAEMON in self.cpu and all(known.rate is not None for known in self.cpu.values())

    def seen(self, measured: Measured) -> Course:
        """The course after one more look."""
        now = float(measured["time"])
        elapsed = now - float(self.latest["time"]) if self.latest is not None else 0.0
        if self.latest is None or elapsed <= 0:
            cpu = {key: Renewed(value, now) for key, value in _cpu_seconds(measured)}
            return Course(measured, Rates(), cpu)
        cpu = {
            key: known.seen(value, now, elapsed)
            if (known := self.cpu.get(key)) is not None
            else Renewed(value, now)
            for key, value in _cpu_seconds(measured)
        }
        self._settle_the_idle(cpu, _read_at_once(measured), now)
        return Course(measured, between(self.latest, measured, elapsed), cpu)

    def _settle_the_idle(self, cpu: dict[str, Renewed], keys: AbstractSet[str], now: float) -> None:
        """If some of the counters that are read at once were renewed, the others have stood still."""
        known = [key for key in keys if key in self.cpu]
        if any(cpu[key].value > self.cpu[key].value for key in known):
            for key in known:
                if cpu[key].value == self.cpu[key].value:
                    cpu[key] = Renewed(cpu[key].value, now, 0.0)

    def cpu_rate(self, key: str) -> float | None:
        """How many CPU cores something keeps busy; None if that is not known."""
        known = self.cpu.get(key)
        return known.rate if known is not None else None


def between(before: Measured, after: Measured, elapsed: float) -> Rates:
    """What happened per second in the ``elapsed`` seconds between two looks."""

    def rate(section: str, counter: str) -> float | None:
        grown: float = after[section][counter] - before[section][counter]
        return grown / elapsed if grown >= 0 else None  # a daemon that was restarted counts anew

    return Rates(
        frames=rate("drawn", "frames"),
        pixels=rate("drawn", "pixels"),
        updates=rate("viewers", "updates"),
        sent=rate("viewers", "sent_bytes"),
        received=rate("viewers", "received_bytes"),
        blocked=rate("viewers", "blocked_seconds"),
    )


def _read_at_once(measured: Measured) -> AbstractSet[str]:
    """The keys of what the daemon reads at one moment. What leased apps use, their own sides tell."""
    unleased = (app_key(app["id"]) for app in measured["apps"] if not app["leased"])
    keys = {DAEMON, *(component_key(c["name"]) for c in measured["components"]), *unleased}
    return keys.intersection(key for key, _ in _cpu_seconds(measured))


def _cpu_seconds(measured: Measured) -> Iterator[tuple[str, float]]:
    """All CPU times that are known, in seconds."""
    users = [(DAEMON, measured["daemon"] or {})]
    users += [(component_key(c["name"]), c) for c in measured["components"]]
    users += [(app_key(app["id"]), app) for app in measured["apps"]]
    for key, user in users:
        if (seconds := user.get("cpu_seconds")) is not None:
            yield key, float(seconds)

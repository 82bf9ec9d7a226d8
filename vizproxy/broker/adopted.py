"""Apps without a lease: adopted when their window appears, gone with their last X client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vizproxy.broker.attribution import Attribution, Stranger
from vizproxy.broker.leases import MAX_NAME_CHARS, app_id
from vizproxy.x11.scene import Scene

_NAMELESS: Final = "app"


@dataclass(frozen=True, slots=True)
class Adopted:
    """An app without a lease. ``pid`` is known where the X server or a window tells it."""

    number: int
    name: str
    started: float
    pid: int | None

    @property
    def id(self) -> str:
        """What people call it, as with a leased app."""
        return app_id(self.name, self.number)


def adopt(
    known: Mapping[Stranger, Adopted],
    attribution: Attribution,
    scene: Scene,
    *,
    names: Mapping[int, str],
    number: Callable[[], int],
    now: float,
) -> Mapping[Stranger, Adopted]:
    """Keep the strangers that are still there, and adopt those that are new, with fresh numbers.

    ``names`` are those of processes that the X server knows, for strangers that have no window.
    """
    return {
        stranger: known[stranger]
        if stranger in known
        else Adopted(
            number(),
            _name(stranger, attribution, scene) or _program(stranger, names),
            now,
            stranger.number if stranger.kind != "client" else None,
        )
        for stranger in attribution.strangers
    }


def _name(stranger: Stranger, attribution: Attribution, scene: Scene) -> str:
    """What its first window calls itself: WM_CLASS has the program's name first (ICCCM 4.1.2.5)."""
    for window in scene.windows:
        if attribution.windows.get(window.id) == stranger:
            name = window.instance or window.class_name
            if name:
                return name[:MAX_NAME_CHARS]
    return ""


def _program(stranger: Stranger, names: Mapping[int, str]) -> str:
    known = names.get(stranger.number, "") if stranger.kind == "process" else ""
    return "".join(c for c in known if c.isprintable())[:MAX_NAME_CHARS] or _NAMELESS

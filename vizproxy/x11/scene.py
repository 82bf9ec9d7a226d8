"""What is on the desktop at one moment: X clients and top-level windows. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Geometry:
    """A rectangle in pixels; its corner is in root coordinates and may lie outside the screen."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Client:
    """One connection to the X server.

    ``base`` is its resource-id base, which identifies it while it lives. ``pid`` is the process that
    opened the connection, None where the server cannot know it (another PID namespace).
    ``pixmap_bytes`` is what the X server keeps in pixmaps for it.
    """

    base: int
    pid: int | None
    pixmap_bytes: int


@dataclass(frozen=True, slots=True)
class Window:
    """A top-level window, without its frame.

    ``client`` is the base of the X client that owns it. ``pid`` and ``machine`` are what the program
    itself says (``_NET_WM_PID``, ``WM_CLIENT_MACHINE``; None and "" if it says nothing).
    ``closes_politely`` tells that it understands a request to close itself.
    """

    id: int
    client: int
    title: str
    instance: str
    class_name: str
    pid: int | None
    machine: str
    geometry: Geometry
    minimised: bool
    maximised: bool
    fullscreen: bool
    active: bool
    dialog: bool
    transient_for: int | None
    closes_politely: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """All X clients but the daemon's own, and the top-level windows in the order of their mapping."""

    clients: tuple[Client, ...]
    windows: tuple[Window, ...]

    def window(self, window_id: int) -> Window | None:
        """The window with that id, if it is there."""
        return next((w for w in self.windows if w.id == window_id), None)


EMPTY: Final = Scene((), ())

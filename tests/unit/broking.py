"""Scenes, leases and ledgers in few words, for the tests of the broker's rules."""

from __future__ import annotations

from typing import Any

from vizproxy.broker.leases import Lease, Ledger, Limits, Wish
from vizproxy.config import Plan
from vizproxy.x11.scene import Client, Geometry, Scene, Window

MIB = 1024**2
OURS = "pid:[1]"
POD = "pid:[2]"
OTHER_POD = "pid:[3]"
LIMITS = Limits(max_apps=4, framebuffer=1024 * MIB, share=256 * MIB)


def client(base: int, pid: int | None = None, pixmaps: int = 0) -> Client:
    return Client(base, pid, pixmaps)


def window(number: int, of: int, **changed: Any) -> Window:
    """A window of the X client with that base."""
    usual: dict[str, Any] = {
        "title": "",
        "instance": "",
        "class_name": "",
        "pid": None,
        "machine": "",
        "geometry": Geometry(0, 0, 10, 10),
        "minimised": False,
        "maximised": False,
        "fullscreen": False,
        "active": False,
        "dialog": False,
        "transient_for": None,
        "closes_politely": True,
    }
    return Window(id=number, client=of, **(usual | changed))


def scene(*things: Client | Window) -> Scene:
    """A scene of X clients and windows."""
    return Scene(
        tuple(thing for thing in things if isinstance(thing, Client)),
        tuple(thing for thing in things if isinstance(thing, Window)),
    )


def wish(name: str = "voreen", framebuffer: int | None = None, **changed: Any) -> Wish:
    usual: dict[str, Any] = {"program": name, "machine": "host", "pid_namespace": OURS}
    return Wish(name=name, framebuffer=framebuffer, **(usual | changed))


def lease(
    number: int, name: str = "voreen", granted: int = MIB, *, pids: tuple[int, ...] = (), **of: Any
) -> Lease:
    """A lease that was given at second ``number``; ``of`` is what its wish has in particular."""
    made = wish(name, **of)
    return Lease(number, made, granted, Plan.SOFTWARE, float(number), frozenset(pids))


def ledger(*leases: Lease) -> Ledger:
    return Ledger({held.id: held for held in leases})

"""Whose is a window, whose are the pixmaps: X clients mapped to apps, as a pure function.

A window belongs to the X client that made it; that is in its id. What is left is to find the app of a
client. The X server knows the PID of a client that lives in its own PID namespace or below it
(X-Resource 1.2, LocalClientPID); where it does, that settles it: the kernel tells the PID that the
client has in its own namespace (``NSpid``, proc(5)), which is what its side reports. An app in another
container is seen there as no PID at all. Then its windows tell: ``_NET_WM_PID`` with
``WM_CLIENT_MACHINE`` (Extended Window Manager Hints 1.5) against the PIDs that the app's own side has
reported. A client that belongs to nobody is adopted as an app without a lease, once it has a window
or holds pixmaps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from vizproxy.x11.scene import Client, Scene, Window


@dataclass(frozen=True, slots=True)
class Side:
    """An app's own side, as it has reported it: its PIDs, and where they are valid."""

    lease: str
    pids: frozenset[int]
    pid_namespace: str
    machine: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the daemon knows of processes.

    ``pid_namespace`` is its own and the X server's; ``own`` are the PIDs of the desktop's own
    programs; ``namespaces``, ``inner`` and ``names`` have the PID namespace, the PID in that namespace
    and the program's name of each client's process, where they can be read.
    """

    pid_namespace: str
    own: AbstractSet[int] = frozenset()
    namespaces: Mapping[int, str] = field(default_factory=dict)
    inner: Mapping[int, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)


class Stranger(NamedTuple):
    """Who an app without a lease is.

    ``kind`` is ``process`` (the X server knows its PID), ``told`` (its windows name a PID, of whatever
    namespace, and a machine) or ``client`` (nobody knows; ``number`` is the base of the X client).
    """

    kind: str
    machine: str
    number: int


@dataclass(frozen=True, slots=True)
class Attribution:
    """What belongs to whom. ``unattributed`` are bytes of pixmaps of clients that nobody knows."""

    leased: Mapping[str, tuple[Client, ...]]
    strangers: Mapping[Stranger, tuple[Client, ...]]
    windows: Mapping[int, str | Stranger]
    unattributed: int = 0


def attribute(scene: Scene, sides: Sequence[Side], surroundings: Surroundings) -> Attribution:
    """Map every client of a scene, and so every window, to a lease or to a stranger."""
    windows_of: dict[int, list[Window]] = defaultdict(list)
    for window in scene.windows:
        windows_of[window.client].append(window)
    leased: dict[str, list[Client]] = defaultdict(list)
    strangers: dict[Stranger, list[Client]] = defaultdict(list)
    windows: dict[int, str | Stranger] = {}
    unattributed = 0
    for client in scene.clients:
        if client.pid in surroundings.own:
            continue
        shown = windows_of[client.base]
        owner: str | Stranger | None = _lease_of(client, shown, sides, surroundings)
        if isinstance(owner, str):
            leased[owner].append(client)
        elif (stranger := _stranger(client, shown)) is not None:
            owner = stranger
            strangers[stranger].append(client)
        else:
            unattributed += client.pixmap_bytes
        if owner is not None:
            windows.update(dict.fromkeys((window.id for window in shown), owner))
    return Attribution(
        {key: tuple(found) for key, found in leased.items()},
        {key: tuple(found) for key, found in strangers.items()},
        windows,
        unattributed,
    )


def _lease_of(
    client: Client, windows: Sequence[Window], sides: Sequence[Side], around: Surroundings
) -> str | None:
    """The lease that a client belongs to, if it is certain."""
    where = None if client.pid is None else around.namespaces.get(client.pid, around.pid_namespace)
    number = client.pid
    if client.pid is not None and where != around.pid_namespace:
        number = around.inner.get(client.pid)
    if number is not None:
        for side in sides:
            if side.pid_namespace == where and number in side.pids:
                return side.lease
        if client.pid in around.namespaces:
            return None
    told = {(window.pid, window.machine) for window in windows if window.pid is not None}
    found = {
        side.lease
        for side in sides
        if side.pid_namespace != around.pid_namespace
        and (client.pid not in around.namespaces or where == side.pid_namespace)
        and any(pid in side.pids and machine == side.machine for pid, machine in told)
    }
    # Two containers of a Pod have one host name and may have equal PIDs: then nothing is certain.
    return found.pop() if len(found) == 1 else None


def _stranger(client: Client, windows: Sequence[Window]) -> Stranger | None:
    if not windows and (client.pid is None or not client.pixmap_bytes):
        return None
    if client.pid is not None:
        return Stranger("process", "", client.pid)
    told = {(window.machine, window.pid) for window in windows if window.pid is not None}
    if len(told) == 1:
        machine, pid = told.pop()
        return Stranger("told", machine, pid or 0)
    return Stranger("client", "", client.base)

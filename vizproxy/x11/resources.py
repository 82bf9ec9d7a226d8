"""Who is connected to the X server and what it keeps for them (X-Resource 1.2)."""

from __future__ import annotations

from typing import Any, Final

from Xlib import error as xerror
from Xlib.display import Display
from Xlib.ext import res

from vizproxy.errors import DisplayError
from vizproxy.x11.scene import Client

_SERVER: Final = 0
"""The base under which the server lists itself."""

_NO_PID: Final = (0, 0xFFFFFFFF)
"""What the server answers where it cannot tell: another PID namespace, or no local connection."""


def read_clients(display: Display) -> tuple[Client, ...]:
    """All X clients but our own, with process id and the bytes of their pixmaps.

    Takes two round trips, however many they are. A client that leaves meanwhile is left out.

    Raises:
        DisplayError: the server has no X-Resource extension.
    """
    if not display.has_extension(res.extname):
        raise DisplayError(
            "account for the framebuffer",
            f"the X server has no {res.extname} extension",
            "a server configuration that does not disable it",
        )
    listed = _query(display, res.QueryClients)
    everybody = [(0, res.LocalClientPIDMask)]
    identified = _query(display, res.QueryClientIds, specs=everybody)
    listed.reply()
    own = display.display.info.resource_id_base
    bases = [c.resource_base for c in listed.clients if c.resource_base not in (own, _SERVER)]
    counted = [_query(display, res.QueryClientPixmapBytes, client=base) for base in bases]
    identified.reply()
    mask = ~display.display.info.resource_id_mask
    pids = {entry.spec.client & mask: _pid(entry.value) for entry in identified.ids}
    clients = []
    for base, count in zip(bases, counted, strict=True):
        try:
            count.reply()
        except xerror.XError:
            continue  # it has left
        clients.append(Client(base, pids.get(base), count.bytes + (count.bytes_overflow << 32)))
    return tuple(clients)


def resources_of(display: Display, base: int) -> tuple[int, ...]:
    """The ids of what an X client has made; none if it is not there."""
    try:
        everything = [(0, 0)]
        reply = _query(display, res.QueryResourceBytes, client=base, specs=everything)
        reply.reply()
    except xerror.XError:
        return ()
    return tuple(entry.size.resource for entry in reply.sizes)


def _pid(value: list[int]) -> int | None:
    return value[0] if value and value[0] not in _NO_PID else None


def _query(display: Display, query: Any, **arguments: object) -> Any:
    """Queue a request; its ``reply()`` sends what is queued and waits."""
    opcode = display.display.get_extension_major(res.extname)
    return query(display=display.display, defer=True, opcode=opcode, **arguments)

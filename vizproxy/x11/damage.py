"""How much is drawn on the desktop (X DAMAGE 1.1, XFIXES 2.0).

The server collects what was drawn, as a region, and tells once that there is something (NonEmpty).
Then the region is taken from it and measured, at most sixty times a second, on a connection and
a thread of its own: neither the event loop nor other X calls wait for it, and while nothing is drawn
there is nothing to do.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from Xlib import X
from Xlib import error as xerror
from Xlib.display import Display
from Xlib.ext import damage, ge, xfixes
from Xlib.protocol import rq
from Xlib.protocol.display import Display as Connection

from vizproxy.errors import DisplayError
from vizproxy.x11.session import XSession

FRAME_SECONDS: Final = 1 / 60
"""The least time between two events."""

_SETTLE_SECONDS: Final = 0.004
"""After the first drawing, wait so long for what else belongs to the same frame."""

_TAKE: Final = struct.Struct("=BBHLLL BBHL")
"""Two requests, with their numbers and their lengths in words: DamageSubtract, number 3 of DAMAGE 1.1
(damageproto, ``xDamageSubtractReq``), and FetchRegion, number 19 of XFIXES 2.0 (fixesproto,
``xXFixesFetchRegionReq``). The byte order is the machine's, by python-xlib."""

_ERROR: Final = 0
_REPLY: Final = 1
_PACKET: Final = struct.Struct("=B3xL24x")
"""A packet from the server: its kind, and how many words follow."""

_RECTANGLE: Final = struct.Struct("=4xHH")
"""Width and height of a RECTANGLE of the X11 protocol, which follow its place."""

_READ_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Damage:
    """What was drawn since the daemon started.

    ``events`` counts the times at which there was damage, at most once in a sixtieth of a second:
    frames that were drawn. ``pixels`` is the area that was damaged, each pixel once an event.
    """

    events: int = 0
    pixels: int = 0


class _CreateRegion(rq.Request):
    """Makes an empty region: request 5 of XFIXES 2.0 (fixesproto, ``xXFixesCreateRegionReq``)."""

    _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(5), rq.RequestLength(), rq.Card32("region"))


class _Packets:
    """What the server sends on a connection, packet by packet, from now on."""

    def __init__(self, connection: Connection) -> None:
        self._socket = connection.socket
        self._unread = bytes(connection.data_recv)  # what python-xlib has read but not looked at

    def next(self) -> tuple[int, bytes]:
        """Wait for a packet; its kind (0 error, 1 reply, else an event's code) and all of it.

        X11 protocol, section 1 ("Protocol Formats"): 32 bytes, and in replies (and, by the X Generic
        Event Extension, in its events) the number of words that follow these.
        """
        packet = self._read(_PACKET.size)
        first, words = _PACKET.unpack(packet)
        kind = first & 0x7F  # the highest bit tells who sent an event
        if kind in {_REPLY, ge.GenericEventCode}:
            packet += self._read(4 * words)
        return kind, packet

    def _read(self, size: int) -> bytes:
        while len(self._unread) < size:
            got = self._socket.recv(_READ_BYTES)
            if not got:
                raise xerror.ConnectionClosedError("server")
            self._unread += got
        data, self._unread = self._unread[:size], self._unread[size:]
        return data


class _Counter:
    """Counts the damage of one connection, on its thread. ``add`` gets the pixels of each event."""

    def __init__(self, add: Callable[[int], None]) -> None:
        self._add = add
        self._notify: int | None = None
        self._take = b""
        self._next = 0.0

    def begin(self, display: Display) -> bool:
        """Have the server collect damage from now on; False if it cannot."""
        found = display.query_extension(damage.extname)
        if found is None or not display.has_extension(xfixes.extname):
            return False
        damage.query_version(display)  # both extensions refuse to work for who does not ask
        xfixes.query_version(display)
        connection, root = display.display, display.screen().root
        fixes = connection.get_extension_major(xfixes.extname)
        region = connection.allocate_resource_id()
        _CreateRegion(connection, opcode=fixes, region=region)
        drawn = damage.damage_create(root, damage.DamageReportNonEmpty)
        damage.damage_subtract(display, drawn)  # all of a window is damaged at first
        # Empty the collection into the region, after which the next damage is told; and read it.
        self._take = _TAKE.pack(
            *(found.major_opcode, 3, 4, drawn, X.NONE, region), *(fixes, 19, 2, region)
        )
        self._notify = found.first_event + damage.DamageNotifyCode
        display.sync()
        return True

    def note(self, display: Display, event: Any) -> None:
        """At the first damage, begin to count. Returns only with the end of the connection."""
        if event.type == self._notify:
            self._count(display.display)

    def _count(self, connection: Connection) -> NoReturn:
        """Take what was drawn, frame by frame.

        From here on the thread uses the socket itself: python-xlib would take three times as long.
        """
        packets = _Packets(connection)
        while True:
            self._rest()
            connection.socket.sendall(self._take)
            is_answered = is_due = False
            while not (is_answered and is_due):
                kind, packet = packets.next()
                is_due |= kind == self._notify
                if kind == _REPLY:
                    is_answered = True
                    if pixels := _area(packet[_PACKET.size :]):
                        self._add(pixels)
                elif kind == _ERROR:
                    raise DisplayError("count what is drawn", f"X error {packet[1]}")

    def _rest(self) -> None:
        """Wait until the next frame may be taken."""
        now = time.monotonic()
        when = max(now + _SETTLE_SECONDS, self._next)
        time.sleep(when - now)
        self._next = when + FRAME_SECONDS


def _area(rectangles: bytes) -> int:
    """The area of the rectangles of a region, which do not overlap."""
    return sum(width * height for width, height in _RECTANGLE.iter_unpack(rectangles))


class DamageMeter:
    """Counts what is drawn, over all X servers that there are while the daemon runs.

    ``lost`` is called on the event loop when the X server ends the connection.
    """

    def __init__(self, xauthority: Path, *, lost: Callable[[], None]) -> None:
        self._session = XSession(xauthority)
        self._lost = lost
        self._attaching = asyncio.Lock()
        self._damage: Damage | None = None
        self._counts = False

    @property
    def damage(self) -> Damage | None:
        """What was counted until now; None if nothing could ever be. May be asked on any thread."""
        return self._damage

    @property
    def counting(self) -> bool:
        """Whether there is a connection on which damage is counted."""
        return self._counts and self._session.name is not None

    async def attach(self, name: str | None) -> None:
        """Count what is drawn on display ``name`` (``":0"``) from now on, and on no elder one.

        Nothing is done if it is counted there already.

        Raises:
            DisplayError: there is no display, or its server refuses, does not answer, or lacks DAMAGE
                or XFIXES.
        """
        if name is None:
            why = "the X server is not running"
            raise DisplayError("count what is drawn", why, "again in a moment")
        async with self._attaching:  # one connection at a time, or drawings would count twice
            if self.counting and self._session.name == name:
                return
            self._counts = False
            try:
                await self._begin(name)
                self._counts = True
            finally:
                if not self._counts:
                    await self.close()

    async def _begin(self, name: str) -> None:
        counter = _Counter(self._add)
        await self._session.connect(name)
        self._session.listen(counter.note, lost=self._lost)
        if not await self._session.call(counter.begin):
            why = "the X server lacks DAMAGE or XFIXES"
            raise DisplayError("count what is drawn", why, "a server with both")
        if self._damage is None:
            self._damage = Damage()

    async def close(self) -> None:
        """End the connection, if there is one. What was counted stays."""
        await self._session.close()

    def _add(self, pixels: int) -> None:
        before = self._damage or Damage()  # only one connection at a time counts
        self._damage = Damage(before.events + 1, before.pixels + pixels)

"""A probe of an X server that costs nothing but a few bytes: does it let us in, does it have GLX?

It speaks just enough of the X11 protocol (version 11, section 8 and appendix B) for that on the event
loop, so it needs no thread of its own as python-xlib would.
"""

from __future__ import annotations

import struct
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Final

from vizproxy.display import xauth
from vizproxy.supervise.probes import ProbeError, connected

_LITTLE_ENDIAN: Final = 0x6C
_ACCEPTED: Final = 1
_QUERY_EXTENSION: Final = 98
_REPLY: Final = 1
_REPLY_BYTES: Final = 32


async def check_glx(socket: Path, cookie: bytes) -> None:
    """Connect to an X server with the cookie and ask for GLX.

    Raises:
        ProbeError: it refuses, ends the connection or has no GLX.
    """
    async with connected(socket) as (reader, writer):
        await _set_up(reader, writer, cookie)
        if not await _has_extension(reader, writer, b"GLX"):
            raise ProbeError("has no GLX: see its log for the module that it could not load")


async def _set_up(reader: StreamReader, writer: StreamWriter, cookie: bytes) -> None:
    protocol = xauth.PROTOCOL
    head = struct.pack("<BxHHHHxx", _LITTLE_ENDIAN, 11, 0, len(protocol), len(cookie))
    writer.write(head + _padded(protocol) + _padded(cookie))
    await writer.drain()
    status, reason_length, words = struct.unpack("<BBxxxxH", await reader.readexactly(8))
    rest = await reader.readexactly(4 * words)
    if status != _ACCEPTED:
        reason = rest[:reason_length].decode("latin-1").strip()
        raise ProbeError(f"does not let us in: {reason}")


async def _has_extension(reader: StreamReader, writer: StreamWriter, name: bytes) -> bool:
    body = _padded(name)
    writer.write(struct.pack("<BxHHxx", _QUERY_EXTENSION, 2 + len(body) // 4, len(name)) + body)
    await writer.drain()
    while (reply := await reader.readexactly(_REPLY_BYTES))[0] > _REPLY:
        pass  # an event that comes to every client
    return reply[0] == _REPLY and bool(reply[8])


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)

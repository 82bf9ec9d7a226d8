"""A client of an X server that costs nothing but a few bytes, for probes of the server.

It speaks just enough of the X11 protocol (version 11, sections 8 to 10 and appendix B) for that on the
event loop, so it needs no thread of its own as python-xlib would.
"""

from __future__ import annotations

import contextlib
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from vizproxy.display import xauth
from vizproxy.supervise.probes import ProbeError, connected

_LITTLE_ENDIAN: Final = 0x6C
_ACCEPTED: Final = 1
_GET_INPUT_FOCUS: Final = 43
_QUERY_EXTENSION: Final = 98
_ERROR: Final = 0
_REPLY: Final = 1
_REPLY_BYTES: Final = 32
_MAX_REPLY_WORDS: Final = 1 << 16
"""More than anything that is asked for here."""


class XClient:
    """A connection to an X server that has let us in. One request at a time."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, resource_base: int) -> None:
        self._reader = reader
        self._writer = writer
        self.resource_base = resource_base
        """What the ids of our resources begin with."""

    async def extension(self, name: bytes) -> int | None:
        """The major opcode of an extension, or None if the server does not have it."""
        body = _padded(name)
        head = struct.pack("<BxHHxx", _QUERY_EXTENSION, 2 + len(body) // 4, len(name))
        reply = await self.ask(head + body)
        return reply[9] if reply[8] else None

    async def ask(self, request: bytes) -> bytes:
        """Send a request that has a reply, and return that.

        Raises:
            ProbeError: the server answers with an error.
        """
        await self._send(request)
        answer = await self._answer()
        if answer[0] == _ERROR:
            raise ProbeError(f"refuses request {request[0]} with error {answer[1]}")
        return answer

    async def tell(self, request: bytes) -> bool:
        """Send a request that has no reply, and return whether the server did what it says.

        A request that has a reply follows it, because an error would come before that.
        """
        await self._send(request + struct.pack("<BxH", _GET_INPUT_FOCUS, 1))
        refused = (await self._answer())[0] == _ERROR
        if refused:
            await self._answer()
        return not refused

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _answer(self) -> bytes:
        """The next reply or error; events, which come to every client, are left aside."""
        while True:
            answer = await self._reader.readexactly(_REPLY_BYTES)
            if answer[0] == _ERROR:
                return answer
            if answer[0] == _REPLY:
                (words,) = struct.unpack_from("<I", answer, 4)
                if words > _MAX_REPLY_WORDS:
                    raise ProbeError("answers with more than was asked for")
                return answer + await self._reader.readexactly(4 * words)


@contextlib.asynccontextmanager
async def client(socket: Path, cookie: bytes) -> AsyncIterator[XClient]:
    """Connect to an X server with its cookie.

    Raises:
        ProbeError: it does not accept the connection, refuses us, or ends the connection.
    """
    async with connected(socket) as (reader, writer):
        yield XClient(reader, writer, await _set_up(reader, writer, cookie))


async def check_glx(socket: Path, cookie: bytes) -> None:
    """Connect to an X server with the cookie and ask for GLX.

    Raises:
        ProbeError: it refuses, ends the connection or has no GLX.
    """
    async with client(socket, cookie) as server:
        if await server.extension(b"GLX") is None:
            raise ProbeError("has no GLX: see its log for the module that it could not load")


async def _set_up(reader: StreamReader, writer: StreamWriter, cookie: bytes) -> int:
    """Open the connection; return what the ids of our resources begin with."""
    protocol = xauth.PROTOCOL
    head = struct.pack("<BxHHHHxx", _LITTLE_ENDIAN, 11, 0, len(protocol), len(cookie))
    writer.write(head + _padded(protocol) + _padded(cookie))
    await writer.drain()
    status, reason_length, words = struct.unpack("<BBxxxxH", await reader.readexactly(8))
    rest = await reader.readexactly(4 * words)
    if status != _ACCEPTED:
        reason = rest[:reason_length].decode("latin-1").strip()
        raise ProbeError(f"does not let us in: {reason}")
    (resource_base,) = struct.unpack_from("<I", rest, 4)
    return int(resource_base)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)

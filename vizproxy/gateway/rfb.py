"""What is said at the beginning of an RFB session (RFC 6143, section 7)."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

VERSION: Final = b"RFB 003.008\n"
SECURITY_NONE: Final = b"\x01"
SHARED: Final = b"\x01"

AGAIN_SECONDS: Final = 0.02
PATIENCE_SECONDS: Final = 1.0


class HandshakeError(Exception):
    """The server does not speak RFB 3.8 without authentication, or broke off."""


async def desktop_size(server: Path) -> tuple[int, int]:
    """Ask an RFB server on a unix socket for the width and height of its framebuffer, in pixels.

    Raises:
        HandshakeError: it did not come to an answer.
        OSError: the server cannot be reached.
    """
    reader, writer = await asyncio.open_unix_connection(str(server))
    try:
        if not (await reader.readexactly(len(VERSION))).startswith(b"RFB 003."):
            raise HandshakeError("the server does not speak RFB 3")
        writer.write(VERSION)
        offered = await reader.readexactly((await reader.readexactly(1))[0])
        if SECURITY_NONE not in offered:
            raise HandshakeError("the server wants authentication")
        writer.write(SECURITY_NONE)
        if await reader.readexactly(4) != bytes(4):
            raise HandshakeError("the server refused the connection")
        writer.write(SHARED)
        width, height = struct.unpack(">HH", await reader.readexactly(4))
        return width, height
    except asyncio.IncompleteReadError as error:
        raise HandshakeError("the server broke off") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def size_settled(
    server: Path, screen_size: Callable[[], Awaitable[tuple[int, int] | None]]
) -> bool:
    """Wait until a server's framebuffer has the size of the screen; return whether it has.

    x11vnc looks for a new size only while somebody is connected, and tells it only to those who have
    said that they understand it. A viewer that comes after a resize that nobody watched would get the
    old size, and might never hear of the new one.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await _same_size(server, screen_size):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(AGAIN_SECONDS)
    except TimeoutError:
        return False
    return True


async def _same_size(
    server: Path, screen_size: Callable[[], Awaitable[tuple[int, int] | None]]
) -> bool:
    try:
        return await desktop_size(server) == await screen_size()
    except (HandshakeError, OSError):
        return False  # it may break off while another viewer leaves

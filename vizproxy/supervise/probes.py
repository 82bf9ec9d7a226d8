"""Probes: is a child ready, does it still answer?

A probe is a coroutine function that takes the child and returns once the condition is observed. It
raises :class:`ProbeError` (or OSError) while the condition does not hold; the supervisor tries
again. A probe bounds nothing itself: the supervisor cancels it when its time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from vizproxy.supervise.process import Child

Probe = Callable[[Child], Awaitable[None]]

RFB_BANNER: Final = b"RFB 003."
"""How an RFB server greets: ``RFB 003.008\\n`` and its elder versions (RFC 6143, section 7.1.1)."""


class ProbeError(Exception):
    """The condition that a probe looks for does not hold; the text says what was seen instead."""


async def attempt(probe: Probe, child: Child | None, limit: float) -> str:
    """Run a probe once, for at most ``limit`` seconds; return what it saw wrong, or nothing."""
    if child is None:
        return "it has no process"
    try:
        async with asyncio.timeout(limit):
            await probe(child)
    except TimeoutError:
        return f"no answer within {limit:g} s"
    except (ProbeError, OSError) as error:
        return str(error)
    return ""


def rfb_server(socket: Path) -> Probe:
    """A probe that passes when an RFB server greets on ``socket``."""

    async def probe(child: Child) -> None:
        del child
        async with connected(socket) as (reader, _):
            banner = await reader.readline()
            if not banner.startswith(RFB_BANNER):
                raise ProbeError(f"{socket.name} greets with {banner[:32]!r} instead of RFB")

    return probe


def http_server(socket: Path) -> Probe:
    """A probe that passes when an HTTP server answers on ``socket``, with whatever status."""

    async def probe(child: Child) -> None:
        del child
        async with connected(socket) as (reader, writer):
            writer.write(b"HEAD / HTTP/1.0\r\n\r\n")
            await writer.drain()
            line = await reader.readline()
            if not line.startswith(b"HTTP/1."):
                raise ProbeError(f"{socket.name} answers {line[:32]!r} instead of HTTP")

    return probe


@contextlib.asynccontextmanager
async def connected(
    socket: Path,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a unix socket for the length of a probe.

    Raises:
        ProbeError: nobody accepts it, or it ends too early.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
    except OSError as error:
        raise ProbeError(f"{socket.name} does not accept connections ({error.strerror})") from error
    try:
        yield reader, writer
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        raise ProbeError(f"{socket.name} closed the connection") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

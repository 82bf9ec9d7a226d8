"""Asking the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from vizproxy.client import Client

T = TypeVar("T")


def ask(socket: Path, question: Callable[[Client], Awaitable[T]]) -> T:
    """Put a question to the daemon that listens on a socket.

    Raises:
        VizproxyError: there is no daemon, or it answers with an error.
    """

    async def asking() -> T:
        async with Client(socket) as client:
            return await question(client)

    return asyncio.run(asking())

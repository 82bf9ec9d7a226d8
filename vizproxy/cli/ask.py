"""Asking the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from vizproxy.client import Client
from vizproxy.config import LoadedConfig
from vizproxy.thisside import socket_of

T = TypeVar("T")


def ask(loaded: LoadedConfig, question: Callable[[Client], Awaitable[T]]) -> T:
    """Put a question to the daemon.

    Raises:
        VizproxyError: there is no daemon, or it answers with an error.
    """

    async def asking() -> T:
        async with Client(socket_of(loaded)) as client:
            return await question(client)

    return asyncio.run(asking())

"""Calls that may never return, such as those into a GPU's driver, kept away from everything else.

A driver whose GPU is in trouble may hold a call for seconds, or for ever, and such a call cannot be
interrupted. So it gets a thread that nobody waits for at the end of the process, and whoever asked
waits no longer than is reasonable.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS: Final = 5.0
"""How long a driver may take to answer. A GPU that wakes up takes two to three."""


class DriverCalls:
    """Runs one call at a time on a thread of its own, with a time limit.

    While a call hangs, further ones fail at once; when it has returned, all is well again.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS, *, name: str = "driver") -> None:
        self._patience = patience
        self._name = name
        self._lock = threading.Lock()
        self._pending: Future[object] | None = None

    async def call(self, work: Callable[[], T]) -> T:
        """Run ``work`` and return its result, without blocking the event loop.

        Raises:
            TimeoutError: it takes too long, or an earlier call still hangs.
        """
        future = self._start(work)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def tell(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(ended.set)

        # No future of asyncio: it would call an error that comes too late for anyone a bug.
        future.add_done_callback(tell)
        async with asyncio.timeout(self._patience):
            await ended.wait()
        return future.result()

    def wait(self, work: Callable[[], T]) -> T:
        """The same where there is no event loop. Blocks for as long as the patience lasts.

        Raises:
            TimeoutError: it takes too long, or an earlier call still hangs.
        """
        return self._start(work).result(self._patience)

    def _start(self, work: Callable[[], T]) -> Future[T]:
        with self._lock:
            if self._pending is not None and not self._pending.done():
                raise TimeoutError("an earlier call still hangs")
            future: Future[T] = Future()
            self._pending = future  # type: ignore[assignment] # only its end matters
        thread = threading.Thread(target=_run, args=(future, work), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the limit of processes is reached
            future.set_exception(TimeoutError(str(error)))
        return future


def _run(future: Future[T], work: Callable[[], T]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is whoever waits that it concerns
        future.set_exception(error)
    else:
        future.set_result(result)

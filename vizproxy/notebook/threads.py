"""Waiting for a coroutine where a loop may be running already, as one always is in a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from vizproxy.errors import InternalError, VizproxyError

T = TypeVar("T")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in a thread and a loop of its own; return its result.

    An interrupt (Ctrl-C, or the notebook's stop button) cancels it.
    """
    outcome: Future[T] = Future()
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = Future()

    async def main() -> T:
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)
        begun.set_result((loop, task))
        return await task

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            outcome.set_exception(error)
        finally:
            begun.cancel()  # if it has not

    thread = threading.Thread(target=run, name="vizproxy", daemon=True)
    thread.start()
    try:
        return outcome.result()
    except InternalError:
        raise
    except VizproxyError as error:
        raise error.with_traceback(None) from None  # its text says all there is to say
    except KeyboardInterrupt:
        with contextlib.suppress(CancelledError, RuntimeError):  # it has not begun, or has ended
            loop, task = begun.result()
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise

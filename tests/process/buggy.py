"""``vizproxy`` with a bug that a signal brings out: USR1 in a callback, USR2 in a health probe.

Run as ``python -m tests.process.buggy serve``.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from Xlib.display import Display

from vizproxy.cli import main, serve
from vizproxy.daemon import Daemon
from vizproxy.x11 import windows


def fail(display: Display | None = None) -> None:
    raise ZeroDivisionError("a bug on purpose")


def break_probe() -> None:
    windows.ping = fail


class BuggyDaemon(Daemon):
    """Does all that a daemon does, and fails when told to."""

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, fail)
        loop.add_signal_handler(signal.SIGUSR2, break_probe)
        return await super().run()


if __name__ == "__main__":
    setattr(serve, "Daemon", BuggyDaemon)  # noqa: B010 - it is imported there, not exported
    sys.exit(main.main())

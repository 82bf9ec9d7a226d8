"""``vizproxy top``: what happens on the desktop, in a terminal, for as long as one looks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from vizproxy.cli.ask import ask
from vizproxy.cli.find import find_socket
from vizproxy.cli.text import coloured, is_terminal, output_encoding
from vizproxy.cli.toppage import Page, Tone, Word, lost_page, page_of
from vizproxy.cli.toprates import RENEWAL_SECONDS, Course, Measured
from vizproxy.cli.topview import PageView, plain_lines
from vizproxy.client import Client, unreachable
from vizproxy.config import LoadedConfig
from vizproxy.config.kinds import InvalidValueError, Place
from vizproxy.config.numbers import DurationKind
from vizproxy.errors import InvalidRequestError, VizproxyError
from vizproxy.logs import discard

INTERVAL: Final = DurationKind(0.2, 3600.0)
DEFAULT_INTERVAL_SECONDS: Final = 2.0
FIRST_INTERVAL_SECONDS: Final = 1.0
"""The time between the first two looks: rates need two."""

ONCE_SECONDS: Final = RENEWAL_SECONDS + 1.5
"""How long a single look takes at most: what is read every few seconds was read anew by then."""

PATIENCE_SECONDS: Final = 5.0
"""How long a daemon may take to answer."""

USUAL_WIDTH: Final = 100
"""Columns of an output that is no terminal, unless COLUMNS says otherwise."""

_ENDS: Final = frozenset(b"qQ\x04")
"""The keys that end it; \\x04 is Ctrl-D. Ctrl-C comes as a signal."""

_HINT: Final = Word("q ends this", Tone.FAINT)
_NO_SCREENS: Final = frozenset({"", "dumb", "unknown"})
"""The kinds of terminal (TERM) on which nothing can be drawn over."""


def run(loaded: LoadedConfig, *, interval: str | None, once: bool) -> int:
    """Show what happens until told to end, or ``once``.

    Raises:
        VizproxyError: the interval is none, or no daemon answers at the start.
    """
    seconds = _interval(interval)
    if once or not is_terminal() or os.environ.get("TERM", "").lower() in _NO_SCREENS:
        course = ask(find_socket(loaded), look_once)
        width = shutil.get_terminal_size((USUAL_WIDTH, 24)).columns
        print("\n".join(plain_lines(page_of(course), width, output_encoding())))
        return 0
    return asyncio.run(_watch(find_socket(loaded), seconds))


def _interval(text: str | None) -> float:
    if text is None:
        return DEFAULT_INTERVAL_SECONDS
    try:
        return INTERVAL.from_text(text, Place(None, None))
    except InvalidValueError as error:
        why = "; ".join(message.partition("; give ")[0] for message in error.messages)
        raise InvalidRequestError("use --interval", why, INTERVAL.form) from error


async def look_once(
    client: Client, *, pause: float = FIRST_INTERVAL_SECONDS, limit: float = ONCE_SECONDS
) -> Course:
    """Look twice, and again until it is known what uses how much CPU; ``limit`` is in seconds."""
    course = Course().seen(await client.measurements())
    end = time.monotonic() + limit
    while not course.is_settled and (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(pause, left))
        course = course.seen(await client.measurements())
    return course


# ----------------------------------------------------------------------------------- for as long as


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to show: the course of a daemon, or why none answers any more.

    ``answered`` is the moment of its last answer; moments are in seconds.
    """

    course: Course
    answered: float
    lost: str = ""

    def seen(self, measured: Measured, now: float) -> Sight:
        """After an answer. A daemon that was away may be another one: nothing goes on from before."""
        return Sight((Course() if self.lost else self.course).seen(measured), now)

    def unseen(self, why: str) -> Sight:
        """After a look that failed."""
        return replace(self, lost=why)

    def page(self, now: float) -> Page:
        """What to show at a moment."""
        page = lost_page(self.lost, now - self.answered) if self.lost else page_of(self.course)
        return replace(page, words=(*page.words, _HINT))


async def _watch(socket: Path, interval: float) -> int:
    """Show what happens until a key or a signal ends it; return the exit code."""
    loop = asyncio.get_running_loop()
    code: asyncio.Future[int] = loop.create_future()

    def end(with_code: int) -> None:
        if not code.done():
            code.set_result(with_code)

    async with Client(socket) as client:
        sight = Sight(Course().seen(await _look(client, socket)), time.monotonic())
        with _Screen(end=end) as screen:

            async def follow() -> None:
                nonlocal sight
                pause = min(FIRST_INTERVAL_SECONDS, interval)
                while True:
                    screen.show(sight.page(time.monotonic()))
                    await asyncio.sleep(pause)
                    try:
                        sight = sight.seen(await _look(client, socket), time.monotonic())
                    except VizproxyError as error:
                        sight = sight.unseen(error.message)
                    pause = interval

            following = asyncio.create_task(follow(), name="follow the desktop")
            await asyncio.wait((following, code), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                await following  # raises what went wrong
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
    return await code


async def _look(client: Client, socket: Path) -> Measured:
    """Ask the daemon; one that hangs counts as gone."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await client.measurements()
    except TimeoutError as error:
        raise unreachable(socket, error) from error


class _Screen:
    """The terminal, while we have it: the alternate screen, keys without Enter, and signals.

    ``end`` is called with an exit code when a person or the system wants an end.
    """

    def __init__(self, *, end: Callable[[int], None]) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._console = Console(no_color=not coloured(), markup=False, emoji=False, highlight=False)
        self._live: Live | None = None
        self._page: Page | None = None
        self._signals = contextlib.ExitStack()
        self._terminal = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._on(signal.SIGINT, self._end, 0)
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._on(number, self._end, 128 + number)
        self._on(signal.SIGWINCH, self._redraw)
        self._on(signal.SIGTSTP, self._suspend)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        with self._signals:
            try:
                self._give_back()
            except OSError:  # the terminal is gone
                discard(sys.stdout)

    def show(self, page: Page) -> None:
        """Show a page instead of the last one."""
        self._page = page
        self._redraw()

    def _on(self, number: signal.Signals, handle: Callable[..., None], *arguments: object) -> None:
        self._loop.add_signal_handler(number, handle, *arguments)
        self._signals.callback(self._loop.remove_signal_handler, number)

    def _redraw(self) -> None:
        if self._live is None or self._page is None:
            return
        try:
            self._live.update(PageView(self._page, self._console.encoding), refresh=True)
        except OSError:  # the terminal is gone
            self._end(128 + signal.SIGHUP)

    def _take(self) -> None:
        self._terminal.enter_context(_keys_at_once(self._loop, self._key))
        live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live = self._terminal.enter_context(live)
        self._redraw()

    def _give_back(self) -> None:
        self._live = None
        self._terminal.close()

    def _suspend(self) -> None:
        """Give the terminal back for as long as we are stopped (Ctrl-Z)."""
        self._give_back()
        self._loop.remove_signal_handler(signal.SIGTSTP)
        signal.raise_signal(signal.SIGTSTP)  # returns when we go on; at once where no shell waits
        self._loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._take()

    def _key(self, pressed: bytes) -> None:
        # What begins with ESC is a key such as F2 (ESC O Q), which has letters in it.
        if _ENDS.intersection(pressed.partition(b"\x1b")[0]):
            self._end(0)


@contextlib.contextmanager
def _keys_at_once(
    loop: asyncio.AbstractEventLoop, pressed: Callable[[bytes], None]
) -> Iterator[None]:
    """Have the keys that are pressed told at once and not shown, where there is a keyboard."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def read() -> None:
        keys = b""
        with contextlib.suppress(OSError):  # the terminal is gone
            keys = os.read(keyboard, 1024)
        if keys:
            pressed(keys)
        else:
            loop.remove_reader(keyboard)

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, read)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)

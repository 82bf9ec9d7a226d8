"""The daemon's connection to its X server.

python-xlib blocks while it waits for a reply, so each connection lives on one thread of its own,
which alone touches the ``Display``. The event loop hands it functions with :meth:`XSession.call` and
awaits the result with a time-out. Events go, on that thread, to whoever asked for them with
:meth:`XSession.listen`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import selectors
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from Xlib import X
from Xlib import error as xerror
from Xlib.display import Display
from Xlib.protocol import event as xevent

from vizproxy.errors import DisplayError
from vizproxy.x11 import xerrors

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[Display], Any]
EventHandler = Callable[[Display, Any], None]

CALL_TIMEOUT_SECONDS: Final = 5.0
CONNECTION_ERRORS: Final = (xerror.ConnectionClosedError, xerror.DisplayError, OSError)

_EVENT_CLASSES: Final = {
    code: xevent.event_class[code]
    for code in (
        X.ConfigureNotify,
        X.DestroyNotify,
        X.KeymapNotify,
        X.MapNotify,
        X.PropertyNotify,
        X.ReparentNotify,
        X.UnmapNotify,
    )
}
"""What is decoded. Anybody may send us an event of any kind, and python-xlib chokes on some."""


class _Connection(threading.Thread):
    """The thread that owns one connection. ``lost`` is called on it when the connection ends."""

    def __init__(self, name: str, xauthority: Path, lost: Callable[[], None]) -> None:
        super().__init__(name=f"x11 {name}", daemon=True)
        self._display_name = name
        self._xauthority = xauthority
        self._lost = lost
        self._jobs: queue.SimpleQueue[tuple[Job, Future[Any]]] = queue.SimpleQueue()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_writer.setblocking(False)
        self._ended = threading.Event()
        self._closing = False
        self._socket: socket.socket | None = None
        self.opened: Future[None] = Future()
        self.on_event: EventHandler | None = None
        """Gets every event, on this thread."""

    def submit(self, job: Job) -> Future[Any]:
        """Queue a function for the thread; its result arrives in the future."""
        future: Future[Any] = Future()
        self._jobs.put((job, future))
        self._wake()
        if self._ended.is_set():
            self._fail_jobs()
        return future

    def close(self) -> None:
        """End the thread, even if it waits for a reply that will not come."""
        self._closing = True
        self._wake()
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the server closed it first

    def run(self) -> None:
        self.opened.set_running_or_notify_cancel()  # who gives up waiting for it must not cancel it
        try:
            self._open_and_serve()
        except CONNECTION_ERRORS as error:
            if self.opened.done():
                log.debug("X connection to %s ended: %s", self._display_name, error)
            else:
                self.opened.set_exception(error)
        except Exception as error:
            # A bug, or an answer that python-xlib cannot read: the connection is of no more use.
            if self.opened.done():
                log.exception("the X connection to %s is given up", self._display_name)
            else:
                self.opened.set_exception(error)
        finally:
            self._ended.set()
            self._fail_jobs()
            self._wake_reader.close()
            self._wake_writer.close()
            self._lost()

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"\0")
        except OSError:
            pass  # full: it is awake; closed: it has ended

    def _open_and_serve(self) -> None:
        # python-xlib takes its cookie from the file that this variable names and from nowhere else.
        os.environ["XAUTHORITY"] = str(self._xauthority)
        display = Display(self._display_name)
        self._socket = display.display.socket
        # python-xlib's RandR puts its own errors in the place of BadRequest and BadValue, as classes
        # that cannot read them: the first such error would wedge the connection for good.
        display.display.error_classes.update(xerror.xerror_class)
        display.display.event_classes = dict(_EVENT_CLASSES)
        display.set_error_handler(self._async_error)
        try:
            self.opened.set_result(None)
            self._serve(display)
        finally:
            self._socket.close()

    def _serve(self, display: Display) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(display.fileno(), selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while not self._closing:
                # After events, look again: what handling them has queued is not sent yet.
                at_once = 0 if self._deliver_events(display) else None
                ready = selector.select(at_once)
                if any(key.fileobj is self._wake_reader for key, _ in ready):
                    self._wake_reader.recv(4096)
                    self._run_jobs(display)

    def _deliver_events(self, display: Display) -> bool:
        """Hand on the events that have come; tell whether there were any."""
        waiting = display.pending_events()  # this also sends what is queued
        for _ in range(waiting):
            event = display.next_event()
            if self.on_event is not None:  # some come to every client, asked for or not
                self.on_event(display, event)
        return waiting > 0

    def _run_jobs(self, display: Display) -> None:
        while not self._closing:
            try:
                job, future = self._jobs.get_nowait()
            except queue.Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job(display))
            except CONNECTION_ERRORS as error:
                future.set_exception(error)
                raise
            except Exception as error:  # noqa: BLE001 - handed to the caller, who awaits the future
                future.set_exception(error)

    def _fail_jobs(self) -> None:
        while True:
            try:
                _, future = self._jobs.get_nowait()
            except queue.Empty:
                return
            if future.set_running_or_notify_cancel():
                future.set_exception(xerror.ConnectionClosedError("connection"))

    def _async_error(self, error: xerror.XError, request: object) -> None:
        del request
        if isinstance(error, xerrors.VANISHED):
            log.debug("window 0x%x vanished", xerrors.resource_of(error))
        else:
            log.warning("X error on %s: %s", self._display_name, xerrors.describe(error))


class XSession:
    """An async facade over the connection to the desktop's X server."""

    def __init__(self, xauthority: Path) -> None:
        self._xauthority = xauthority
        self._connection: _Connection | None = None
        self._lost: Callable[[], None] | None = None
        self.name: str | None = None
        """The display's name (``:0``) while there is a connection, else None."""

    def listen(self, on_event: EventHandler, *, lost: Callable[[], None]) -> None:
        """Get the events of this connection, on the X thread, and its end, on the event loop.

        Which events come is for the listener to select. ``on_event`` must neither block nor raise, or
        else have the connection for itself from then on: no call is answered meanwhile.

        Raises:
            DisplayError: there is no connection.
        """
        if self._connection is None:
            raise DisplayError("reach the X server", "it is not running", "again in a moment")
        self._connection.on_event = on_event
        self._lost = lost

    async def connect(self, name: str) -> None:
        """Connect to display ``name`` (``":0"``), dropping an elder connection.

        Raises:
            DisplayError: the server does not accept the connection.
        """
        await self.close()
        loop = asyncio.get_running_loop()

        def lost() -> None:
            try:
                loop.call_soon_threadsafe(self._connection_lost, connection)
            except RuntimeError:
                pass  # the loop is closed; nobody listens any more

        connection = _Connection(name, self._xauthority, lost)
        connection.start()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
                await asyncio.wrap_future(connection.opened)
        except (*CONNECTION_ERRORS, TimeoutError) as error:
            connection.close()
            raise DisplayError("connect to the X server", f"{name} refused it ({error})") from error
        except asyncio.CancelledError:
            connection.close()
            raise
        self._connection, self.name = connection, name

    async def call(self, job: Callable[[Display], T], timeout: float = CALL_TIMEOUT_SECONDS) -> T:  # noqa: ASYNC109 - one limit, for the whole round trip through the thread
        """Run ``job`` with the Display on the X thread and return its result.

        Raises:
            DisplayError: there is no connection, it broke, or the server did not answer in time.
        """
        if self._connection is None:
            raise DisplayError("reach the X server", "it is not running", "again in a moment")
        future = self._connection.submit(job)
        try:
            async with asyncio.timeout(timeout):
                result: T = await asyncio.wrap_future(future)
                return result
        except TimeoutError as error:
            raise DisplayError(
                "reach the X server", f"no answer within {timeout:g} s", "again in a moment"
            ) from error
        except xerror.XError as error:
            why = f"it answered with {xerrors.describe(error)}"
            raise DisplayError("use the X server", why) from error
        except CONNECTION_ERRORS as error:
            raise DisplayError(
                "reach the X server", "the connection was lost", "again in a moment"
            ) from error

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection = self._forget()
        if connection is not None:
            connection.close()
            await asyncio.to_thread(connection.join, CALL_TIMEOUT_SECONDS)

    def _connection_lost(self, connection: _Connection) -> None:
        if connection is self._connection:
            self._forget()

    def _forget(self) -> _Connection | None:
        connection, self._connection, self.name = self._connection, None, None
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()
        return connection

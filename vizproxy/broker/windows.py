"""What people do to windows: raise, minimise, maximise, tile, close."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Final

from Xlib.display import Display

from vizproxy.broker.broker import Broker
from vizproxy.broker.snapshot import App, OwnedWindow
from vizproxy.errors import WindowGoneError
from vizproxy.x11 import actions
from vizproxy.x11.observer import Observer
from vizproxy.x11.scene import Window
from vizproxy.x11.session import XSession

log = logging.getLogger(__name__)

ACTIONS: Final[Mapping[str, Callable[[Display, int], None]]] = {
    "raise": actions.activate,
    "minimise": actions.minimise,
    "restore": actions.restore,
    "maximise": actions.maximise,
}
"""The plain actions on one window, by the name that the API gives them."""

_DONE_SECONDS: Final = 1.0
"""How long the effect of an action is awaited, so that the answer shows it."""


class Closing(StrEnum):
    """How an attempt to close a window went.

    ``ASKING``: its app has opened another window, such as "Save changes?".
    """

    CLOSED = "closed"
    ASKING = "asking"
    KILLED = "killed"


class Windows:
    """Acts on the windows of the desktop. ``close_timeout`` is in seconds.

    Every method raises WindowGoneError for a window that is not there, and DisplayError when the X
    server cannot be reached.
    """

    def __init__(
        self, session: XSession, observer: Observer, broker: Broker, *, close_timeout: float
    ) -> None:
        self._session = session
        self._observer = observer
        self._broker = broker
        self._close_timeout = close_timeout

    async def act(self, window_id: int, action: str) -> OwnedWindow | None:
        """Do one of :data:`ACTIONS` to a window; return what is known of it then."""
        before = self._window(window_id)
        await self._session.call(partial(_apply, ACTIONS[action], window_id))
        await self._observer.until(
            lambda s: _is_done(action, before, s.window(window_id)), _DONE_SECONDS
        )
        now = (await self._observer.refresh()).window(window_id)
        owned = (w for w in self._broker.snapshot().windows if w.window.id == window_id)
        return next((replace(w, window=now) for w in owned if now is not None), None)

    async def raise_app(self, app: App) -> None:
        """Bring every window of an app to the front, the last one mapped on top."""
        for window_id in app.windows:
            try:
                await self._session.call(partial(_apply, actions.activate, window_id))
            except WindowGoneError:
                continue  # the others are still wanted
        await self._observer.refresh()

    async def tile(self) -> None:
        """Lay the windows of all apps out side by side."""
        ids = [owned.window.id for owned in self._broker.snapshot().windows]
        await self._session.call(lambda display: actions.tile(display, ids))
        await self._observer.refresh()

    async def close(self, window_id: int, *, force: bool = False) -> Closing:
        """Ask a window to close, and kill its program if it doesn't in time.

        An app that answers with a new window, or has a dialog open, is left alone: it may want to save
        something. With ``force`` nobody is asked.
        """
        await self._broker.look_again()
        self._window(window_id)
        owner = self._owner(window_id)
        before = self._of_same_app(window_id)
        if not force and await self._session.call(partial(_ask, window_id)):
            await self._broker.until(
                lambda: (
                    self._owner(window_id) != owner
                    or bool(self._of_same_app(window_id).keys() - before)
                ),
                self._close_timeout,
            )
            await self._broker.look_again()
            if self._owner(window_id) != owner:
                return Closing.CLOSED
            now = self._of_same_app(window_id)
            if now.keys() - before or any(window.dialog for window in now.values()):
                return Closing.ASKING
            log.warning("the window %#x ignores the request to close", window_id)
        try:
            await self._session.call(lambda display: actions.kill_client(display, window_id))
        except WindowGoneError:
            return Closing.CLOSED
        await self._observer.until(lambda s: s.window(window_id) is None, _DONE_SECONDS)
        return Closing.KILLED

    def _owner(self, window_id: int) -> tuple[object, ...] | None:
        """What tells the program behind a window from one that is given the same number later."""
        scene = self._observer.scene
        window = scene.window(window_id)
        if window is None:
            return None
        process = next((c.pid for c in scene.clients if c.base == window.client), None)
        return process, window.pid, window.instance, window.class_name

    def _of_same_app(self, window_id: int) -> dict[int, Window]:
        """The windows of a window's app, itself among them; none if it is gone."""
        owned = self._broker.snapshot().windows
        app = next((w.app for w in owned if w.window.id == window_id), None)
        return {w.window.id: w.window for w in owned if app is not None and w.app == app}

    def _window(self, window_id: int) -> Window:
        window = self._observer.scene.window(window_id)
        if window is None:
            raise WindowGoneError(
                f"find the window {window_id:#x}", "it is not there (any more)", "a newer list"
            )
        return window


def _apply(action: Callable[[Display, int], None], window_id: int, display: Display) -> None:
    action(display, window_id)


def _is_done(action: str, before: Window, now: Window | None) -> bool:
    if now is None:
        return True
    match action:
        case "raise":
            return now.active and not now.minimised
        case "minimise":
            return now.minimised
        case "maximise":
            return (now.maximised and now.geometry != before.geometry) or before.maximised
        case _ if before.minimised:
            return not now.minimised
        case _ if before.fullscreen:
            return not now.fullscreen
        case _:
            return not now.maximised and (not before.maximised or now.geometry != before.geometry)


def _ask(window_id: int, display: Display) -> bool:
    return actions.ask_to_close(display, window_id)

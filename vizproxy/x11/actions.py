"""What can be done to windows.

All are jobs for the X thread: ``session.call(lambda d: actions.activate(d, window_id))``. Most ask the
window manager, so what comes of them is seen a moment later.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator

from Xlib import X
from Xlib import error as xerror
from Xlib.display import Display
from Xlib.protocol import event, request

from vizproxy.errors import NotReadyError, WindowGoneError
from vizproxy.x11 import manager, placement, properties, tiling, xerrors
from vizproxy.x11.resources import resources_of
from vizproxy.x11.scene import Geometry, Window
from vizproxy.x11.toplevels import answer_geometry, ask_geometry
from vizproxy.x11.windows import has_window_manager

log = logging.getLogger(__name__)


@contextlib.contextmanager
def _doing(what: str, display: Display, window_id: int) -> Iterator[None]:
    """Send all that is done within; if the window has gone, the error says so."""
    try:
        yield
        display.sync()
    except xerrors.VANISHED as error:
        log.debug("window 0x%x vanished", window_id)
        raise WindowGoneError(what, "it is not there any more") from error


def activate(display: Display, window_id: int) -> None:
    """Raise a window, give it the focus, and bring it back if it is minimised.

    Without a window manager it is raised, and focused where that can be.
    """
    with _doing("raise the window", display, window_id):
        _look(display, window_id)
        if has_window_manager(display):
            manager.ask_to_activate(display, window_id)
            return
        window = display.create_resource_object("window", window_id)
        ignore = xerror.CatchError()  # it may not be viewable
        window.map(onerror=ignore)
        window.configure(stack_mode=X.Above, onerror=ignore)
        window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime, onerror=ignore)


def minimise(display: Display, window_id: int) -> None:
    """Minimise a window. Raises NotReadyError without a window manager."""
    with _doing("minimise the window", display, window_id):
        _need_manager(display, "minimise the window")
        _look(display, window_id)
        manager.ask_to_minimise(display, window_id)


def restore(display: Display, window_id: int) -> None:
    """Bring a minimised window back, or give a maximised or full-screen one its former size."""
    with _doing("restore the window", display, window_id):
        found = _look(display, window_id)
        if found.minimised or not has_window_manager(display):
            activate(display, window_id)
        elif found.fullscreen:
            manager.ask_to_remove(display, window_id, manager.FULLSCREEN)
        else:
            manager.ask_to_remove(display, window_id, manager.MAXIMISED)


def maximise(display: Display, window_id: int) -> None:
    """Let a window fill the work area, above the others. Raises NotReadyError without a manager."""
    with _doing("maximise the window", display, window_id):
        _need_manager(display, "maximise the window")
        _look(display, window_id)
        manager.ask_to_remove(display, window_id, manager.FULLSCREEN)
        manager.ask_to_add(display, window_id, manager.MAXIMISED)
        activate(display, window_id)


def ask_to_close(display: Display, window_id: int) -> bool:
    """Ask a window to close; False, without doing anything, if it does not understand that.

    ICCCM 4.2.8.1: the message goes to the window itself.
    """
    with _doing("close the window", display, window_id):
        if not _look(display, window_id).closes_politely:
            return False
        message = event.ClientMessage(
            window=window_id,
            client_type=display.get_atom("WM_PROTOCOLS"),
            data=(32, [display.get_atom("WM_DELETE_WINDOW"), X.CurrentTime, 0, 0, 0]),
        )
        window = display.create_resource_object("window", window_id)
        window.send_event(message, event_mask=X.NoEventMask)
        return True


def kill_client(display: Display, window_id: int) -> None:
    """Cut the connection of the program that owns the window."""
    with _doing("end the window's program", display, window_id):
        _look(display, window_id)
        _kill(display, window_id)


def kill_x_client(display: Display, base: int) -> bool:
    """Cut the connection of an X client, which need not have a window.

    False if there is no such client, or if it has made nothing by which the server could know it.
    """
    if base in (0, display.display.info.resource_id_base):  # the server's, our own
        return False
    # Xlib gives its first id, the base itself, to a graphics context that it keeps.
    return _kill(display, base) or any(_kill(display, r) for r in resources_of(display, base))


def place(display: Display, window_id: int, frame: Geometry) -> None:
    """Give a window, frame included, a place and size, un-maximising it first.

    The window manager keeps to the window's own limits. Without one the window is placed all the same.
    """
    with _doing("place the window", display, window_id):
        _look(display, window_id)
        placement.arrange(display, {window_id: frame})


def tile(display: Display, window_ids: Iterable[int]) -> tuple[int, ...]:
    """Lay windows out in a grid over the work area; returns the ids of those that were.

    Minimised windows, dialogs and windows that are gone are left alone.
    """
    found = [window for window_id in window_ids if (window := _find(display, window_id))]
    chosen = [window.id for window in found if not (window.minimised or window.dialog)]
    cells = tiling.grid(placement.work_area(display), len(chosen))
    placement.arrange(display, dict(zip(chosen, cells, strict=True)))
    return tuple(chosen)


# parts


def _look(display: Display, window_id: int) -> Window:
    """The window as it is. Raises Xlib's BadWindow."""
    pending = {name: properties.ask(display, window_id, name) for name in properties.NAMES}
    geometry = ask_geometry(display, window_id)
    found = {name: properties.answer(reply) for name, reply in pending.items()}
    atoms = properties.atoms_of(display)  # python-xlib remembers them
    return properties.describe(
        window_id, found, answer_geometry(geometry), atoms, client=0, active=False
    )


def _find(display: Display, window_id: int) -> Window | None:
    try:
        return _look(display, window_id)
    except xerrors.VANISHED:
        return None


def _need_manager(display: Display, what: str) -> None:
    if not has_window_manager(display):
        raise NotReadyError(what, "the window manager is not running", "again in a moment")


def _kill(display: Display, resource: int) -> bool:
    """Whether the server knew whose that is, and ended its connection."""
    problem = xerror.CatchError()
    request.KillClient(display=display.display, onerror=problem, resource=resource)
    display.sync()
    return problem.get_error() is None

"""The desktop, from a notebook or a script.

::

    from vizproxy import Desktop

    desktop = Desktop()
    brain = desktop.run("voreen scan.vws", framebuffer="2GiB")
    desktop.wait_for_window(brain)
    desktop.screenshot()

:class:`Desktop` blocks, also in a notebook, whose kernel always has a running event loop;
:class:`AsyncDesktop` has the same as coroutines. What goes wrong is a
:class:`vizproxy.errors.VizproxyError`, whose text is a sentence that says what to try.
"""

from vizproxy.notebook.asynchronous import AsyncDesktop
from vizproxy.notebook.blocking import Desktop
from vizproxy.notebook.failures import AppFailedError, NoRoomError, TookTooLongError
from vizproxy.notebook.pictures import Display, Screenshot
from vizproxy.notebook.values import App, Apps, Budget, Framebuffer, Status, Window, Windows

__all__ = [
    "App",
    "AppFailedError",
    "Apps",
    "AsyncDesktop",
    "Budget",
    "Desktop",
    "Display",
    "Framebuffer",
    "NoRoomError",
    "Screenshot",
    "Status",
    "TookTooLongError",
    "Window",
    "Windows",
]

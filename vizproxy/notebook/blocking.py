"""The desktop, for those who do one thing after the other."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from vizproxy.notebook.core import (
    STOP_SECONDS,
    WINDOW_SECONDS,
    ActivityName,
    Command,
    Core,
    PlanName,
)
from vizproxy.notebook.pictures import Display, Screenshot
from vizproxy.notebook.threads import finish
from vizproxy.notebook.values import App, Apps, Status, Window, Windows


class Desktop:
    """The desktop of this notebook, or of any process that can reach its daemon.

    Without ``socket``, it is the one that ``vizproxy`` finds in a terminal: VIZPROXY_SOCKET (which a
    Jupyter server with a Desktop tile sets), else as configured, else the usual place.

    Every call waits until it is done. Each asks afresh: nothing is kept open, so a desktop can be used
    in several threads, and after a fork. In code that has an event loop, use
    :class:`vizproxy.AsyncDesktop`.

    ::

        from vizproxy import Desktop

        desktop = Desktop()
        brain = desktop.run("voreen scan.vws", framebuffer="2GiB")
        desktop.wait_for_window(brain)
        desktop.screenshot().save("brain.png")
        desktop.stop(brain)
    """

    def __init__(self, socket: str | os.PathLike[str] | None = None) -> None:
        self._core = Core(socket)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(socket={os.fspath(self.socket)!r})"

    @property
    def socket(self) -> Path:
        """The daemon's socket."""
        return self._core.socket

    @property
    def status(self) -> Status:
        """How the desktop does: ``desktop.status.ready``."""
        return finish(self._core.status())

    @property
    def apps(self) -> Apps:
        """The programs on the desktop, in the order of their start; a notebook shows a table."""
        return finish(self._core.apps())

    @property
    def windows(self) -> Windows:
        """The windows on the desktop, in the order in which they came; a notebook shows a table."""
        return finish(self._core.windows())

    @property
    def display(self) -> Display:
        """The live desktop: as a cell's last line, it is there in the output, to be used.

        ::

            desktop.display
            desktop.display(height=900)

        Raises:
            NotReadyError: this is no kernel of a Jupyter server that has the desktop.
        """
        return self._core.display

    def screenshot(self) -> Screenshot:
        """Take a picture of the whole desktop.

        A notebook shows it when it is a cell's last line. It has ``png``, the file's bytes, ``image``
        for Pillow, and ``save``::

            desktop.screenshot().save("figure-3.png")
            numpy.asarray(desktop.screenshot().image)
        """
        return finish(self._core.screenshot())

    def run(
        self,
        command: Command,
        *,
        name: str | None = None,
        framebuffer: int | str | None = None,
        plan: PlanName | None = None,
        activity: ActivityName | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> App:
        """Start a program on the desktop, here, where this notebook runs.

        It gets a lease on its part of the framebuffer, and goes on when the kernel ends. It may not
        have a window yet: :meth:`wait_for_window`. What should be known of its start is a warning, for
        example that it draws without the GPU.

        ::

            desktop.run("glxgears -info")
            desktop.run(["paraview", Path("~/my scans/brain.vtk").expanduser()], framebuffer="1GiB")
            desktop.run(["sh", "-c", "cd $HOME && exec vmd *.pdb"])

        Args:
            command: The program and its arguments: a list, or a text that is split as a shell does
                it, where ``$HOME``, ``*`` and ``|`` mean nothing.
            name: What to call it in lists; else it is the program's name.
            framebuffer: How much of the framebuffer it needs: bytes, or a text such as "512MiB"; else
                it is an equal share.
            plan: How it draws, if not as the desktop does.
            activity: What of it keeps the server from being culled as idle: "input" is what somebody
                types and clicks, "gpu" also work on the GPU, "always" that it is there.
            cwd: The directory to start it in; else it is the current one.
            env: Environment variables for it, besides those of this process.

        Raises:
            NoRoomError: the others leave too little of the framebuffer, or there are too many.
            NoSuchProgramError: there is no such program.
            AppFailedError: it has failed at once.
            VizproxyError: anything else that keeps it from starting.
        """
        app, to_know = finish(
            self._core.start(
                command,
                name=name,
                framebuffer=framebuffer,
                plan=plan,
                activity=activity,
                cwd=cwd,
                env=env,
            )
        )
        for text in to_know:
            warnings.warn(text, stacklevel=2)
        return app

    def wait_for_window(self, app: App | str, *, timeout: float | None = WINDOW_SECONDS) -> Window:
        """Wait until a program has a window; return the first one.

        ``timeout`` is in seconds; None waits for as long as the program is there.

        Raises:
            AppFailedError: it has failed instead; the text has its last output.
            NoSuchAppError: it has ended instead.
            TookTooLongError: it has no window in time; this is a TimeoutError.
        """
        return finish(self._core.wait_for_window(app, timeout=timeout))

    def wait_for_end(self, app: App | str, *, timeout: float | None = None) -> None:
        """Wait until a program has ended, for example until somebody is done with it and closes it.

        Raises:
            AppFailedError: it has failed: its exit status was not 0.
            TookTooLongError: it still runs after ``timeout`` seconds; this is a TimeoutError.
        """
        finish(self._core.wait_for_end(app, timeout=timeout))

    def stop(self, app: App | str, *, timeout: float = STOP_SECONDS) -> None:
        """End a program, politely and then by force, and wait until it has gone.

        It is no error if the program of an :class:`App` has ended before.

        Raises:
            NoSuchAppError: no app has that id.
            TookTooLongError: it is still there after ``timeout`` seconds; this is a TimeoutError.
        """
        finish(self._core.stop(app, timeout=timeout))

    def show(self, target: App | Window | str) -> None:
        """Bring a window, or all windows of a program, to the front of the desktop.

        Raises:
            NoSuchAppError: the program has ended.
            WindowGoneError: the window is not there any more.
        """
        finish(self._core.show(target))

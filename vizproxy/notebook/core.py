"""What can be asked of the desktop and done on it, as coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from vizproxy.client import Client, ServerError
from vizproxy.config import load
from vizproxy.errors import NoSuchAppError, VizproxyError, WindowGoneError
from vizproxy.notebook import programs
from vizproxy.notebook.failures import AppFailedError, TookTooLongError, plainly
from vizproxy.notebook.pictures import Display, Screenshot, live
from vizproxy.notebook.scene import Gone, Scene, scenes
from vizproxy.notebook.values import (
    ENDED,
    App,
    Apps,
    Framebuffer,
    Json,
    Status,
    Window,
    Windows,
    reading,
)
from vizproxy.thisside import socket_of

T = TypeVar("T")

Command = str | Sequence[str | os.PathLike[str]]
PlanName = Literal["auto", "software", "direct", "virtualgl", "egl"]
ActivityName = Literal["input", "gpu", "always"]

STOP_SECONDS: Final = 30.0
WINDOW_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 0.5
"""How long a program is watched after its start: most that cannot work end at once."""

_NOT_FOUND: Final = 404
_WINDOW_ID: Final = re.compile(r"0x[0-9a-fA-F]+")


class Core:
    """The desktop behind a socket."""

    def __init__(self, socket: str | os.PathLike[str] | None = None) -> None:
        found = socket_of(load(file=None, env=os.environ, flags={})) if socket is None else socket
        self.socket: Final = Path(found).absolute()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(socket={os.fspath(self.socket)!r})"

    @property
    def display(self) -> Display:
        """The live desktop, which a notebook shows. Raises NotReadyError where there is none."""
        return live(self.socket)

    @plainly
    async def status(self) -> Status:
        """How the desktop does."""
        return await self._told(lambda client: client.status(), Status.from_json)

    @plainly
    async def apps(self) -> Apps:
        """The programs on the desktop, in the order of their start."""
        return await self._told(
            lambda client: client.apps(), lambda told: Apps(map(App.from_json, told["apps"]))
        )

    @plainly
    async def windows(self) -> Windows:
        """The windows on the desktop, in the order in which they came."""
        return await self._told(
            lambda client: client.windows(),
            lambda told: Windows(map(Window.from_json, told["windows"])),
        )

    @plainly
    async def screenshot(self) -> Screenshot:
        """Take a picture of the whole desktop."""
        async with Client(self.socket) as client:
            return Screenshot(await client.screenshot())

    @plainly
    async def start(
        self,
        command: Command,
        *,
        name: str | None,
        framebuffer: int | str | None,
        plan: PlanName | None,
        activity: ActivityName | None,
        cwd: str | os.PathLike[str] | None,
        env: Mapping[str, str] | None,
    ) -> tuple[App, tuple[str, ...]]:
        """Start a program; return its app and what its user should know."""
        argv = programs.words(command)
        given = {"name": name, "framebuffer": framebuffer, "plan": plan, "activity": activity}
        options = [f"--http-socket={self.socket}"]
        options += [f"--{option}={value}" for option, value in given.items() if value is not None]
        async with Client(self.socket) as client:
            await client.status()  # whether there is a desktop at all
            started = await programs.start(argv, options, cwd=cwd, env=env)
            scene = await _first_moments(client, started.app)
        _check_failure(scene, started.app, f"run {argv[0]}")
        app = scene.app(started.app) or _ended(started.app, name or Path(argv[0]).name, argv[0])
        return app, started.warnings

    @plainly
    async def stop(self, app: App | str, *, timeout: float = STOP_SECONDS) -> None:  # noqa: ASYNC109
        """End a program, and wait until it has gone."""
        app_id = _app_id(app)
        try:
            async with Client(self.socket) as client:
                told = await client.stop_app(app_id)
        except ServerError as error:
            if error.status != _NOT_FOUND:
                raise
            if isinstance(app, App):
                return  # it has ended by itself
            raise _no_such_app(app_id) from None
        with reading():
            gone = Gone(app_id, was_there=True, windows=set(told["windows"]))
        await self._until(f"end {app_id}", timeout, lambda scene: gone.seen_in(scene) or None)

    @plainly
    async def show(self, target: App | Window | str) -> None:
        """Bring a window, or all windows of an app, to the front."""
        name = target if isinstance(target, str) else target.id
        is_window = _WINDOW_ID.fullmatch(name) is not None
        try:
            async with Client(self.socket) as client:
                await (client.raise_window(name) if is_window else client.raise_app(name))
        except ServerError as error:
            if error.status != _NOT_FOUND:
                raise
            if not is_window:
                raise _no_such_app(name) from None
            raise WindowGoneError(
                f"show the window {name}", "it is not there any more", "one of `desktop.windows`"
            ) from None

    @plainly
    async def wait_for_window(
        self,
        app: App | str,
        *,
        timeout: float | None = WINDOW_SECONDS,  # noqa: ASYNC109 - as people know it from others
    ) -> Window:
        """Wait until a program has a window; return the first one."""
        app_id = _app_id(app)
        action = f"wait for a window of {app_id}"

        def seen(scene: Scene) -> Window | None:
            if window := scene.window_of(app_id):
                return window
            _check_failure(scene, app_id, action)
            if app_id not in scene.apps:
                raise NoSuchAppError(action, "it has ended", "`desktop.run`, to start it again")
            return None

        return await self._until(action, timeout, seen)

    @plainly
    async def wait_for_end(
        self,
        app: App | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """Wait until a program has ended."""
        app_id = _app_id(app)
        action = f"wait for the end of {app_id}"
        gone = Gone(app_id)
        if isinstance(app, App):
            gone = Gone(app_id, was_there=True, windows=set(app.windows))

        def ended(scene: Scene) -> Literal[True] | None:
            _check_failure(scene, app_id, action)
            is_gone = gone.seen_in(scene)
            if not gone.was_there:
                raise _no_such_app(app_id)
            return is_gone or None

        await self._until(action, timeout, ended)

    async def _told(
        self, question: Callable[[Client], Awaitable[dict[str, Any]]], read: Callable[[Json], T]
    ) -> T:
        async with Client(self.socket) as client:
            told = await question(client)
        with reading():
            return read(told)

    async def _until(
        self,
        action: str,
        timeout: float | None,  # noqa: ASYNC109
        seen: Callable[[Scene], T | None],
    ) -> T:
        """Follow the desktop until something is seen; return that."""
        try:
            async with (
                asyncio.timeout(timeout),
                Client(self.socket) as client,
                contextlib.aclosing(scenes(client)) as changing,
            ):
                async for scene in changing:
                    if (found := seen(scene)) is not None:
                        return found
        except TimeoutError:
            raise TookTooLongError(
                action, f"it took more than {timeout:g} s", "a longer `timeout`"
            ) from None
        raise AssertionError("the desktop is followed without end")


def _app_id(app: App | str) -> str:
    return app if isinstance(app, str) else app.id


def _no_such_app(app_id: str) -> VizproxyError:
    return NoSuchAppError(
        f"find the app {app_id!r}", "there is none of that id", "one of `desktop.apps`"
    )


def _check_failure(scene: Scene, app_id: str, action: str) -> None:
    """Raise AppFailedError if an app has failed."""
    if failure := scene.failures.get(app_id):
        hint = "it in a terminal, since it printed nothing"
        raise AppFailedError(action, failure.text, hint, failure.output)


async def _first_moments(client: Client, app_id: str) -> Scene:
    """The desktop when an app has a window or has ended, or when it has been there for a moment."""
    scene = Scene()
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(FIRST_SECONDS),
            contextlib.aclosing(scenes(client)) as changing,
        ):
            async for scene in changing:
                if app_id not in scene.apps or scene.window_of(app_id):
                    break
    return scene


def _ended(app_id: str, name: str, program: str) -> App:
    """An app that had ended before it was looked at: it may have handed its work to another one."""
    return App(
        id=app_id,
        name=name,
        state=ENDED,
        plan=None,
        program=Path(program).name,
        started=datetime.now(UTC),
        pids=(),
        windows=(),
        framebuffer=Framebuffer(0, 0, over=False),
    )

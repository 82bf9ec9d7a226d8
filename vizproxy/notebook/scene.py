"""What is on the desktop, followed as it changes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vizproxy.client import Client
from vizproxy.notebook.values import App, Window, reading

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """How an app has failed, as a sentence, and the last lines that it printed."""

    text: str
    output: tuple[str, ...]


@dataclass(slots=True)
class Scene:
    """Everything on the desktop at one moment, in the API's words."""

    apps: dict[str, Json] = field(default_factory=dict)
    windows: dict[str, Json] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)

    def take(self, message: Json) -> None:
        """Take a message of the daemon's events."""
        whole = message["type"] == "snapshot"
        for key, known in (("apps", self.apps), ("windows", self.windows)):
            told = message.get(key, {"changed": (), "removed": ()})
            if whole:
                known.clear()
                told = {"changed": told, "removed": ()}
            for item in told["changed"]:
                known[item["id"]] = item
            for name in told["removed"]:
                known.pop(name, None)
        for notice in message.get("notices", ()):
            if notice["kind"] == "failed":
                output = tuple(notice.get("output", ()))
                self.failures[notice["app"]] = Failure(notice["text"], output)

    def app(self, app_id: str) -> App | None:
        """The app of an id, if it is there."""
        told = self.apps.get(app_id)
        with reading():
            return None if told is None else App.from_json(told)

    def window_of(self, app_id: str) -> Window | None:
        """An app's first window, if it has one: a dialog only if there is no other."""
        with reading():
            windows = [Window.from_json(w) for w in self.windows.values() if w["app"] == app_id]
        return min(windows, key=lambda window: window.dialog, default=None)


@dataclass(slots=True)
class Gone:
    """Watches for the end of an app, and of the windows that it has had.

    The X server notices the end of a program later than those who wait for its processes.
    """

    app_id: str
    was_there: bool = False
    windows: set[str] = field(default_factory=set)

    def seen_in(self, scene: Scene) -> bool:
        """Whether nothing of the app is left."""
        is_there = self.app_id in scene.apps
        self.was_there = self.was_there or is_there
        self.windows |= {w["id"] for w in scene.windows.values() if w["app"] == self.app_id}
        return not is_there and self.windows.isdisjoint(scene.windows)


async def scenes(client: Client) -> AsyncGenerator[Scene]:
    """What is on the desktop, now and after each change; without end."""
    scene = Scene()
    async with contextlib.aclosing(client.events()) as events:
        async for message in events:
            with reading():
                scene.take(message)
            yield scene

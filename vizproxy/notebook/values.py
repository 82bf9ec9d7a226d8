"""What the daemon tells, as values that a notebook shows well.

Each is read from the API's JSON. What a newer daemon tells beyond that is passed over.
"""

from __future__ import annotations

import contextlib
import html
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar

from vizproxy.amounts import amount_text
from vizproxy.errors import VizproxyError

T = TypeVar("T")

Json = Mapping[str, Any]

ENDED: Final = "ended"
"""The state of an app that is not there any more."""


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Read what the daemon has told.

    Raises:
        VizproxyError: something is missing from it, as where the daemon is much older.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError):
        raise VizproxyError(
            "understand the desktop",
            "its daemon is of another version than this vizproxy",
            "the same version on both sides",
        ) from None


@dataclass(frozen=True, slots=True)
class Framebuffer:
    """What an app has of the framebuffer, in bytes.

    ``granted`` is what it may use, ``used`` what it uses; ``over`` says that this has been too much.
    """

    granted: int
    used: int
    over: bool

    @classmethod
    def from_json(cls, told: Json) -> Self:
        return cls(told["granted"], told["used"], told["over"])

    def __str__(self) -> str:
        text = f"{amount_text(self.used)} of {amount_text(self.granted)}"
        return f"{text} (too much)" if self.over else text


@dataclass(frozen=True, slots=True)
class Budget:
    """The framebuffer that all apps share, in bytes, and how many apps there are."""

    total: int
    granted: int
    used: int
    apps: int
    max_apps: int

    @classmethod
    def from_json(cls, told: Json) -> Self:
        return cls(told["total"], told["granted"], told["used"], told["apps"], told["max_apps"])

    def __repr__(self) -> str:
        return (
            f"<Budget: {amount_text(self.granted)} of {amount_text(self.total)} granted, "
            f"{amount_text(self.used)} in use; {self.apps} of {self.max_apps} apps>"
        )


@dataclass(frozen=True, slots=True, repr=False)
class App:
    """A program on the desktop, as it was at one moment.

    ``id`` names it: ``voreen-1``. ``state`` is ``starting`` until its first window is there, then
    ``running``, ``stopping``, and ``ended``. ``plan`` says how it draws; it is None for a program that
    was started without a lease. ``program`` is its file's name, ``pids`` its processes as its own
    container numbers them, and ``windows`` the ids of its windows.
    """

    id: str
    name: str
    state: str
    plan: str | None
    program: str
    started: datetime
    pids: tuple[int, ...]
    windows: tuple[str, ...]
    framebuffer: Framebuffer

    @classmethod
    def from_json(cls, told: Json) -> Self:
        return cls(
            id=told["id"],
            name=told["name"],
            state=told["state"],
            plan=told["plan"],
            program=told["program"],
            started=datetime.fromtimestamp(told["started"], UTC),
            pids=tuple(told["pids"]),
            windows=tuple(told["windows"]),
            framebuffer=Framebuffer.from_json(told["framebuffer"]),
        )

    def __repr__(self) -> str:
        facts = [self.state]
        if self.state != ENDED:
            facts += [self.plan or "no lease", f"{self.framebuffer} of framebuffer"]
            facts.append("1 window" if len(self.windows) == 1 else f"{len(self.windows)} windows")
        return f"<App {self.id}: {', '.join(facts)}>"


@dataclass(frozen=True, slots=True, repr=False)
class Window:
    """A window on the desktop, as it was at one moment.

    ``app`` is the id of its app. Place and size are in pixels of the desktop. ``dialog`` says that it
    belongs to another window.
    """

    id: str
    app: str
    title: str
    class_name: str
    x: int
    y: int
    width: int
    height: int
    minimised: bool
    maximised: bool
    fullscreen: bool
    active: bool
    dialog: bool

    @classmethod
    def from_json(cls, told: Json) -> Self:
        place = told["geometry"]
        return cls(
            id=told["id"],
            app=told["app"],
            title=told["title"],
            class_name=told["class"],
            x=place["x"],
            y=place["y"],
            width=place["width"],
            height=place["height"],
            minimised=told["minimised"],
            maximised=told["maximised"],
            fullscreen=told["fullscreen"],
            active=told["active"],
            dialog=told["dialog"],
        )

    @property
    def states(self) -> tuple[str, ...]:
        """Which of these it is: active, dialog, minimised, maximised, fullscreen."""
        names = ("active", "dialog", "minimised", "maximised", "fullscreen")
        return tuple(name for name in names if getattr(self, name))

    def __repr__(self) -> str:
        facts = [self.app, f"{self.width}x{self.height}", *self.states]
        return f"<Window {self.id} {self.title!r}: {', '.join(facts)}>"


@dataclass(frozen=True, slots=True, repr=False)
class Status:
    """How the desktop does.

    ``state`` is ``starting``, ``ready``, ``degraded``, ``failed`` or ``stopping``, and ``summary`` a
    sentence about it. ``ready`` says whether there is a picture. ``plan`` is how programs draw, and
    ``plan_reason`` why so. ``display`` is the X display (``:0``) and ``size`` its width and height in
    pixels; both are None while there is none. ``last_activity`` is when somebody last used it.
    """

    version: str
    state: str
    summary: str
    ready: bool
    plan: str
    plan_reason: str
    display: str | None
    size: tuple[int, int] | None
    viewers: int
    last_activity: datetime | None
    warnings: tuple[str, ...]
    framebuffer: Budget

    @classmethod
    def from_json(cls, told: Json) -> Self:
        display, last = told["display"], told.get("last_activity")
        return cls(
            version=told["version"],
            state=told["state"],
            summary=told["summary"],
            ready=told["picture"],
            plan=told["plan"]["name"],
            plan_reason=told["plan"]["reason"],
            display=display and display["name"],
            size=display and (display["width"], display["height"]),
            viewers=told["viewers"],
            last_activity=None if last is None else datetime.fromtimestamp(last, UTC),
            warnings=tuple(told["warnings"]),
            framebuffer=Budget.from_json(told["framebuffer"]),
        )

    def __repr__(self) -> str:
        facts = [f"plan {self.plan}"]
        if self.size is not None:
            facts.append(f"{self.size[0]}x{self.size[1]}")
        facts.append("1 viewer" if self.viewers == 1 else f"{self.viewers} viewers")
        return "\n  ".join([f"<Status: {self.summary} ({', '.join(facts)})>", *self.warnings])


class _Tabled(list[T], ABC):
    """A list that is shown as a table, in a notebook and as text."""

    @abstractmethod
    def _table(self) -> _Table: ...

    def __repr__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        return self._table().html()


class Apps(_Tabled[App]):
    """Apps, which a notebook shows as a table."""

    def _table(self) -> _Table:
        rows = [
            (
                app.id,
                app.name,
                app.state,
                app.plan or "no lease",
                str(app.framebuffer),
                str(len(app.windows)),
                f"{app.started.astimezone():%H:%M:%S}",
            )
            for app in self
        ]
        return _Table(
            ("id", "name", "state", "plan", "framebuffer", "windows", "started"), rows, "no apps"
        )


class Windows(_Tabled[Window]):
    """Windows, which a notebook shows as a table."""

    def _table(self) -> _Table:
        rows = [
            (
                window.id,
                window.app,
                window.title,
                f"{window.width}x{window.height}",
                f"{window.x}, {window.y}",
                ", ".join(window.states),
            )
            for window in self
        ]
        return _Table(("id", "app", "title", "size", "place", "state"), rows, "no windows")


@dataclass(frozen=True, slots=True)
class _Table:
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    nothing: str

    def text(self) -> str:
        if not self.rows:
            return self.nothing
        lines = [self.headings, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join(padded)

    def html(self) -> str:
        if not self.rows:
            return f"<em>{self.nothing}</em>"
        head = "".join(f"<th>{heading}</th>" for heading in self.headings)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""``vizproxy run``."""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass
from typing import TypeVar

from vizproxy.cli.find import find_socket
from vizproxy.config import APP_FRAMEBUFFER, Activity, LoadedConfig, Plan
from vizproxy.config.kinds import InvalidValueError, Kind, Place
from vizproxy.config.texts import ChoiceKind
from vizproxy.errors import InvalidRequestError
from vizproxy.runner import launch
from vizproxy.runner.order import Order, check_name

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed."""

    command: tuple[str, ...]
    name: str | None
    framebuffer: str | None
    plan: str | None
    activity: str | None
    detach: bool


def run(loaded: LoadedConfig, wanted: Wanted) -> int:
    """Run a program on the desktop. Returns only if it was detached."""
    command = wanted.command[1:] if wanted.command[:1] == ("--",) else wanted.command
    if not command:
        raise InvalidRequestError("run a program", "none was named", "`vizproxy run glxgears`, say")
    order = Order(
        argv=command,
        socket=find_socket(loaded).absolute(),
        mark=str(uuid.uuid4()),
        name="" if wanted.name is None else check_name(wanted.name),
        framebuffer=_read(APP_FRAMEBUFFER, "--framebuffer", wanted.framebuffer),
        plan=_read(ChoiceKind(Plan), "--plan", wanted.plan),
        activity=_read(ChoiceKind(Activity), "--activity", wanted.activity),
        detach=wanted.detach,
        virtualgl_dir=loaded.config.display.virtualgl_dir,
    )
    app_id = launch.run(order, _warn)
    print(app_id)
    return 0


def _read(kind: Kind[T], flag: str, text: str | None) -> T | None:
    if text is None:
        return None
    try:
        return kind.from_text(text, Place(None, None))
    except InvalidValueError as error:
        why = "; ".join(message.partition("; give ")[0] for message in error.messages)
        raise InvalidRequestError(f"use {flag}", why, kind.form) from error


def _warn(text: str) -> None:
    print(f"vizproxy: {text}", file=sys.stderr)

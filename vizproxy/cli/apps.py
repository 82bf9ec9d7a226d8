"""``vizproxy apps``: the programs on the desktop."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Final

from vizproxy.amounts import amount_text
from vizproxy.cli.ask import ask
from vizproxy.cli.find import find_socket
from vizproxy.cli.text import coloured, duration_text, json_text
from vizproxy.config import LoadedConfig

_HEADINGS: Final = ("ID", "STATE", "PLAN", "FRAMEBUFFER", "WINDOWS", "UP", "PIDS")
_MAX_PIDS_SHOWN: Final = 4


def show(loaded: LoadedConfig, *, as_json: bool) -> int:
    """Print the programs on the desktop."""
    answer = ask(find_socket(loaded), lambda client: client.apps())
    if as_json:
        print(json_text(answer))
    else:
        print("\n".join(describe(answer, now=time.time(), colour=coloured())))
    return 0


def stop(loaded: LoadedConfig, app_id: str) -> int:
    """Begin to end a program."""
    app = ask(find_socket(loaded), lambda client: client.stop_app(app_id))
    print(f"{app['id']} is being ended")
    return 0


def describe(answer: dict[str, Any], *, now: float, colour: bool) -> list[str]:
    """The programs as lines for a person. ``now`` is in seconds of the epoch."""
    apps: Sequence[dict[str, Any]] = answer["apps"]
    rows = [_HEADINGS, *(_row(app, now) for app in apps)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for number, row in enumerate(rows):
        line = "  ".join(
            text.ljust(width) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        over = number > 0 and apps[number - 1]["framebuffer"]["over"]
        lines.append(f"\x1b[33m{line}\x1b[0m" if over and colour else line)
    budget = answer["framebuffer"]
    summary = (
        f"{budget['apps']} of {budget['max_apps']} apps; framebuffer: "
        f"{amount_text(budget['granted'])} of {amount_text(budget['total'])} granted, "
        f"{amount_text(budget['used'])} in use"
    )
    return [*(lines if apps else ["no programs; `vizproxy run COMMAND` starts one"]), "", summary]


def _row(app: dict[str, Any], now: float) -> tuple[str, ...]:
    framebuffer = app["framebuffer"]
    used, granted = framebuffer["used"], amount_text(framebuffer["granted"])
    if framebuffer["over"]:
        use = f"{amount_text(used, math.ceil)} of {granted} (too much)"
    else:
        use = f"{amount_text(used)} of {granted}"
    pids = [str(pid) for pid in app["pids"]]
    more = ["…"] if len(pids) > _MAX_PIDS_SHOWN else []
    return (
        app["id"],
        app["state"],
        app["plan"] or "no lease",
        use,
        str(len(app["windows"])),
        duration_text(max(now - app["started"], 0)),
        " ".join([*pids[:_MAX_PIDS_SHOWN], *more]) or "?",
    )

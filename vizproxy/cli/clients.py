"""The commands that ask a running daemon."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from vizproxy.amounts import amount_text
from vizproxy.cli.ask import ask
from vizproxy.cli.find import find_socket
from vizproxy.cli.text import (
    coloured,
    duration_text,
    json_text,
    mark_of,
    output_encoding,
    printable,
)
from vizproxy.config import LoadedConfig
from vizproxy.errors import FileSystemError, NotReadyError, system_reason
from vizproxy.runtime import Layout
from vizproxy.thisside import on_this_side


def status(loaded: LoadedConfig, *, as_json: bool) -> int:
    """Print how the desktop does. The exit code is 0 when viewers can see it."""
    answer = ask(find_socket(loaded), lambda client: client.status())
    if as_json:
        print(json_text(answer))
    else:
        print("\n".join(describe(answer, colour=coloured(), encoding=output_encoding())))
    return 0 if answer["picture"] else 1


def describe(answer: dict[str, Any], *, colour: bool, encoding: str | None = "utf-8") -> list[str]:
    """The status as lines for a person. Marks are such that the ``encoding`` can carry them."""

    def mark(state: str) -> str:
        code, sign = mark_of(state, encoding)
        return f"\x1b[{code}m{sign}\x1b[0m" if colour else sign

    plan, display = answer["plan"], answer["display"]
    lines = [
        f"{mark(answer['state'])} {printable(answer['summary'])}",
        "",
        f"  plan      {plan['name']} ({printable(plan['reason'])})",
    ]
    if answer["gpu"] is not None:
        lines.append(f"  GPU       {_gpu(answer)}")
    if display is not None:
        lines.append(
            f"  display   {display['name']}, {display['width']}x{display['height']} pixels"
        )
    lines.append(f"  viewers   {answer['viewers']}")
    lines.append(f"  apps      {_apps(answer)}")
    lines += [f"  address   {url}" for url in answer["listening"]]
    lines += [f"  {mark('degraded')} {printable(text)}" for text in answer["warnings"]]
    if answer["log_lines_lost"]:
        lines.append(f"  log       {answer['log_lines_lost']} lines could not be written")
    lines.append("")
    for component in answer["components"]:
        lines += _component(component, mark(component["state"]))
    return lines


def _gpu(answer: dict[str, Any]) -> str:
    gpu, framebuffer = answer["gpu"], answer["framebuffer"]["gpu"]
    facts = [printable(gpu["name"])]
    if gpu["condition"] != "fine":
        facts.append(f"{gpu['condition']} for {duration_text(gpu['since_seconds'])}")
    if framebuffer is not None:
        used, total = amount_text(framebuffer["used"]), amount_text(framebuffer["total"])
        facts.append(f"{used} of {total} framebuffer in use")
    return ", ".join(facts)


def _apps(answer: dict[str, Any]) -> str:
    budget = answer["framebuffer"]
    if not budget["apps"]:
        return "none"
    return (
        f"{budget['apps']}, with {amount_text(budget['granted'])} of "
        f"{amount_text(budget['total'])} framebuffer granted and "
        f"{amount_text(budget['used'])} in use"
    )


def _component(component: dict[str, Any], mark: str) -> list[str]:
    state = component["state"]
    facts = [f"for {duration_text(component['since_seconds'])}"]
    if component["pid"] is not None:
        facts.append(f"pid {component['pid']}")
    if component["restarts"]:
        facts.append(f"restarts {component['restarts']}")
    if component["retry_in_seconds"] is not None:
        facts.append(f"next try in {component['retry_in_seconds']:.1f} s")
    name = f"{component['title']} ({component['name']})"
    lines = [f"  {mark} {name:<30} {state:<9} {', '.join(facts)}"]
    if component["reason"]:
        lines.append(f"      {printable(component['reason'])}")
    if state in {"fatal", "backoff"}:
        lines += [f"      | {printable(text)}" for text in component["output"]]
    return lines


def env(loaded: LoadedConfig) -> int:
    """Print the environment that makes programs appear on the desktop."""
    socket = find_socket(loaded)
    answer = ask(socket, lambda client: client.status())
    environment: dict[str, str] = answer["environment"]
    if not environment:
        raise NotReadyError("tell the environment", answer["summary"], "again in a moment")
    for name, value in on_this_side(environment, socket).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def url(loaded: LoadedConfig) -> int:
    """Print the link that opens the desktop in a browser."""
    answer = ask(find_socket(loaded), lambda client: client.status())
    if not answer["listening"]:
        raise NotReadyError(
            "print a link",
            "the desktop is served on a unix socket alone",
            "`vizproxy serve --http 127.0.0.1:6080`",
        )
    path = Layout(Path(answer["runtime_dir"])).token
    try:
        token = path.read_text(encoding="ascii")
    except OSError as error:
        why = system_reason(error)
        hint = "this in the daemon's own container, as its own user"
        raise FileSystemError(f"read {path}", why, hint) from error
    for place in answer["listening"]:
        print(f"{place}#token={token}")
    return 0


def screenshot(loaded: LoadedConfig, file: Path) -> int:
    """Save a picture of the desktop as PNG."""
    png = ask(find_socket(loaded), lambda client: client.screenshot())
    to_stdout = str(file) == "-"
    try:
        if to_stdout:
            with open(sys.stdout.fileno(), "wb", closefd=False) as out:
                out.write(png)
        else:
            file.write_bytes(png)
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard output" if to_stdout else str(file)
        why = system_reason(error)
        raise FileSystemError(f"write the picture to {name}", why, "another file") from error
    return 0

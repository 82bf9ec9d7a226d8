"""``vizproxy doctor``: what is well with this machine, what is not, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

from vizproxy import resources
from vizproxy.cli.find import find_socket
from vizproxy.cli.text import coloured, is_terminal, json_text, output_encoding
from vizproxy.client import Client
from vizproxy.config import Config, LoadedConfig
from vizproxy.doctor.case import PlanInForce, make_case
from vizproxy.doctor.examine import describe as describe_machine
from vizproxy.doctor.examine import examine
from vizproxy.doctor.model import Report
from vizproxy.doctor.running import look, plan_in_force
from vizproxy.doctor.text import WIDEST, describe
from vizproxy.errors import VizproxyError
from vizproxy.facts import recording
from vizproxy.facts.model import Fact, Machine, RunningDesktop, unknown
from vizproxy.facts.probe import probe


def run(
    loaded: LoadedConfig, *, as_json: bool, record: Path | None = None, replay: Path | None = None
) -> int:
    """Examine this machine, or the one in the recording ``replay``, and print the findings.

    The exit code is 0 if all is green, 1 if something is yellow, 2 if something is red.

    Raises:
        VizproxyError: a recording cannot be read or written.
    """
    config = loaded.config
    in_force: PlanInForce | None = None
    if replay is not None:
        machine = recording.read(replay).facts
    else:
        desktop, in_force = asyncio.run(_running(loaded))
        machine = replace(probe(config, os.environ), desktop=desktop)
    report, machine_in_words = _examine(machine, config, in_force)
    if record is not None:
        recording.write(record, recording.seen(machine_in_words, machine))
    if as_json:
        print(json_text(report.as_json()))
    else:
        colour, encoding = coloured(), output_encoding()
        lines = describe(report, width=_width(), colour=colour, encoding=encoding)
        print("\n".join(lines))
        if record is not None:
            print(f"\nwritten to {record}: what was found here, for a bug report or `--replay`")
    return report.exit_code


def _examine(machine: Machine, config: Config, in_force: PlanInForce | None) -> tuple[Report, str]:
    case = make_case(machine, config, resources.xorg_configs(), in_force=in_force)
    return examine(case), describe_machine(case)


async def _running(loaded: LoadedConfig) -> tuple[Fact[RunningDesktop], PlanInForce | None]:
    """The desktop that runs, and what it says of its plan."""
    try:
        socket = await asyncio.to_thread(find_socket, loaded)
        async with Client(socket) as client:
            status = await client.status()
    except VizproxyError as error:
        return unknown(error.why), None
    return await look(status, socket), plan_in_force(status)


def _width() -> int:
    """The terminal's width, as far as one is wanted; COLUMNS outweighs it."""
    return shutil.get_terminal_size((WIDEST, 24)).columns if is_terminal() else WIDEST

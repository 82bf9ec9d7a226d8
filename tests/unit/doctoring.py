"""Cases for the check-up: recorded machines, changed where a test wants something else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from tests import machines
from tests.unit.configuring import config
from vizproxy import resources
from vizproxy.config import Config
from vizproxy.doctor.case import Case, make_case
from vizproxy.doctor.examine import examine
from vizproxy.doctor.model import Finding, Level, Report
from vizproxy.facts.model import Files, Gpu, Machine, System, known

GOOD = "a40-8q-licensed"
"""A machine with which all is well."""


@cache
def machine(name: str = GOOD) -> Machine:
    return machines.load(name)


def settings(**flags: str) -> Config:
    """The configuration with settings by their dotted paths, ``__`` for the dot."""
    return config(flags={path.replace("__", "."): text for path, text in flags.items()}).config


def case(of: Machine | str = GOOD, **flags: str) -> Case:
    seen = machine(of) if isinstance(of, str) else of
    return make_case(seen, settings(**flags), resources.xorg_configs())


def report(of: Machine | str = GOOD, **flags: str) -> Report:
    return examine(case(of, **flags))


def findings(check: str, of: Machine | str = GOOD, **flags: str) -> tuple[Finding, ...]:
    return report(of, **flags).of(check)


def finding(check: str, of: Machine | str = GOOD, **flags: str) -> Finding:
    """The only finding of a check."""
    (only,) = findings(check, of, **flags)
    return only


def levels(check: str, of: Machine | str = GOOD, **flags: str) -> set[Level]:
    return {found.level for found in findings(check, of, **flags)}


def with_system(of: Machine | str = GOOD, **changed: Any) -> Machine:
    seen = machine(of) if isinstance(of, str) else of
    system: System = replace(seen.system, **changed)
    return replace(seen, system=system)


def with_files(of: Machine | str = GOOD, **changed: Any) -> Machine:
    seen = machine(of) if isinstance(of, str) else of
    files: Files = replace(seen.files, **changed)
    return replace(seen, files=files)


def with_gpu(of: Machine | str = GOOD, **changed: Any) -> Machine:
    """The machine with its first GPU changed."""
    seen = machine(of) if isinstance(of, str) else of
    first, *others = seen.nvml.gpus.get(())
    gpu: Gpu = replace(first, **changed)
    return replace(seen, nvml=replace(seen.nvml, gpus=known((gpu, *others))))


def with_desktop(of: Machine | str = GOOD, **changed: Any) -> Machine:
    """The machine with its running desktop changed."""
    seen = machine(of) if isinstance(of, str) else of
    assert seen.desktop.value is not None
    return replace(seen, desktop=known(replace(seen.desktop.value, **changed)))

"""All facts about this machine, found out now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vizproxy.config import Config
from vizproxy.facts import files, system
from vizproxy.facts.calls import DriverCalls
from vizproxy.facts.model import Machine, System, unknown
from vizproxy.facts.nvml import NVML, Library, read_within


def probe(
    config: Config,
    environ: Mapping[str, str],
    *,
    root: Path = Path("/"),
    library: Library = NVML,
    calls: DriverCalls | None = None,
    disk: DriverCalls | None = None,
) -> Machine:
    """Find out all that can be known of this machine but its desktop. Never raises.

    Blocks for some 20 ms, some seconds more while a GPU wakes up, and never much longer than the
    patience of ``calls`` and of ``disk`` together: they carry what a driver or a file system in
    trouble may hold up. Who probes again and again passes the same ones each time, so that what
    hangs is not asked again.
    """
    driver = calls or DriverCalls()
    storage = disk or DriverCalls(name="file system")
    return Machine(
        # Files first. If the kernel's driver hangs, NVML is given up at once.
        files=files.read(config, environ, root, driver, storage),
        nvml=read_within(driver, library),
        system=_system(config, environ, root, storage),
        desktop=unknown("nobody asked it"),
    )


def _system(config: Config, environ: Mapping[str, str], root: Path, disk: DriverCalls) -> System:
    try:
        return disk.wait(lambda: system.read(config, environ, root))
    except TimeoutError:
        return system.not_read("a file system has not answered in time", environ)

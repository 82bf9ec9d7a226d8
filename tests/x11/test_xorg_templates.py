"""Every configuration that is rendered, read by a real X server.

Where it names a driver whose hardware is not here, the dummy driver takes its place: the X server then
reads all of the file, and starts by it.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import machines
from tests.support import own_display
from vizproxy import resources
from vizproxy.config import Config, Display, GpuDriver, Plan, Runtime, Xorg, XorgOption
from vizproxy.display import xorgconf
from vizproxy.display.facts import for_plan
from vizproxy.display.plan import choose
from vizproxy.display.xorglog import reasons
from vizproxy.errors import PlanError
from vizproxy.facts.probe import probe

GOLDEN = Path(__file__).parent.parent / "golden"
XORG = Config(Runtime(Path("/run/x"))).programs.xorg
pytestmark = pytest.mark.skipif(not Path(XORG).exists(), reason=f"{XORG} is not installed")


def directives(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def recorded() -> dict[str, Path]:
    """The configurations of recorded machines that differ in more than their comments."""
    found: dict[str, Path] = {}
    for file in sorted(GOLDEN.glob("*/*.conf")):
        found.setdefault(directives(file.read_text()), file)
    return {f"{file.parent.name} {file.stem}": file for file in found.values()}


RECORDED = recorded()


def rendered(machine: str, *options: XorgOption, **display: Any) -> str:
    """The configuration of the desktop's X server on a recorded machine."""
    config = Config(Runtime(Path("/run/x")), display=Display(**display), xorg=Xorg(device=options))
    facts = for_plan(machines.load(machine), config)
    plan = choose(config.display, facts)
    return xorgconf.desktop_conf(config, plan, facts, resources.xorg_configs())


def with_dummy(text: str) -> str:
    """The configuration with the dummy driver in the place of any other."""
    dummy = 'Driver "dummy"\n    VideoRam 256000'
    return re.sub(r'^    Driver "(?!dummy)\w+"$', "    " + dummy, text, flags=re.MULTILINE)


def start(conf: Path, *, limit: float = 10) -> tuple[bool, str]:
    """Start an X server and end it: whether it accepted clients, and its log."""
    log = conf.with_suffix(".log")
    reader, writer = os.pipe()
    display = [f":{number}" for number in own_display().values()]
    argv = [XORG, *display, "-displayfd", str(writer), "-config", str(conf), "-logfile", str(log)]
    argv += ["-noreset", "-nolisten", "tcp", "-novtswitch", "-sharevts", "vt7"]
    with subprocess.Popen(
        argv, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        os.close(writer)
        told = b""
        try:
            # It writes the number and the line's end by two calls, and minds if nobody reads both.
            while not told.endswith(b"\n") and select.select([reader], [], [], limit)[0]:
                if not (more := os.read(reader, 16)):
                    break
                told += more
        finally:
            server.terminate()
            os.close(reader)
    return told.endswith(b"\n"), log.read_text(errors="replace")


def check(text: str, directory: Path) -> str:
    """Check that an X server starts by a configuration, and return its log."""
    conf = directory / "xorg.conf"
    conf.write_text(with_dummy(text))
    started, log = start(conf)
    assert started, reasons(log)
    assert f'Using config file: "{conf}"' in log
    assert reasons(log) == (), "what every start writes tells nothing"
    return log


def test_every_template_is_on_some_recorded_machine() -> None:
    drivers = {d for f in RECORDED.values() for d in re.findall(r'Driver "(\w+)"', f.read_text())}
    assert drivers == {"dummy", "nvidia", "amdgpu"}, "modesetting has a test of its own below"


@pytest.mark.parametrize("name", RECORDED)
def test_xorg_understands_what_recorded_machines_get(name: str, tmp_path: Path) -> None:
    check(RECORDED[name].read_text(), tmp_path)


def test_xorg_understands_the_template_for_drivers_in_the_kernel(tmp_path: Path) -> None:
    text = rendered("amd-gpu", plan=Plan.DIRECT, gpu_driver=GpuDriver.MODESETTING)
    assert 'Driver "modesetting"' in text
    check(text, tmp_path)


def test_xorg_understands_options_that_were_added(tmp_path: Path) -> None:
    odd = XorgOption("Test_Option x", "it's 5%, # and more; {}")
    log = check(rendered("no-gpu", odd), tmp_path)
    assert f'Option "{odd.name}" is not used' in log


def test_a_driver_that_is_not_there_is_the_reason(tmp_path: Path) -> None:
    conf = tmp_path / "xorg.conf"
    conf.write_text(rendered("no-gpu").replace('"dummy"', '"absent"'))
    started, log = start(conf)
    assert not started
    assert reasons(log)[0] == 'Failed to load module "absent" (module does not exist, 0)'


@pytest.mark.parametrize(
    "damage",
    [
        ('Section "Device"', 'Sektion "Device"'),
        ("EndSubSection", ""),
        ("HorizSync 1.0", "HorizSync fast"),
        ("Modeline", "Modelline"),
    ],
)
def test_xorg_would_not_understand_another(damage: tuple[str, str], tmp_path: Path) -> None:
    conf = tmp_path / "xorg.conf"
    conf.write_text(rendered("no-gpu").replace(*damage))
    started, log = start(conf)
    assert not started
    assert reasons(log)


def test_the_dummy_drivers_options_are_all_used(tmp_path: Path) -> None:
    log = check(rendered("no-gpu"), tmp_path)
    assert re.findall(r'Option "(\w+)" is not used', log) == ["DPMS"], "it has none"
    assert "1600x900" in log


def test_the_modesetting_driver_starts_on_a_card(tmp_path: Path) -> None:
    display = Display(plan=Plan.DIRECT, gpu_driver=GpuDriver.MODESETTING)
    config = Config(Runtime(tmp_path), display=display)
    facts = for_plan(probe(config, os.environ), config)
    try:
        plan = choose(display, facts)
    except PlanError as error:
        pytest.skip(f"{error.why} on this machine")
    conf = tmp_path / "xorg.conf"
    conf.write_text(xorgconf.desktop_conf(config, plan, facts, resources.xorg_configs()))
    started, log = start(conf)
    assert started, reasons(log)
    assert "is not used" not in log

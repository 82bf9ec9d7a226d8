"""``vizproxy config xorg``: on this machine, and on recorded ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import machines
from tests.cli.running import run, run_all
from vizproxy.cli import main

GOLDEN = Path(__file__).parent.parent / "golden"


def xorg(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command within this process, which is faster."""
    code = main.main(["config", "xorg", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def replayed(name: str) -> tuple[str, str]:
    return "--replay", str(machines.path_of(name))


def test_what_this_machine_would_get() -> None:
    ended = run("config", "xorg", "--plan", "software")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("# The desktop's X server.")
    assert 'Driver "dummy"' in ended.out
    assert "# Plan software: it was asked for." in ended.out


def test_what_a_recorded_machine_would_get(capsys: pytest.CaptureFixture[str]) -> None:
    """Of both X servers, or of one."""
    desktop = (GOLDEN / "bare-t4" / "xorg-desktop.conf").read_text()
    three_d = (GOLDEN / "bare-t4" / "xorg-3d.conf").read_text()
    machine = replayed("bare-t4")
    assert xorg(capsys, *machine) == (0, f"{desktop}\n\n{three_d}", "")
    assert xorg(capsys, *machine, "--server", "desktop") == (0, desktop, "")
    assert xorg(capsys, *machine, "--server", "3d") == (0, three_d, "")


def test_settings_count(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "vizproxy.toml"
    file.write_text("[xorg.device]\nHardDPMS = true\n")
    flags = ("--plan", "direct", "--size", "1024x768", "--config", str(file))
    code, out, _ = xorg(capsys, *replayed("t4-1b"), *flags)
    assert code == 0
    assert 'Option "HardDPMS" "true"  # from xorg.device; the template has false' in out
    assert "# Size at the start 1024x768: display.size." in out
    assert 'Driver "nvidia"' in out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            (*replayed("no-gpu"), "--server", "3d"),
            69,
            "cannot print the configuration of the 3D X server: the plan has none; try --server ",
        ),
        (
            (*replayed("a100-mig-slice"), "--plan", "direct"),
            69,
            "cannot use the rendering plan 'direct': NVIDIA A100-SXM4-40GB is in MIG mode",
        ),
        (("--replay", "/nowhere/x.json"), None, "cannot read the recording /nowhere/x.json: "),
    ],
)
def test_what_cannot_be(
    arguments: tuple[str, ...],
    code: int | None,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, out, err = xorg(capsys, *arguments)
    assert out == ""
    assert code is None or ended == code
    assert ended != 0
    assert err.startswith(f"vizproxy: {sentence}")
    assert "; try " in err


def test_bad_usage_and_help() -> None:
    helped, bad = run_all(
        [("config", "xorg", "--help"), ("config", "xorg", "--server", "x")],
        environ={"COLUMNS": "100"},
    )
    assert helped.out.startswith("usage: vizproxy config xorg")
    assert max(map(len, helped.out.splitlines())) <= 100
    assert bad.code == 2
    (line,) = bad.err.splitlines()
    assert "--server" in line

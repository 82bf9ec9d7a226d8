"""Help, version and bad usage; ``vizproxy config``."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.cli.running import VIZPROXY, environment, run, run_all, settings
from vizproxy import __version__
from vizproxy.config import SETTINGS

COMMANDS = (
    *("serve", "status", "ping", "top", "url", "env", "screenshot", "config", "kubernetes"),
)


def test_version() -> None:
    ended = run("--version")
    assert (ended.code, ended.out, ended.err) == (0, f"vizproxy {__version__}\n", "")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(flag: str) -> None:
    ended = run(flag)
    assert (ended.code, ended.err) == (0, "")
    for command in COMMANDS:
        assert f"vizproxy {command}" in ended.out


def test_help_fits_a_terminal() -> None:
    commands = [(), *((c,) for c in COMMANDS), ("config", "check"), ("config", "show")]
    commands.append(("kubernetes", "render"))
    helps = run_all([(*command, "--help") for command in commands], environ={"COLUMNS": "100"})
    for command, ended in zip(commands, helps, strict=True):
        assert ended.code == 0
        assert ended.out.startswith(" ".join(("usage: vizproxy", *command)))
        assert max(map(len, ended.out.splitlines())) <= 100


def test_without_a_command_the_help_goes_to_standard_error() -> None:
    ended = run()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == run("--help").out


BAD_USAGE = {
    ("nonsense",): ("'nonsense'", "`vizproxy --help`"),
    ("--nonsense",): ("--nonsense", "`vizproxy --help`"),
    ("serve", "--nonsense"): ("--nonsense", "`vizproxy --help`"),
    ("serve", "extra"): ("extra", "`vizproxy --help`"),
    ("serve", "--size"): ("--size", "`vizproxy serve --help`"),
    ("screenshot",): ("FILE.png", "`vizproxy screenshot --help`"),
    ("config",): ("check|show", "`vizproxy config --help`"),
    ("config", "nonsense"): ("'nonsense'", "`vizproxy config --help`"),
    ("kubernetes",): ("render", "`vizproxy kubernetes --help`"),
    ("kubernetes", "render"): ("--format", "`vizproxy kubernetes render --help`"),
    ("kubernetes", "render", "--format", "x"): ("'x'", "`vizproxy kubernetes render --help`"),
    ("top", "--interval"): ("--interval", "`vizproxy top --help`"),
}
"""What is wrong in each, and which help is the one to read."""


def test_bad_usage_is_one_line() -> None:
    for ended, (named, hint) in zip(run_all(list(BAD_USAGE)), BAD_USAGE.values(), strict=True):
        assert (ended.code, ended.out) == (2, "")
        (line,) = ended.err.splitlines()
        assert line.startswith("vizproxy")
        assert named in line
        assert line.endswith(f"; try {hint}")


# ---------------------------------------------------------------------- output that goes nowhere


def test_a_reader_that_left_is_no_failure_to_talk_about() -> None:
    """``vizproxy config show | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        commands = [("--help",), ("--version",), ("config", "show")]
        for ended in run_all(commands, stdout=writer):
            assert (ended.code, ended.err) == (141, "")
    finally:
        os.close(writer)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_a_failure(unbuffered: str) -> None:
    environ = {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        all_ended = run_all([("--help",), ("config", "show")], stdout=full, environ=environ)
    for ended in all_ended:
        assert ended.code == 73
        assert ended.sentence() == (
            "cannot write to standard output: no space left on device; try another place for it"
        )


def test_without_standard_output_nothing_breaks() -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *VIZPROXY, "config", "check"],
        env=environment(),
        stderr=subprocess.PIPE,
        check=False,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


# ---------------------------------------------------------------------------------------- config


def test_config_check_of_a_good_configuration(tmp_path: Path) -> None:
    file = tmp_path / "vizproxy.toml"
    file.write_text('[display]\nsize = "800x600"\n')
    ended = run("config", "check", "--config", file)
    assert (ended.code, ended.out, ended.err) == (0, "the configuration is valid\n", "")


def test_config_check_tells_all_problems_at_once_and_where_they_are(tmp_path: Path) -> None:
    file = tmp_path / "vizproxy.toml"
    file.write_text('[display]\nsiez = "800x600"\ndpi = "high"\n[nonsense]\na = 1\n')
    environ = settings(viewer__max_viewers="none", log__level="loud")
    ended = run("config", "check", "--config", file, "--size", "0x0", environ=environ)
    assert (ended.code, ended.out) == (2, "")
    first, *problems = ended.err.splitlines()
    assert first == "vizproxy: cannot use the configuration: 6 problems"
    assert len(problems) == 6
    for expected in (
        "display.siez (vizproxy.toml)",
        "display.dpi (vizproxy.toml)",
        "nonsense (vizproxy.toml)",
        "viewer.max_viewers (VIZPROXY_VIEWER_MAX_VIEWERS)",
        "log.level (VIZPROXY_LOG_LEVEL)",
        "display.size (--size)",
    ):
        assert sum(expected in problem for problem in problems) == 1, (expected, problems)


def test_a_problem_names_the_flag_that_was_typed() -> None:
    wrong = {
        "--size": ("0x0", "display.size"),
        "--plan": ("nonsense", "display.plan"),
        "--http": ("nonsense", "http.listen"),
        "--metrics": ("nonsense", "metrics.listen"),
        "--runtime-dir": ("", "runtime.dir"),
    }
    ended = run("config", "check", *(f"{flag}={value}" for flag, (value, _) in wrong.items()))
    assert ended.code == 2
    for flag, (_, path) in wrong.items():
        assert f"\n  {path} ({flag}): " in ended.err


def test_config_show_gives_every_setting_and_its_source(tmp_path: Path) -> None:
    file = tmp_path / "vizproxy.toml"
    file.write_text("[display]\ndpi = 120\n")
    environ = settings(log__level="debug")
    ended = run("config", "show", "--config", file, "--size", "800x600", environ=environ)
    assert (ended.code, ended.err) == (0, "")
    shown = tomllib.loads(ended.out)
    assert shown["display"]["size"] == "800x600"
    assert shown["display"]["dpi"] == 120
    assert shown["log"]["level"] == "debug"
    for path in SETTINGS:
        section, _, key = path.partition(".")
        assert f"[{section}]" in ended.out
        assert f"\n{key} = " in ended.out or f"\n# {key} is not set" in ended.out
    lines = ended.out.splitlines()
    for key, source in (
        ("dpi", "vizproxy.toml"),
        ("level", "VIZPROXY_LOG_LEVEL"),
        ("size", "--size"),
        ("background", "default"),
    ):
        assert [x for x in lines if x.startswith(f"{key} = ") and x.endswith(f"  # {source}")]


def test_config_show_of_a_bad_configuration() -> None:
    ended = run("config", "show", "--size", "0x0")
    assert (ended.code, ended.out) == (2, "")
    assert "display.size (--size)" in ended.err

"""``vizproxy doctor``: of recorded machines, of this one, and of a desktop that runs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests import machines
from tests.cli.running import VIZPROXY, environment, run, run_all
from tests.support import ROOT, Daemon
from vizproxy.facts import recording
from vizproxy.facts.model import KernelGpu, known
from vizproxy.facts.recording import Origin

GOLDEN = ROOT / "tests" / "golden"
IPC_NAMESPACE = ("unshare", "--user", "--map-root-user", "--ipc")

EXIT_CODES = {"bare-t4": 0, "gpu-operator-without-x-modules": 1, "driver-mismatch": 2}


def replayed(name: str) -> tuple[str | Path, ...]:
    return ("doctor", "--replay", machines.path_of(name))


def test_recorded_machines() -> None:
    for name, ended in zip(EXIT_CODES, run_all([replayed(n) for n in EXIT_CODES]), strict=True):
        assert (ended.code, ended.err) == (EXIT_CODES[name], "")
        assert ended.out == (GOLDEN / name / "doctor.txt").read_text(encoding="utf-8")


def test_as_json() -> None:
    ended = run(*replayed("gpu-operator-without-x-modules"), "--json")
    assert (ended.code, ended.err) == (1, "")
    report = json.loads(ended.out)
    assert (report["level"], report["exit_code"], report["plan"]["name"]) == ("yellow", 1, "egl")


def test_settings_are_minded() -> None:
    ended = run(*replayed("no-gpu"), "--plan", "virtualgl")
    assert ended.code == 2
    assert "virtualgl was asked for and cannot be: no GPU was found" in ended.out


def test_this_machine_is_recorded_and_replayed(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    where = ("--runtime-dir", tmp_path)
    ended = run("doctor", "--record", file, *where)
    assert ended.err == ""
    assert ended.code in {0, 1, 2}
    report, _, note = ended.out.rstrip("\n").rpartition("\n\n")
    assert note == f"written to {file}: what was found here, for a bug report or `--replay`"
    assert "none answers here (no daemon runs there)" in report
    written = recording.read(file)
    assert written.origin_of("nvml.driver") is Origin.SEEN
    again = run("doctor", "--replay", file, *where)
    assert (again.code, again.out.rstrip("\n")) == (ended.code, report)


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    assert run("doctor", "--runtime-dir", tmp_path / "run").err == ""
    assert list(tmp_path.iterdir()) == []


def test_a_desktop_that_runs(shared: Daemon) -> None:
    where = ("--runtime-dir", shared.directory)
    here, apart = run_all([("doctor", "--json", *where), ("status", "--json", *where)])
    status = json.loads(apart.out)
    report = json.loads(here.out)
    assert report["plan"] == status["plan"]
    levels = {f["check"]: f["level"] for f in report["findings"]}
    assert (levels["desktop"], levels["cookie"], levels["shared-memory"]) == ("green",) * 3


def test_another_ipc_namespace(shared: Daemon) -> None:
    """As in another container that is not of the same Pod: MIT-SHM does not work from there."""
    tried = subprocess.run((*IPC_NAMESPACE, "true"), capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.fail(f"cannot make namespaces, which this test needs: {tried.stderr}")
    ended = run(
        "doctor", "--json", "--runtime-dir", shared.directory, through=(*IPC_NAMESPACE, "--")
    )
    (found,) = [f for f in json.loads(ended.out)["findings"] if f["check"] == "shared-memory"]
    assert found["level"] == "yellow"
    assert "have no shared memory in common" in found["what"]


def test_failures_say_why(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    missing, broken, unwritable, both = run_all(
        [
            ("doctor", "--replay", tmp_path / "none.json"),
            ("doctor", "--replay", bad),
            ("doctor", "--record", tmp_path / "none" / "file", "--runtime-dir", tmp_path),
            ("doctor", "--record", "a", "--replay", "b"),
        ]
    )
    for ended in (missing, broken, unwritable):
        assert ended.code not in {0, 1, 2}
        ended.sentence()
    assert both.code == 2
    assert "not allowed with" in both.err


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_output_that_is_not_utf8(tmp_path: Path, encoding: str) -> None:
    """As with LANG=de_DE.ISO-8859-1. What there are no characters for, is written otherwise."""
    odd = recording.read(machines.path_of("driver-mismatch"))
    gpu = KernelGpu("0000:3b:00.0", "Tesla T4 ü→", 0)
    files = replace(odd.facts.files, kernel_gpus=known((gpu,)))
    file = tmp_path / "machine.json"
    recording.write(file, replace(odd, facts=replace(odd.facts, files=files)))
    shown, told, xorg = run_all(
        [
            ("doctor", "--replay", file),
            ("doctor", "--json", "--replay", file),
            ("config", "xorg", "--replay", file),
        ],
        environ={"PYTHONIOENCODING": encoding},
        encoding=encoding,
    )
    assert [(ended.code, ended.err) for ended in (shown, told, xorg)] == [(2, ""), (2, ""), (0, "")]
    mark = {"latin-1": "ü", "ascii": r"\xfc"}[encoding]
    assert rf"  x GPU             Tesla T4 {mark}\u2192 cannot be used" in shown.out
    assert "\n                    > restart the Pod" in shown.out
    findings = json.loads(told.out)["findings"]
    assert findings[0]["what"].startswith("Tesla T4 ü→ cannot be used")


# --------------------------------------------------------------------------------- in a terminal


def in_a_terminal(*arguments: str | Path, **environ: str) -> str:
    """What the command prints in a terminal."""
    master, slave = pty.openpty()
    command = (*VIZPROXY, *map(str, arguments))
    process = subprocess.Popen(
        command, env=environment(**environ), cwd=ROOT, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    chunks = []
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # Linux has no end of file there
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(master)
    assert process.wait(30) in {0, 1, 2}
    return b"".join(chunks).decode().replace("\r\n", "\n")


def test_a_terminal_has_colours_and_a_width() -> None:
    shown = in_a_terminal(*replayed("gpu-lost"), COLUMNS="60", TERM="xterm", NO_COLOR="")
    assert "\x1b[32m✔\x1b[0m Driver" in shown
    assert "\x1b[31m✘\x1b[0m" in shown
    plain = in_a_terminal(*replayed("gpu-lost"), COLUMNS="60", TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(len(line) for line in plain.splitlines() if "/" not in line) <= 60

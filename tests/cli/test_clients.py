"""The commands that ask a running daemon: with one, without one, with something else there."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.running import VIZPROXY, Ended, environment, run, run_all
from tests.support import Daemon
from tests.unit.configuring import config
from vizproxy.cli import clients

UNAVAILABLE, CANNOT_CREATE = 69, 73

COMMANDS = (("status",), ("status", "--json"), ("env",), ("url",), ("screenshot", "picture.png"))


def ask(daemon: Daemon, *arguments: str | Path) -> Ended:
    """Run a command against the daemon."""
    return run(*arguments, "--runtime-dir", daemon.directory)


# -------------------------------------------------------------------------------- with a daemon


def test_status_for_people(shared: Daemon) -> None:
    ended = ask(shared, "status")
    assert (ended.code, ended.err) == (0, "")
    assert "\x1b" not in ended.out  # no colours where no terminal is
    first, *lines = ended.out.splitlines()
    assert first == "● the desktop is ready"
    assert any(line.startswith("  plan      software (") for line in lines)
    assert "1600x900 pixels" in ended.out
    assert "  viewers   0" in lines
    for name in ("X server (xorg)", "window manager (wm)", "VNC server (x11vnc)"):
        (line,) = [line for line in lines if name in line]
        assert " ready " in line
        assert " pid " in line
        assert "restarts" not in line
    assert max(map(len, lines)) <= 100


def test_status_for_programs(shared: Daemon) -> None:
    ended = ask(shared, "status", "--json")
    assert (ended.code, ended.err) == (0, "")
    status = json.loads(ended.out)
    assert (status["state"], status["picture"]) == ("ready", True)
    assert [c["name"] for c in status["components"]] == ["xorg", "wm", "x11vnc", "websockify"]
    assert status["runtime_dir"] == str(shared.directory)


def test_env_is_for_the_shell(shared: Daemon) -> None:
    """``eval "$(vizproxy env)"``, and a program finds the desktop and may use it."""
    script = 'eval "$("$@")" && exec xdpyinfo'
    ended = subprocess.run(
        ["/bin/sh", "-ec", script, "sh", *VIZPROXY, "env", "--runtime-dir", shared.directory],
        env={**environment(), "DISPLAY": ":nonsense", "XAUTHORITY": "/nowhere"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "1600x900 pixels" in ended.stdout


def test_env_quotes_for_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "a b'c'$(false)"
    directory.mkdir()
    cookie = directory / "Xauthority"
    cookie.touch()
    answer = {"environment": {"XAUTHORITY": str(cookie)}}
    monkeypatch.setattr(clients, "ask", lambda *_: answer)
    assert clients.env(config(flags={"http.socket": "/x/http.sock"})) == 0
    script = capsys.readouterr().out + 'printf %s "$XAUTHORITY"'
    seen = subprocess.run(["/bin/sh", "-ec", script], capture_output=True, text=True, check=True)
    assert seen.stdout == str(cookie)


def test_env_is_true_on_this_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In another container the daemon's directory may be elsewhere; the cookie is in it."""
    (tmp_path / "Xauthority").touch()
    answer = {"environment": {"DISPLAY": ":7", "XAUTHORITY": "/nowhere/Xauthority"}}
    monkeypatch.setattr(clients, "ask", lambda *_: answer)
    assert clients.env(config(flags={"http.socket": str(tmp_path / "http.sock")})) == 0
    assert capsys.readouterr().out.splitlines() == [
        "export DISPLAY=:7",
        f"export XAUTHORITY={tmp_path}/Xauthority",
    ]


def test_screenshot_writes_a_picture(shared: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    ended = ask(shared, "screenshot", file)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("PNG", (1600, 900))
        assert picture.convert("RGB").getpixel((5, 5)) == (0x2B, 0x30, 0x3B)


def test_screenshot_to_standard_output(shared: Daemon) -> None:
    command = (*VIZPROXY, "screenshot", "-", "--runtime-dir", str(shared.directory))
    ended = subprocess.run(command, env=environment(), capture_output=True, check=True)
    with Image.open(io.BytesIO(ended.stdout)) as picture:
        assert picture.size == (1600, 900)
    assert ended.stderr == b""


def test_screenshot_that_cannot_be_written(shared: Daemon, tmp_path: Path) -> None:
    no_directory, full_disk = run_all(
        [
            ("screenshot", tmp_path / "none" / "picture.png", "--runtime-dir", shared.directory),
            ("screenshot", "/dev/full", "--runtime-dir", shared.directory),
        ]
    )
    assert no_directory.code == full_disk.code == CANNOT_CREATE
    assert no_directory.sentence() == (
        f"cannot write the picture to {tmp_path}/none/picture.png: no such file or directory; "
        "try another file"
    )
    assert "no space left on device" in full_disk.sentence()
    with Path("/dev/full").open("wb") as full:
        ended = run("screenshot", "-", "--runtime-dir", shared.directory, stdout=full)
    assert ended.code == CANNOT_CREATE
    assert "cannot write the picture to standard output: no space left" in ended.sentence()


def test_a_reader_that_left_is_no_failure_to_talk_about(shared: Daemon) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    commands = [
        (*command, "--runtime-dir", shared.directory)
        for command in (("status",), ("env",), ("screenshot", "-"))
    ]
    try:
        for ended in run_all(commands, stdout=writer):
            assert (ended.code, ended.err) == (141, "")
    finally:
        os.close(writer)


def test_a_reader_that_wants_one_line(shared: Daemon) -> None:
    script = '"$@" | head -1'
    ended = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *VIZPROXY, "status", "--runtime-dir", shared.directory],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == ("● the desktop is ready\n", "")


def test_the_socket_may_be_told_by_the_environment(shared: Daemon, tmp_path: Path) -> None:
    told = {"VIZPROXY_SOCKET": str(shared.socket)}
    assert run("status", environ=told).code == 0
    # a flag outweighs it
    ended = run("status", "--runtime-dir", tmp_path, environ=told)
    assert ended.code == UNAVAILABLE
    assert f"{tmp_path}/http.sock" in ended.sentence()


def test_url_without_a_tcp_address(shared: Daemon) -> None:
    ended = ask(shared, "url")
    assert ended.code == UNAVAILABLE
    assert ended.sentence() == (
        "cannot print a link: the desktop is served on a unix socket alone; "
        "try `vizproxy serve --http 127.0.0.1:6080`"
    )


# ----------------------------------------------------------------------------- without a daemon


def test_without_a_daemon(tmp_path: Path) -> None:
    commands = [(*command, "--runtime-dir", tmp_path) for command in COMMANDS]
    for ended in run_all(commands, cwd=tmp_path, environ=find_package()):
        assert ended.code == UNAVAILABLE
        assert ended.sentence() == (
            f"cannot reach the desktop at {tmp_path}/http.sock: no daemon runs there; "
            "try `vizproxy serve`, or --http-socket or --runtime-dir of the one that runs"
        )
    assert list(tmp_path.iterdir()) == []


def find_package() -> dict[str, str]:
    """What a run in another directory needs to find the package in a checkout."""
    return {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_a_daemon_that_was_killed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "http.sock"))
    ended = run("status", "--runtime-dir", tmp_path)
    assert ended.code == UNAVAILABLE
    assert f"{tmp_path}/http.sock: the daemon there is dead; try" in ended.sentence()


def test_a_socket_whose_path_is_too_long(tmp_path: Path) -> None:
    ended = run("status", environ={"VIZPROXY_SOCKET": str(tmp_path / ("x" * 108))})
    assert ended.code == UNAVAILABLE
    assert "too long" in ended.sentence()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """Something that listens on a socket and answers every connection with the bytes given."""
    path, answers = tmp_path / "http.sock", [b""]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(65536)
                    client.sendall(answers[0])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path, answers
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it closed the connection without an answer"),
        (b"RFB 003.008\n", "what listens there is not vizproxy"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope",
            "what listens there is not vizproxy",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "what listens there is not vizproxy",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "what listens there is not vizproxy",
        ),
    ],
    ids=["nothing", "RFB", "no JSON", "other JSON", "404"],
)
def test_something_else_on_the_socket(
    stranger: tuple[Path, list[bytes]], answer: bytes, why: str
) -> None:
    path, answers = stranger
    answers[0] = answer
    ended = run("status", "--http-socket", path)
    assert ended.code == UNAVAILABLE
    assert f"cannot reach the desktop at {path}: {why}; try" in ended.sentence()


# --------------------------------------------------------------------------------- what it says


def status(state: str = "ready", *, picture: bool = True) -> dict[str, Any]:
    part = {
        "name": "x11vnc",
        "title": "VNC server",
        "state": "ready",
        "pid": 12,
        "since_seconds": 3.21,
        "restarts": 0,
        "retry_in_seconds": None,
        "reason": "",
        "output": ["line 1", "line 2"],
    }
    return {
        "state": state,
        "picture": picture,
        "summary": "a summary",
        "plan": {"name": "software", "reason": "no GPU was found", "warning": ""},
        "gpu": None,
        "display": None,
        "viewers": 3,
        "framebuffer": {"apps": 0, "granted": 0, "total": 2 * 1024**3, "used": 0},
        "warnings": [],
        "listening": ["http://127.0.0.1:6080/"],
        "log_lines_lost": 0,
        "components": [part],
    }


def test_trouble_is_described_with_the_last_output() -> None:
    trouble = status("starting")
    trouble["components"][0].update(
        state="backoff",
        pid=None,
        restarts=2,
        retry_in_seconds=1.25,
        reason="exited with status 1",
    )
    lines = clients.describe(trouble, colour=False)
    assert lines[0] == "◌ a summary"
    assert "  address   http://127.0.0.1:6080/" in lines
    assert lines[-4:] == [
        "  ◌ VNC server (x11vnc)            backoff   for 3.2 s, restarts 2, next try in 1.2 s",
        "      exited with status 1",
        "      | line 1",
        "      | line 2",
    ]


def test_the_output_of_a_healthy_child_is_nobodys_business() -> None:
    assert not [line for line in clients.describe(status(), colour=False) if "line 1" in line]


def test_colours_on_a_terminal() -> None:
    assert clients.describe(status("failed"), colour=True)[0] == "\x1b[31m✗\x1b[0m a summary"


def test_what_is_said_cannot_write_over_the_terminal() -> None:
    evil = "\x1b[2Jgone\r"
    told = status("degraded") | {"summary": evil, "warnings": [evil]}
    told["components"][0].update(state="fatal", reason=evil, output=[evil])
    lines = clients.describe(told, colour=False)
    assert not [line for line in lines if not line.isprintable()]
    assert sum(r"\x1b[2Jgone\r" in line for line in lines) == 4


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "●"), ("latin-1", "*"), (None, "*")])
def test_marks_that_the_output_can_carry(encoding: str | None, mark: str) -> None:
    assert clients.describe(status(), colour=False, encoding=encoding)[0] == f"{mark} a summary"


def test_the_gpu_is_mentioned() -> None:
    gpu = {"name": "Tesla T4", "condition": "fine", "since_seconds": 9.0}
    answer = status() | {"gpu": gpu}
    answer["framebuffer"]["gpu"] = {"total": 16 * 1024**3, "used": 1024**3}
    said = clients.describe(answer, colour=False)
    assert "  GPU       Tesla T4, 1 GiB of 16 GiB framebuffer in use" in said
    answer["framebuffer"]["gpu"] = None
    lost = clients.describe(answer | {"gpu": gpu | {"condition": "lost"}}, colour=False)
    assert "  GPU       Tesla T4, lost for 9.0 s" in lost


def test_what_a_better_plan_lacks_is_mentioned() -> None:
    warning = "programs draw by EGL, which lacks some of GLX: a reason; try a remedy"
    told = clients.describe(status() | {"warnings": [warning]}, colour=False)
    assert f"  ● {warning}" in told


def test_apps_are_counted() -> None:
    assert "  apps      none" in clients.describe(status(), colour=False)
    two = {"apps": 2, "granted": 256 * 1024**2, "total": 2 * 1024**3, "used": 3 * 1024}
    assert (
        "  apps      2, with 256 MiB of 2 GiB framebuffer granted and 3 KiB in use"
    ) in clients.describe(status() | {"framebuffer": two}, colour=False)


def test_each_warning_is_a_line_that_can_be_seen() -> None:
    warnings = ["voreen-1 uses 700 MiB of framebuffer and may use 512 MiB", "another"]
    lines = clients.describe(status() | {"warnings": warnings}, colour=True)
    at = lines.index(f"  \x1b[33m●\x1b[0m {warnings[0]}")
    assert lines[at + 1] == "  \x1b[33m●\x1b[0m another"
    assert lines.index("  address   http://127.0.0.1:6080/") < at


def test_lost_log_lines_are_mentioned() -> None:
    told = clients.describe(status() | {"log_lines_lost": 7}, colour=False)
    assert "  log       7 lines could not be written" in told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7260, "2 h 1 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    answer = status()
    answer["components"][0]["since_seconds"] = seconds
    lines = clients.describe(answer, colour=False)
    assert f"for {text}, pid 12" in lines[-1]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (status(), 0),
        (status("degraded"), 0),
        (status("degraded", picture=False), 1),
        (status("starting", picture=False), 1),
        (status("failed", picture=False), 1),
    ],
)
def test_the_exit_code_says_whether_viewers_can_see_it(
    answer: dict[str, object],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(clients, "ask", lambda *_: answer)
    told = config(flags={"http.socket": "/x/http.sock"})
    assert clients.status(told, as_json=True) == code
    assert json.loads(capsys.readouterr().out) == answer

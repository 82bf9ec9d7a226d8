"""What is to be run, and how it is started with what the daemon has granted."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from vizproxy.compatibility import OURS
from vizproxy.config import Activity, Plan
from vizproxy.errors import (
    FileSystemError,
    InvalidRequestError,
    MissingProgramError,
    NoSuchProgramError,
)
from vizproxy.runner.launch import check_executable
from vizproxy.runner.order import MAX_NAME_CHARS, Order, check_name, not_executable, start_for

ENVIRON = {"PATH": "/usr/bin", "HOME": "/home/ada", "DISPLAY": ":nonsense"}


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """The daemon's runtime directory, with its cookie."""
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "Xauthority").write_bytes(b"cookie")
    return directory


def order(runtime: Path, *argv: str, **changed: Any) -> Order:
    return Order(argv=argv or ("voreen", "-x"), socket=runtime / "http.sock", mark="m", **changed)


def granted(xauthority: Path, **changed: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "type": "granted",
        "id": "voreen-1",
        "environment": {"DISPLAY": ":7", "XAUTHORITY": str(xauthority)},
        "virtualgl_display": None,
        "warning": "",
    }
    return answer | changed


# --------------------------------------------------------------------------------- the request


def test_the_request(runtime: Path) -> None:
    asked = order(
        runtime, "/opt/voreen/bin/voreen", plan=Plan.EGL, activity=Activity.GPU, framebuffer=5
    )
    request = asked.request(frozenset({9, 3}))
    assert request == {
        "type": "request",
        **OURS.told(),
        "name": "voreen",
        "program": "voreen",
        "framebuffer": 5,
        "plan": "egl",
        "activity": "gpu",
        "virtualgl": request["virtualgl"],
        "machine": socket.gethostname(),
        "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
        "pids": [3, 9],
        "again": False,
    }
    assert asked.request(frozenset(), again=True)["again"] is True
    assert isinstance(request["virtualgl"], bool)
    plain = order(runtime, name="My app").request(frozenset())
    assert (plain["name"], plain["program"], plain["plan"]) == ("My app", "voreen", None)


@pytest.mark.parametrize(
    ("program", "name"),
    [("/bin/a\nb", "a?b"), ("x" * 50, "x" * 40), ("\udcff", "?"), ("/", "app"), ("..", "..")],
)
def test_a_program_with_an_odd_name(program: str, name: str, runtime: Path) -> None:
    """The daemon takes only what can be printed."""
    assert order(runtime, program).request(frozenset())["name"] == name


@pytest.mark.parametrize("name", ["a", "Voreen 5", "日本語", "x" * MAX_NAME_CHARS])
def test_a_name_for_people(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME_CHARS + 1), "a\nb", "\x1b", "x" * 10_000])
def test_a_name_that_nobody_could_read(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="1 to 40 printable characters") as refusal:
        check_name(name)
    assert len(str(refusal.value)) < 200
    assert refusal.value.exit_code == 2


# ----------------------------------------------------------------------------------- the start


def test_a_program_is_started_as_it_was_typed(runtime: Path) -> None:
    start = start_for(order(runtime), granted(runtime / "Xauthority", warning="w"), ENVIRON)
    assert start.argv == ("voreen", "-x")
    assert start.warning == "w"
    assert start.environment == {
        "PATH": "/usr/bin",
        "HOME": "/home/ada",
        "DISPLAY": ":7",
        "XAUTHORITY": str(runtime / "Xauthority"),
        "VIZPROXY_SOCKET": str(runtime / "http.sock"),
        "VIZPROXY_APP": "m",
    }
    assert ENVIRON["DISPLAY"] == ":nonsense", "the caller's own was changed"


def test_the_cookie_is_beside_the_socket_in_another_container(runtime: Path) -> None:
    start = start_for(order(runtime), granted(Path("/nowhere/Xauthority")), ENVIRON)
    assert start.environment["XAUTHORITY"] == str(runtime / "Xauthority")


def test_a_cookie_that_cannot_be_read(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    with pytest.raises(FileSystemError, match="cannot open the display: its cookie is neither"):
        start_for(order(runtime), granted(runtime / "Xauthority"), ENVIRON)


def test_a_program_within_a_program_gets_a_mark_of_its_own(runtime: Path) -> None:
    outer = ENVIRON | {"VIZPROXY_APP": "outer", "VIZPROXY_SOCKET": "/elsewhere"}
    start = start_for(order(runtime), granted(runtime / "Xauthority"), outer)
    assert start.environment["VIZPROXY_APP"] == "m"
    assert start.environment["VIZPROXY_SOCKET"] == str(runtime / "http.sock")


@pytest.fixture
def virtualgl(tmp_path: Path) -> Path:
    """An installation of VirtualGL."""
    tree = tmp_path / "VirtualGL"
    (tree / "bin").mkdir(parents=True)
    (tree / "lib64").mkdir()
    shutil.copy("/bin/true", tree / "bin" / "vglrun")
    for name in ("libdlfaker.so", "libvglfaker.so"):
        (tree / "lib64" / name).touch()
    return tree


def test_a_program_is_started_through_virtualgl(runtime: Path, virtualgl: Path) -> None:
    answer = granted(runtime / "Xauthority", virtualgl_display=":8")
    start = start_for(order(runtime, virtualgl_dir=virtualgl), answer, ENVIRON)
    assert start.argv == (str(virtualgl / "bin/vglrun"), "-d", ":8", "--", "voreen", "-x")
    assert start.environment["DISPLAY"] == ":7"
    assert start.environment["VGL_COMPRESS"] == "proxy"
    assert start.environment["VIZPROXY_APP"] == "m"


def test_virtualgl_is_needed_and_not_here(runtime: Path, tmp_path: Path) -> None:
    answer = granted(runtime / "Xauthority", virtualgl_display=":8")
    with pytest.raises(MissingProgramError, match="cannot draw through VirtualGL"):
        start_for(order(runtime, virtualgl_dir=tmp_path / "none"), answer, ENVIRON)


@pytest.mark.parametrize("display", [None, ":8"])
def test_the_virtualgl_of_an_outer_program_is_left_behind(
    display: str | None, runtime: Path, virtualgl: Path
) -> None:
    outer = ENVIRON | {
        "LD_PRELOAD": "libdlfaker.so:libvglfaker.so:/own/libown.so",
        "VGL_ISACTIVE": "1",
    }
    answer = granted(runtime / "Xauthority", virtualgl_display=display)
    start = start_for(order(runtime, virtualgl_dir=virtualgl), answer, outer)
    assert start.environment["LD_PRELOAD"] == "/own/libown.so"
    assert "VGL_ISACTIVE" not in start.environment


# ---------------------------------------------------------------------- what cannot be executed


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (errno.ENOENT, 127, "cannot run x: there is no such program; try another PATH"),
        (errno.EACCES, 126, "cannot run x: it may not be executed; try `ls -l` "),
        (errno.ENOEXEC, 126, "cannot run x: exec format error; try `ls -l` "),
        (errno.E2BIG, 126, "cannot run x: argument list too long; try `ls -l` "),
    ],
)
def test_exit_codes_are_as_of_a_shell(number: int, code: int, text: str) -> None:
    error = not_executable("x", OSError(number, os.strerror(number)))
    assert error.exit_code == code
    assert str(error).startswith(text)


def test_a_program_is_looked_for_before_anything_is_asked(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch(mode=0o644)
    check_executable("true", os.defpath)
    check_executable("/bin/true", "")
    for program, code in (("plain", 127), (str(plain), 126), (str(tmp_path / "none"), 127)):
        with pytest.raises(Exception, match="cannot run ") as refusal:
            check_executable(program, str(tmp_path))
        assert getattr(refusal.value, "exit_code", None) == code
    with pytest.raises(NoSuchProgramError):
        check_executable("", os.defpath)

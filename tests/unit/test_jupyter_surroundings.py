"""What terminals and notebooks find in their environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from vizproxy.config import VirtualGLFor
from vizproxy.jupyter.surroundings import Surroundings
from vizproxy.virtualgl import VirtualGL

PAGE = "/user/zo%C3%AB/desktop/"
INSTALLED = VirtualGL(Path("/opt/VirtualGL/bin/vglrun"), Path("/opt/VirtualGL/lib64"))
PRELOADED = "libdlfaker.so:libvglfaker.so"


class Case:
    """A server's environment, and what its terminals are given."""

    def __init__(
        self,
        directory: Path,
        process: dict[str, str] | None = None,
        *,
        overrides: bool = True,
        virtualgl_for: VirtualGLFor = VirtualGLFor.TERMINALS,
        virtualgl: VirtualGL | None = INSTALLED,
    ) -> None:
        self.process = {"PATH": "/bin", **(process or {})}
        self.before = dict(self.process)
        self.terminals = {"JUPYTER_SERVER_ROOT": "/home/zoe"}
        self.cookie = directory / "Xauthority"
        self.cookie.touch()
        self.surroundings = Surroundings(
            process=self.process,
            terminals=self.terminals,
            socket=directory / "http.sock",
            overrides=overrides,
            virtualgl_for=virtualgl_for,
            find_virtualgl=lambda: virtualgl,
        )
        self.surroundings.begin(PAGE, directory / "bin")

    def desktop_is(self, display: str = ":5", virtualgl_display: str | None = None) -> None:
        told = {"DISPLAY": display, "XAUTHORITY": "/elsewhere/Xauthority"}
        self.surroundings.desktop_is(told, virtualgl_display)

    @property
    def in_terminal(self) -> dict[str, str]:
        return {**self.process, **self.terminals}


def test_where_the_daemon_is_is_known_from_the_beginning(tmp_path: Path):
    case = Case(tmp_path)
    assert case.process["VIZPROXY_SOCKET"] == str(tmp_path / "http.sock")
    assert case.process["VIZPROXY_PAGE"] == PAGE
    assert "DISPLAY" not in case.process


def test_the_display_with_the_cookie_as_it_is_mounted_here(tmp_path: Path):
    case = Case(tmp_path)
    case.desktop_is()
    assert case.process["DISPLAY"] == ":5"
    assert case.process["XAUTHORITY"] == str(case.cookie)
    case.desktop_is(":6")
    assert case.process["DISPLAY"] == ":6"


def test_a_cookie_that_cannot_be_read_means_no_display(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    case = Case(tmp_path)
    case.cookie.unlink()
    case.desktop_is()
    assert "DISPLAY" not in case.process
    assert "cannot open the display" in caplog.text


def test_a_sidecars_desktop_takes_the_place_of_another_display(tmp_path: Path):
    case = Case(tmp_path, {"DISPLAY": ":0", "XAUTHORITY": "/home/zoe/.Xauthority"})
    case.desktop_is()
    assert case.process["DISPLAY"] == ":5"


def test_someones_own_display_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    case = Case(tmp_path, {"DISPLAY": "localhost:10.0"}, overrides=False)
    case.desktop_is(virtualgl_display=":6")
    assert case.process["DISPLAY"] == "localhost:10.0"
    assert "XAUTHORITY" not in case.process
    assert "LD_PRELOAD" not in case.in_terminal
    assert "VIZPROXY_SOCKET" in case.process
    assert [r.levelname for r in caplog.records] == ["INFO"]


def test_programs_of_terminals_draw_through_virtualgl(tmp_path: Path):
    case = Case(tmp_path, {"LD_LIBRARY_PATH": "/own"})
    case.desktop_is(virtualgl_display=":6")
    terminal = case.in_terminal
    assert terminal["LD_PRELOAD"] == PRELOADED
    assert terminal["LD_LIBRARY_PATH"] == "/opt/VirtualGL/lib64:/own"
    assert terminal["VGL_DISPLAY"] == ":6"
    assert terminal["JUPYTER_SERVER_ROOT"] == "/home/zoe"
    assert "LD_PRELOAD" not in case.process


def test_those_of_notebooks_do_if_that_was_said(tmp_path: Path):
    case = Case(tmp_path, virtualgl_for=VirtualGLFor.ALL)
    case.desktop_is(virtualgl_display="egl0")
    assert case.process["LD_PRELOAD"] == PRELOADED
    assert case.process["VGL_DISPLAY"] == "egl0"
    assert case.in_terminal["LD_PRELOAD"] == PRELOADED


@pytest.mark.parametrize(
    ("virtualgl_for", "virtualgl"),
    [
        (VirtualGLFor.NEVER, INSTALLED),
        (VirtualGLFor.TERMINALS, None),
        (VirtualGLFor.ALL, VirtualGL(Path("/usr/bin/vglrun"), None)),
    ],
)
def test_nothing_is_preloaded_that_was_not_asked_for_or_is_not_here(
    tmp_path: Path, virtualgl_for: VirtualGLFor, virtualgl: VirtualGL | None
):
    case = Case(tmp_path, virtualgl_for=virtualgl_for, virtualgl=virtualgl)
    case.desktop_is(virtualgl_display=":6")
    assert "LD_PRELOAD" not in case.in_terminal
    assert "VGL_DISPLAY" not in case.in_terminal


def test_a_plan_without_virtualgl_takes_it_out_again(tmp_path: Path):
    case = Case(tmp_path, virtualgl_for=VirtualGLFor.ALL)
    case.desktop_is(virtualgl_display=":6")
    case.desktop_is()
    assert "LD_PRELOAD" not in case.in_terminal
    assert case.process["DISPLAY"] == ":5"


def test_terminals_find_our_commands(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "vizproxy").touch()
    assert Case(tmp_path).terminals["PATH"] == f"/bin:{tmp_path / 'bin'}"


def test_a_path_on_which_they_are_is_left_alone(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "vizproxy"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert "PATH" not in Case(tmp_path, {"PATH": str(tmp_path / "bin")}).terminals


def test_in_the_end_all_is_as_it_was(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "vizproxy").touch()
    case = Case(
        tmp_path, {"DISPLAY": ":0", "VIZPROXY_PAGE": "/outer"}, virtualgl_for=VirtualGLFor.ALL
    )
    case.desktop_is(virtualgl_display=":6")
    case.desktop_is(":7")
    case.surroundings.end()
    assert case.process == case.before
    assert case.terminals == {"JUPYTER_SERVER_ROOT": "/home/zoe"}


def test_a_server_without_terminals_or_page(tmp_path: Path):
    process = {"VIZPROXY_PAGE": "/outer", "PATH": "/bin"}
    surroundings = Surroundings(
        process=process,
        terminals=None,
        socket=tmp_path / "http.sock",
        overrides=True,
        virtualgl_for=VirtualGLFor.TERMINALS,
        find_virtualgl=lambda: INSTALLED,
    )
    surroundings.begin(None, tmp_path)
    assert "VIZPROXY_PAGE" not in process
    surroundings.desktop_is({"DISPLAY": ":5"}, ":6")
    assert process["DISPLAY"] == ":5"
    assert "LD_PRELOAD" not in process
    surroundings.end()
    assert process == {"VIZPROXY_PAGE": "/outer", "PATH": "/bin"}

"""Starting a program from the menu: its name, its environment, and what a failure says."""

from __future__ import annotations

import logging

import pytest

from vizproxy.errors import EXIT_NOT_FOUND
from vizproxy.jupyter.entries import Entry
from vizproxy.jupyter.starting import _refusal, app_name, environment
from vizproxy.runner.order import MAX_NAME_CHARS, check_name

FAILED = "vizproxy: cannot start kate: there is no room; try ending one of them"


def entry(*, tile: bool = False) -> Entry:
    return Entry("kate", "Kate", "", (), (), ("kate",), None, "", tile=tile)


@pytest.mark.parametrize("name", ["Kate", "k" * 40, "k" * 41, "Visual é " * 20, "-- x"])
def test_names_are_such_that_the_command_takes_them(name: str) -> None:
    made = app_name(name)
    assert check_name(made) == made
    assert made == name or (len(name) > MAX_NAME_CHARS and made.endswith("…"))


def test_the_environment_leads_to_no_other_desktop() -> None:
    given = {
        "PATH": "/usr/bin",
        "DISPLAY": ":3",
        "WAYLAND_DISPLAY": "wayland-0",
        "XAUTHORITY": "/home/ada/.Xauthority",
        "VIZPROXY_APP": "mark of another",
        "LD_PRELOAD": "libdlfaker.so:libvglfaker.so:libown.so",
        "VGL_ISACTIVE": "1",
        "VGL_DISPLAY": ":4",
        "VGL_FPS": "30",
    }
    assert environment(given) == {"PATH": "/usr/bin", "LD_PRELOAD": "libown.so", "VGL_FPS": "30"}


@pytest.mark.parametrize(
    ("told", "message", "hint", "logged"),
    [
        ([FAILED], "cannot start kate: there is no room", "ending one of them", False),
        (
            ["vizproxy: waiting for the desktop", FAILED],
            "cannot start kate: there is no room",
            "ending one of them",
            False,
        ),
        (["vizproxy: cannot a: b; try c; try d"], "cannot a: b; try c", "d", False),
        (["vizproxy: cannot a: b"], "cannot a: b", "", False),
        (
            ["vizproxy: cannot use the configuration: 1 problem", "  x.toml: line 3: no"],
            "cannot use the configuration: 1 problem",
            "",
            True,
        ),
        (
            ["Traceback (most recent call last):", "ImportError: no"],
            "cannot start Kate: `vizproxy run` exited with status 9",
            "the Jupyter server's log",
            True,
        ),
        (
            [],
            "cannot start Kate: `vizproxy run` exited with status 9",
            "the Jupyter server's log",
            True,
        ),
    ],
)
def test_what_a_failure_says(
    told: list[str], message: str, hint: str, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        error = _refusal(entry(), 9, told)
    assert (error.message, error.hint) == (message, hint)
    assert [record.getMessage() for record in caplog.records] == (
        ["`vizproxy run` could not start Kate:\n" + "\n".join(told)] if logged else []
    )


@pytest.mark.parametrize(
    ("tile", "hint"),
    [(False, "installing it"), (True, "installing it, or another command in [[jupyter.tile]]")],
)
def test_a_missing_program_s_hint_is_one_for_who_chose_it_in_a_menu(tile: bool, hint: str) -> None:
    told = ["vizproxy: cannot run kate: there is no such program; try another PATH"]
    error = _refusal(entry(tile=tile), EXIT_NOT_FOUND, told)
    assert (error.message, error.hint) == ("cannot run kate: there is no such program", hint)

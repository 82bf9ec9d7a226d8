"""The environment in which a program draws on the desktop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vizproxy.broker.environment import AppEnvironment, Displays, for_app, for_shell
from vizproxy.config import Plan
from vizproxy.errors import NotReadyError

PLACE = {"DISPLAY": ":7", "XAUTHORITY": "/run/x/Xauthority"}
MESA = {"LIBGL_ALWAYS_SOFTWARE": "1", "__GLX_VENDOR_LIBRARY_NAME": "mesa"}


def displays(plan: Plan) -> Displays:
    return Displays(plan, ":7", ":8" if plan is Plan.VIRTUALGL else None, "/run/x/Xauthority")


@pytest.mark.parametrize(
    ("desktop", "app", "environment"),
    [
        (Plan.SOFTWARE, Plan.SOFTWARE, AppEnvironment(PLACE, None)),
        (Plan.SOFTWARE, Plan.EGL, AppEnvironment(PLACE, "egl0")),
        (Plan.EGL, Plan.EGL, AppEnvironment(PLACE, "egl0")),
        (Plan.EGL, Plan.SOFTWARE, AppEnvironment(PLACE, None)),
        (Plan.VIRTUALGL, Plan.VIRTUALGL, AppEnvironment(PLACE, ":8")),
        (Plan.VIRTUALGL, Plan.EGL, AppEnvironment(PLACE, "egl0")),
        (Plan.VIRTUALGL, Plan.SOFTWARE, AppEnvironment(PLACE, None)),
        (Plan.DIRECT, Plan.DIRECT, AppEnvironment(PLACE, None)),
        (Plan.DIRECT, Plan.EGL, AppEnvironment(PLACE, "egl0")),
        (Plan.DIRECT, Plan.SOFTWARE, AppEnvironment(PLACE | MESA, None)),
    ],
)
def test_of_an_app(desktop: Plan, app: Plan, environment: AppEnvironment) -> None:
    assert for_app(app, displays(desktop)) == environment


def test_egl_is_that_of_the_gpu_which_was_chosen() -> None:
    second = replace(displays(Plan.VIRTUALGL), egl="/dev/dri/card1")
    assert for_app(Plan.EGL, second).virtualgl_display == "/dev/dri/card1"
    assert for_app(Plan.VIRTUALGL, second).virtualgl_display == ":8"
    assert for_shell(replace(second, plan=Plan.EGL))["VGL_DISPLAY"] == "/dev/dri/card1"


def test_without_a_3d_server_there_is_none() -> None:
    lost = replace(displays(Plan.VIRTUALGL), three_d=None)
    with pytest.raises(NotReadyError, match="the 3D X server is not running"):
        for_app(Plan.VIRTUALGL, lost)
    assert for_app(Plan.SOFTWARE, lost).variables == PLACE


def test_of_a_shell() -> None:
    """Nothing is preloaded into it; vglrun finds what to draw on."""
    assert for_shell(displays(Plan.SOFTWARE)) == PLACE
    assert for_shell(displays(Plan.DIRECT)) == PLACE
    assert for_shell(displays(Plan.VIRTUALGL)) == PLACE | {"VGL_DISPLAY": ":8"}
    assert for_shell(displays(Plan.EGL)) == PLACE | {"VGL_DISPLAY": "egl0"}
    assert for_shell(replace(displays(Plan.VIRTUALGL), three_d=None)) == PLACE

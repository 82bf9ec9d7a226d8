"""What the command line says about apps, and what it makes of what is typed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.configuring import config
from vizproxy.cli import apps, run
from vizproxy.cli.run import Wanted
from vizproxy.config import LoadedConfig, Plan
from vizproxy.errors import InvalidRequestError
from vizproxy.runner.order import Order
from vizproxy.thisside import socket_of

MIB = 1024**2
BUDGET = {"total": 2048 * MIB, "granted": 640 * MIB, "used": 701 * MIB, "apps": 3, "max_apps": 16}


def app(name: str, used: int = 0, **changed: Any) -> dict[str, Any]:
    usual = {
        "id": name,
        "state": "running",
        "plan": "software",
        "started": 1000.0,
        "pids": [42],
        "windows": ["0x1"],
        "framebuffer": {"granted": 512 * MIB, "used": used, "over": used > 512 * MIB},
    }
    return usual | changed


APPS = [
    app("voreen-1", 1024, pids=[4, 5, 6, 7, 8]),
    app("paraview-2", 512 * MIB + 1, state="stopping", started=-9000.0, windows=[]),
    app("xclock-3", plan=None, pids=[], started=1101.0),
]


def described(shown: list[dict[str, Any]], *, colour: bool = False, **budget: int) -> list[str]:
    return apps.describe({"apps": shown, "framebuffer": BUDGET | budget}, now=1100, colour=colour)


def test_apps_for_people() -> None:
    assert described(APPS) == [
        "ID          STATE     PLAN      FRAMEBUFFER                    WINDOWS  UP          PIDS",
        "voreen-1    running   software  1 KiB of 512 MiB               1        1 min 40 s  4 5 6 7 …",
        "paraview-2  stopping  software  513 MiB of 512 MiB (too much)  0        2 h 48 min  42",
        "xclock-3    running   no lease  0 B of 512 MiB                 1        0.0 s       ?",
        "",
        "3 of 16 apps; framebuffer: 640 MiB of 2 GiB granted, 701 MiB in use",
    ]


def test_no_apps() -> None:
    assert described([], apps=0, granted=0, used=0) == [
        "no programs; `vizproxy run COMMAND` starts one",
        "",
        "0 of 16 apps; framebuffer: 0 B of 2 GiB granted, 0 B in use",
    ]


def test_an_app_that_uses_too_much_stands_out() -> None:
    plain, coloured = described(APPS), described(APPS, colour=True)
    assert coloured[2] == f"\x1b[33m{plain[2]}\x1b[0m"
    assert [line for line in coloured if "\x1b" in line] == [coloured[2]]


def test_lines_end_where_their_text_ends() -> None:
    assert all(line == line.rstrip() for line in described(APPS))


# -------------------------------------------------------------------------- where the daemon is


def where(env: dict[str, str], flags: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VIZPROXY_SOCKET", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return socket_of(config(env={"XDG_RUNTIME_DIR": "/run/u", **env}, flags=flags))


def test_where_the_daemon_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"VIZPROXY_SOCKET": "/told.sock"}
    assert where({}, {}, monkeypatch) == Path("/run/u/vizproxy/http.sock")
    assert where(told, {}, monkeypatch) == Path("/told.sock")
    assert where(told, {"http.socket": "/mine.sock"}, monkeypatch) == Path("/mine.sock")
    assert where(told, {"runtime.dir": "/mine"}, monkeypatch) == Path("/mine/http.sock")
    assert where(told, {"display.dpi": "100"}, monkeypatch) == Path("/told.sock")
    set_in_environment = told | {"VIZPROXY_HTTP_SOCKET": "/set.sock"}
    assert where(set_in_environment, {}, monkeypatch) == Path("/told.sock")
    assert where({"VIZPROXY_HTTP_SOCKET": "/set.sock"}, {}, monkeypatch) == Path("/set.sock")


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = {"VIZPROXY_SOCKET": ""}
    assert where(empty, {}, monkeypatch) == Path("/run/u/vizproxy/http.sock")


# --------------------------------------------------------------------------------- vizproxy run

PLAIN = Wanted(
    command=("glxgears", "-info"),
    name=None,
    framebuffer=None,
    plan=None,
    activity=None,
    detach=True,
)


class Runner:
    """Takes orders, and does nothing about them."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def __call__(self, order: Order, warn: object) -> str:
        self.orders.append(order)
        return "glxgears-1"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    made = Runner()
    monkeypatch.setattr("vizproxy.runner.launch.run", made)
    return made


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> LoadedConfig:
    monkeypatch.delenv("VIZPROXY_SOCKET", raising=False)
    return config(flags={"http.socket": "/x.sock", "display.virtualgl_dir": "/vgl"})


def test_what_is_typed_becomes_an_order(
    runner: Runner, loaded: LoadedConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = replace(PLAIN, name="My app", framebuffer="512MiB", plan="egl")
    assert run.run(loaded, wanted) == 0
    assert capsys.readouterr().out == "glxgears-1\n"
    (order,) = runner.orders
    assert order == Order(
        argv=("glxgears", "-info"),
        socket=Path("/x.sock"),
        mark=order.mark,
        name="My app",
        framebuffer=512 * MIB,
        plan=Plan.EGL,
        detach=True,
        virtualgl_dir=Path("/vgl"),
    )


def test_every_run_has_a_mark_of_its_own(runner: Runner, loaded: LoadedConfig) -> None:
    run.run(loaded, PLAIN)
    run.run(loaded, PLAIN)
    first, second = runner.orders
    assert first.mark != second.mark
    assert (first.name, first.framebuffer, first.plan) == ("", None, None)


def test_only_the_first_two_dashes_are_ours(runner: Runner, loaded: LoadedConfig) -> None:
    run.run(loaded, replace(PLAIN, command=("--", "sh", "--", "-c")))
    assert runner.orders[0].argv == ("sh", "--", "-c")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"command": ()}, "cannot run a program: none was named"),
        ({"command": ("--",)}, "cannot run a program: none was named"),
        ({"framebuffer": "a lot"}, "cannot use --framebuffer: "),
        ({"framebuffer": "1B"}, "cannot use --framebuffer: "),
        ({"plan": "best"}, "cannot use --plan: "),
        ({"name": ""}, "cannot call the app '': "),
    ],
)
def test_what_cannot_be_meant(
    wrong: dict[str, Any], text: str, runner: Runner, loaded: LoadedConfig
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        run.run(loaded, replace(PLAIN, **wrong))
    assert str(refusal.value).startswith(text)
    assert refusal.value.exit_code == 2
    assert runner.orders == []

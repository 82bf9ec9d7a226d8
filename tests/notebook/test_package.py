"""The package itself: what it offers, and how little is loaded with it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, assert_type, get_args

import pytest
from hatchling.version.source.regex import RegexSource

import vizproxy
from tests.support import ROOT
from vizproxy import AsyncDesktop, Desktop
from vizproxy.config import Activity, Plan
from vizproxy.notebook import App, Apps, Screenshot, Status, Window, Windows, core
from vizproxy.notebook.scene import Scene

LOADED = """
import sys
import vizproxy
heavy = {"aiohttp", "asyncio", "PIL", "Xlib", "vizproxy.notebook", "vizproxy.config"}
print(vizproxy.__version__, sorted(heavy & set(sys.modules)))
vizproxy.Desktop
print(sorted({"PIL", "Xlib", "vizproxy.api", "vizproxy.broker"} & set(sys.modules)))
"""


def test_little_is_loaded_with_the_package() -> None:
    command = (sys.executable, "-I", "-c", LOADED)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{vizproxy.__version__} []", "[]"]


def test_what_it_offers() -> None:
    assert {*vizproxy.__all__} <= {*dir(vizproxy)}
    for name in vizproxy.__all__:
        assert getattr(vizproxy, name)
    with pytest.raises(AttributeError, match="module 'vizproxy' has no attribute 'Dekstop'"):
        _ = vizproxy.Dekstop  # type: ignore[attr-defined]


def test_the_build_finds_the_version() -> None:
    source = RegexSource(str(ROOT), {"path": "vizproxy/__init__.py"})
    assert source.get_version_data()["version"] == vizproxy.__version__


def test_both_offer_the_same() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(Desktop) - {"socket"} == public(AsyncDesktop) - {"start"}
    explained = [name for name in public(Desktop) if not getattr(Desktop, name).__doc__]
    assert explained == []


def test_the_words_are_those_of_the_settings() -> None:
    assert set(get_args(core.PlanName)) == set(Plan)
    assert set(get_args(core.ActivityName)) == set(Activity)


def check_types(desktop: Desktop) -> None:
    """For mypy: what a notebook's editor knows."""
    assert_type(desktop.apps, Apps)
    assert_type(desktop.windows[0], Window)
    assert_type(desktop.run(["ls", ROOT], framebuffer=2**30, plan="egl"), App)
    assert_type(desktop.wait_for_window("ls-1"), Window)
    assert_type(desktop.status, Status)
    assert_type(desktop.screenshot(), Screenshot)
    desktop.run("ls", plan="best")  # type: ignore[arg-type]
    desktop.run("ls", frame_buffer="1GiB")  # type: ignore[call-arg]


async def check_async_types(desktop: AsyncDesktop) -> None:
    """The same for coroutines."""
    assert_type(await desktop.run("ls", activity="gpu"), App)
    assert_type(await desktop.windows(), Windows)
    assert_type(await desktop.status(), Status)


def window(name: str, app: str, *, dialog: bool = False) -> dict[str, Any]:
    place = {"x": 1, "y": 2, "width": 3, "height": 4}
    states = dict.fromkeys(("minimised", "maximised", "fullscreen", "active"), False)
    told = {"id": name, "app": app, "title": name, "class": "C", "geometry": place}
    return {**told, **states, "dialog": dialog}


def test_what_is_followed() -> None:
    scene = Scene()
    splash, main = window("0x1", "kate-1", dialog=True), window("0x2", "kate-1")
    scene.take({"type": "snapshot", "apps": [{"id": "kate-1"}], "windows": [splash], "notices": []})
    assert (first := scene.window_of("kate-1")) is not None
    assert first.id == "0x1"
    scene.take({"type": "delta", "windows": {"changed": [main], "removed": []}, "menu": {}})
    assert (second := scene.window_of("kate-1")) is not None
    assert second.id == "0x2", "a dialog only where there is nothing else"
    assert scene.window_of("kate-2") is None
    failed = {"kind": "failed", "app": "kate-1", "text": "kate-1 exited", "output": ["a", "b"]}
    scene.take(
        {
            "type": "delta",
            "apps": {"changed": [], "removed": ["kate-1"]},
            "windows": {"changed": [], "removed": ["0x1", "0x2"]},
            "notices": [{"kind": "refused", "app": None, "text": "no"}, failed],
        }
    )
    assert (scene.apps, scene.windows) == ({}, {})
    assert scene.failures["kate-1"].output == ("a", "b")
    scene.take({"type": "snapshot", "apps": [], "windows": [], "notices": []})
    assert scene.failures.keys() == {"kate-1"}

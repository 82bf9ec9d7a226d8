"""What the API tells of apps and windows, and the deltas that lead from one moment to the next."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.broking import LIMITS, window
from vizproxy.api.events import Told, delta, first_message, told
from vizproxy.api.views import app_json, framebuffer_json, notice_json, window_json
from vizproxy.broker.leases import Use
from vizproxy.broker.notices import MAX_NOTICES
from vizproxy.broker.snapshot import App, AppState, Level, Notice, OwnedWindow, Snapshot, Tally
from vizproxy.config import Plan
from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.x11.scene import Geometry

LEASED = App(
    id="voreen-1",
    name="Voreen",
    leased=True,
    state=AppState.RUNNING,
    plan=Plan.VIRTUALGL,
    program="voreen",
    started=1763913600.12345,
    pids=(42, 43),
    windows=(0x1400003,),
    granted=100,
    use=Use(1024, 4096),
    over=True,
    slot="Voreen",
    cpu_seconds=12.3456,
    resident_bytes=2048,
)
ADOPTED = replace(LEASED, id="xclock-2", leased=False, plan=None, pids=(), use=Use(7), over=False)
ADOPTED = replace(ADOPTED, cpu_seconds=None, resident_bytes=None)
WINDOW = OwnedWindow(
    window(
        0x1400003,
        0x1400000,
        title="a “title”",
        instance="voreen",
        class_name="Voreen",
        geometry=Geometry(-1, 2, 640, 480),
        active=True,
    ),
    "voreen-1",
)
NOTICE = Notice(5, 1763913600.12345, Level.WARNING, "over_use", "voreen-1", "a text")
EMPTY = Snapshot((), (), LIMITS, 0, 0, 0, None, (), Tally(0, {}, 0))
MENU = {"revision": 1, "entries": 4}


def moment_of(snapshot: Snapshot, *, with_output: bool = True) -> Told:
    return told(snapshot, MENU, with_output=with_output)


def test_an_app() -> None:
    assert app_json(LEASED) == {
        "id": "voreen-1",
        "name": "Voreen",
        "leased": True,
        "state": "running",
        "plan": "virtualgl",
        "activity": None,
        "program": "voreen",
        "started": 1763913600.123,
        "pids": [42, 43],
        "windows": ["0x1400003"],
        "cpu_seconds": 12.35,
        "resident_bytes": 2048,
        "framebuffer": {
            "granted": 100,
            "pixmap_bytes": 1024,
            "gpu_bytes": 4096,
            "used": 4096,
            "over": True,
        },
    }
    adopted = app_json(ADOPTED)
    assert (adopted["leased"], adopted["plan"], adopted["pids"]) == (False, None, [])
    assert (adopted["cpu_seconds"], adopted["resident_bytes"]) == (None, None)
    assert adopted["framebuffer"]["gpu_bytes"] is None
    assert adopted["framebuffer"]["used"] == 7


def test_a_window() -> None:
    assert window_json(WINDOW) == {
        "id": "0x1400003",
        "app": "voreen-1",
        "title": "a “title”",
        "class": "Voreen",
        "instance": "voreen",
        "geometry": {"x": -1, "y": 2, "width": 640, "height": 480},
        "minimised": False,
        "maximised": False,
        "fullscreen": False,
        "active": True,
        "dialog": False,
    }


def test_the_budget() -> None:
    snapshot = replace(EMPTY, apps=(LEASED, ADOPTED), granted=100, used=4103, unattributed=9)
    assert framebuffer_json(snapshot) == {
        "total": LIMITS.framebuffer,
        "granted": 100,
        "used": 4103,
        "apps": 2,
        "max_apps": LIMITS.max_apps,
        "unattributed_bytes": 9,
        "gpu": None,
    }
    gpu = GpuFramebuffer(8000, 900, {10: 70})
    assert framebuffer_json(replace(snapshot, gpu=gpu))["gpu"] == {"total": 8000, "used": 900}


def test_a_notice() -> None:
    assert notice_json(NOTICE, with_output=False) == {
        "id": 5,
        "time": 1763913600.123,
        "level": "warning",
        "kind": "over_use",
        "app": "voreen-1",
        "text": "a text",
        "output": [],
    }


def test_the_first_message_is_everything() -> None:
    now = replace(EMPTY, apps=(LEASED, ADOPTED), windows=(WINDOW,), notices=(NOTICE,))
    message = first_message(moment_of(now))
    assert message == {
        "type": "snapshot",
        "apps": [app_json(LEASED), app_json(ADOPTED)],
        "windows": [window_json(WINDOW)],
        "framebuffer": framebuffer_json(now),
        "notices": [notice_json(NOTICE, with_output=True)],
        "menu": MENU,
    }
    assert json.loads(json.dumps(message)) == message


def test_a_delta_has_whole_objects_and_only_what_differs() -> None:
    before = replace(EMPTY, apps=(LEASED, ADOPTED), windows=(WINDOW,))
    moved = replace(WINDOW, window=replace(WINDOW.window, geometry=Geometry(0, 0, 1, 1)))
    assert delta(moment_of(before), moment_of(before)) is None
    assert delta(moment_of(before), moment_of(replace(before, windows=(moved,)))) == {
        "type": "delta",
        "windows": {"changed": [window_json(moved)], "removed": []},
    }
    assert delta(moment_of(before), moment_of(replace(before, notices=(NOTICE,)))) == {
        "type": "delta",
        "notices": [notice_json(NOTICE, with_output=True)],
    }
    stopping = replace(LEASED, state=AppState.STOPPING)
    after = replace(before, apps=(stopping,))
    assert delta(moment_of(before), moment_of(after)) == {
        "type": "delta",
        "apps": {"changed": [app_json(stopping)], "removed": ["xclock-2"]},
        "framebuffer": framebuffer_json(after),
    }
    fuller = {"revision": 2, "entries": 5}
    assert delta(told(before, MENU), told(before, fuller)) == {"type": "delta", "menu": fuller}
    # what is counted for metrics is no reader's business
    assert delta(moment_of(before), moment_of(replace(before, tally=Tally(1, {}, 0)))) is None


# ---------------------------------------------------------------------- any course of events

APPS = st.lists(
    st.builds(
        replace,
        st.sampled_from([LEASED, ADOPTED]),
        id=st.sampled_from("abcd"),
        started=st.sampled_from([1.0, 2.0]),
    ),
    unique_by=lambda app: app.id,
    max_size=4,
).map(tuple)
WINDOWS = st.lists(
    st.builds(
        OwnedWindow,
        st.builds(window, st.integers(1, 4), st.just(0), title=st.sampled_from("xy")),
        st.sampled_from("abcd"),
    ),
    unique_by=lambda owned: owned.window.id,
    max_size=4,
).map(tuple)


@st.composite
def courses(draw: st.DrawFn) -> list[Snapshot]:
    """Moments one after another, of which a reader sees each; at most 50 notices lie between two."""
    moments: list[Snapshot] = []
    notices: list[Notice] = []
    for _ in range(draw(st.integers(1, 6))):
        more = draw(st.sampled_from([0, 0, 1, 3, MAX_NOTICES - 1, MAX_NOTICES]))
        notices += [replace(NOTICE, number=len(notices) + n + 1) for n in range(more)]
        moment = replace(
            EMPTY, apps=draw(APPS), windows=draw(WINDOWS), used=draw(st.integers(0, 2))
        )
        moments.append(replace(moment, notices=tuple(notices[-MAX_NOTICES:])))
    return moments


def applied(state: dict[str, Any], message: dict[str, Any]) -> None:
    """What a page does with a delta."""
    for key in ("apps", "windows"):
        change = message.get(key, {"changed": [], "removed": []})
        assert not {item["id"] for item in change["changed"]} & set(change["removed"])
        for item in change["changed"]:
            assert state[key].get(item["id"]) != item, "it has not changed"
            state[key][item["id"]] = item
        for name in change["removed"]:
            del state[key][name]
    state["framebuffer"] = message.get("framebuffer", state["framebuffer"])
    state["notices"] += message.get("notices", [])


@given(courses())
def test_deltas_in_order_always_lead_to_the_last_state(course: list[Snapshot]) -> None:
    before: Told = moment_of(course[0])
    first = first_message(before)
    state: dict[str, Any] = {
        "apps": {app["id"]: app for app in first["apps"]},
        "windows": {shown["id"]: shown for shown in first["windows"]},
        "framebuffer": first["framebuffer"],
        "notices": list(first["notices"]),
    }
    for moment in course[1:]:
        now = moment_of(moment)
        message = delta(before, now)
        assert (message is None) == (now == before)
        applied(state, message or {})
        before = now
    last = course[-1]
    assert state["apps"] == {app.id: app_json(app) for app in last.apps}
    assert state["windows"] == {w["id"]: w for w in map(window_json, last.windows)}
    assert state["framebuffer"] == framebuffer_json(last)
    numbers = [notice["id"] for notice in state["notices"]]
    assert numbers == list(range(1, len(numbers) + 1)), "a notice was lost or told twice"
    assert not last.notices or numbers[-1] == last.notices[-1].number


def test_what_an_app_said_is_for_its_user_alone() -> None:
    said = replace(NOTICE, text="a-1 exited with status 1", output=("token=hunter2",))
    assert notice_json(said, with_output=True)["output"] == ["token=hunter2"]
    assert "hunter2" not in str(notice_json(said, with_output=False))
    mute = replace(EMPTY, notices=(said,))
    assert "hunter2" not in str(first_message(moment_of(mute, with_output=False)))

"""Judging the desktop by its components, and the status that the API gives."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from vizproxy.api.status import Condition, Health, Status, assess
from vizproxy.broker.leases import Limits, Use
from vizproxy.broker.snapshot import App, AppState, Snapshot, Tally
from vizproxy.config import Plan
from vizproxy.display.gpuhealth import Condition as GpuCondition
from vizproxy.display.gpuhealth import GpuStatus
from vizproxy.supervise.machine import State
from vizproxy.supervise.status import ComponentStatus
from vizproxy.x11.randr import ScreenSize

TITLES = {
    "xorg": "X server",
    "wm": "window manager",
    "x11vnc": "VNC server",
    "websockify": "WebSocket bridge",
}


def part(name: str, state: State = State.READY, reason: str = "") -> ComponentStatus:
    return ComponentStatus(
        name=name,
        title=TITLES[name],
        state=state,
        pid=1 if state is State.READY else None,
        since_seconds=1.23456,
        restarts=0,
        failures=0,
        reason=reason,
        retry_in_seconds=2.34567 if state is State.BACKOFF else None,
        output=("a line",),
        shows_picture=name != "wm",
    )


def desktop(**changed: tuple[State, str] | State) -> list[ComponentStatus]:
    """All components, ready but for those that are named."""
    parts = []
    for name in TITLES:
        change = changed.get(name, State.READY)
        parts.append(part(name, *change) if isinstance(change, tuple) else part(name, change))
    return parts


def judge(**changed: tuple[State, str] | State) -> Health:
    return assess(desktop(**changed), stopping=False)


def test_all_ready() -> None:
    assert judge() == Health(Condition.READY, "the desktop is ready", True)


def test_before_anything_is_up() -> None:
    assert judge(
        xorg=State.STARTING, wm=State.STOPPED, x11vnc=State.STOPPED, websockify=State.STARTING
    ) == Health(
        Condition.STARTING, "waiting for: X server, VNC server, WebSocket bridge", picture=False
    )


def test_ending_outweighs_all() -> None:
    health = assess(desktop(xorg=(State.FATAL, "exited with status 1")), stopping=True)
    assert health == Health(Condition.STOPPING, "the desktop is being ended", picture=False)
    assert not assess(desktop(), stopping=True).picture


def test_without_the_window_manager_there_is_a_picture() -> None:
    for state in State:
        health = judge(wm=(state, "exited with status 1"))
        assert health.picture
        expected = Condition.READY if state is State.READY else Condition.DEGRADED
        assert health.condition is expected, state
        if state is not State.READY:
            assert "window manager" in health.summary
            assert "exited with status 1" in health.summary


@pytest.mark.parametrize("name", ["xorg", "x11vnc", "websockify"])
@pytest.mark.parametrize("state", [s for s in State if s not in {State.READY, State.DEGRADED}])
def test_without_the_others_there_is_none(name: str, state: State) -> None:
    health = judge(**{name: (state, "exited with status 1")})
    assert not health.picture
    expected = Condition.FAILED if state is State.FATAL else Condition.STARTING
    assert health.condition is expected
    assert TITLES[name] in health.summary


def test_one_that_was_given_up_is_named_with_its_reason() -> None:
    health = judge(
        xorg=(State.FATAL, "exited with status 1"), x11vnc=State.STOPPED, wm=State.STOPPED
    )
    assert health.condition is Condition.FAILED
    assert health.summary == "the X server was given up: it exited with status 1"


def test_all_that_were_given_up_are_named() -> None:
    health = judge(
        x11vnc=(State.FATAL, "was killed by SIGSEGV"),
        websockify=(State.FATAL, "cannot be executed: no such file"),
    )
    assert health.summary == (
        "the VNC server was given up: it was killed by SIGSEGV; "
        "the WebSocket bridge was given up: it cannot be executed: no such file"
    )


@pytest.mark.parametrize("name", list(TITLES))
def test_one_that_is_ill_degrades_the_desktop(name: str) -> None:
    health = judge(**{name: (State.DEGRADED, "no answer within 5 s")})
    assert health.condition is Condition.DEGRADED
    assert health.summary == f"the {TITLES[name]} is degraded: no answer within 5 s"


def test_several_troubles_are_all_told() -> None:
    health = judge(
        xorg=(State.DEGRADED, "no answer within 5 s"),
        websockify=(State.DEGRADED, "closed the connection"),
    )
    assert health.summary.count(";") == 1
    assert "X server" in health.summary
    assert "WebSocket bridge" in health.summary


GPU = GpuStatus("Tesla T4", "GPU-1", GpuCondition.FINE, "", 1.23456)
SILENT = replace(GPU, condition=GpuCondition.SILENT, reason="it hangs")
LOST = replace(GPU, condition=GpuCondition.LOST, reason="it fell off the bus")


def test_a_lost_gpu_degrades_the_desktop() -> None:
    def judged(gpu: GpuStatus, **changed: tuple[State, str] | State) -> Health:
        return assess(desktop(**changed), stopping=False, gpu=gpu)

    lost = "the GPU Tesla T4 is lost: it fell off the bus"
    assert judged(GPU).condition is judged(SILENT).condition is Condition.READY
    assert judged(LOST) == Health(Condition.DEGRADED, lost, picture=True)
    also = judged(LOST, wm=State.STARTING).summary
    assert also == f"{lost}; the window manager is starting"
    assert judged(LOST, xorg=State.STARTING).condition is Condition.STARTING
    failed = judged(LOST, xorg=(State.FATAL, "exited with status 1"))
    assert failed.condition is Condition.FAILED


def test_nothing_has_failed_for_good_while_another_plan_is_tried() -> None:
    given_up = desktop(xorg=(State.FATAL, "exited with status 1"), x11vnc=State.STOPPED)
    health = assess(given_up, stopping=False, falling_back=True)
    waiting = "waiting for: X server, VNC server"
    assert health == Health(Condition.STARTING, waiting, picture=False)


def test_no_components_yet() -> None:
    """Between the listeners' start and the supervisor's."""
    assert assess([], stopping=True).condition is Condition.STOPPING


NO_APPS = Snapshot((), (), Limits(16, 1000, 60), 0, 0, 0, None, (), Tally(0, {}, 0))


def status(
    size: ScreenSize | None, components: list[ComponentStatus], apps: Snapshot = NO_APPS
) -> Status:
    return Status(
        version="1",
        revision=3,
        health=assess(components, stopping=False),
        plan="software",
        plan_reason="no GPU was found",
        plan_warning="",
        display=":5",
        size=size,
        viewers=2,
        apps=apps,
        components=tuple(components),
        environment={"DISPLAY": ":5"},
        runtime_dir="/run/x",
        last_activity=1763913600.5,
        listening=("http://127.0.0.1:1/",),
        log_lines_lost=0,
    )


def test_the_status_as_json() -> None:
    shown = status(None, desktop(wm=(State.BACKOFF, "exited with status 1"))).as_json()
    assert json.loads(json.dumps(shown)) == shown
    assert (shown["state"], shown["picture"], shown["display"]) == ("degraded", True, None)
    assert shown["plan"] == {"name": "software", "reason": "no GPU was found", "warning": ""}
    wm = shown["components"][1]
    assert wm["state"] == "backoff"
    assert wm["output"] == ["a line"]
    assert (wm["since_seconds"], wm["retry_in_seconds"]) == (1.235, 2.346)
    assert shown["components"][0]["retry_in_seconds"] is None
    counts = {"count": 0, "admitted": 0, "over_uses": 0}
    assert shown["apps"] == {**counts, "over_use": [], "refused": {}}
    assert shown["framebuffer"]["total"] == 1000
    assert shown["warnings"] == []


def app(name: str, used: int) -> App:
    return App(
        id=name,
        name=name,
        leased=True,
        state=AppState.RUNNING,
        plan=Plan.SOFTWARE,
        program=name,
        started=1.0,
        pids=(),
        windows=(),
        granted=60,
        use=Use(used),
        over=used > 60,
    )


def test_warnings_are_of_the_plan_and_of_apps() -> None:
    apps = replace(NO_APPS, apps=(app("a-1", 61), app("b-2", 60), app("c-3", 2048)))
    warned = replace(status(None, desktop(), apps), plan_warning="no GPU, sadly").as_json()
    assert (warned["apps"]["count"], warned["apps"]["over_use"]) == (3, ["a-1", "c-3"])
    assert warned["warnings"] == [
        "no GPU, sadly",
        "a-1 uses 61 B of framebuffer and may use 60 B",
        "c-3 uses 2 KiB of framebuffer and may use 60 B",
    ]
    assert warned["state"] == "ready", "the desktop itself is well"


def test_the_gpu_as_json() -> None:
    assert status(None, desktop()).as_json()["gpu"] is None
    shown = replace(status(None, desktop()), gpu=LOST, plan_warning="no VirtualGL").as_json()
    assert shown["gpu"] == {
        "name": "Tesla T4",
        "uuid": "GPU-1",
        "condition": "lost",
        "reason": "it fell off the bus",
        "since_seconds": 1.235,
    }
    assert shown["warnings"] == ["no VirtualGL", "the GPU Tesla T4 is lost: it fell off the bus"]
    given_up = replace(status(None, desktop()), gpu_server_warning="it was given up").as_json()
    assert given_up["warnings"] == ["it was given up"]
    assert replace(status(None, desktop()), gpu=GPU).as_json()["warnings"] == []
    assert "was_ready" not in shown["components"][0]


def test_over_use_never_looks_like_none() -> None:
    greedy = replace(app("a-1", 512 * 1024**2 + 1), granted=512 * 1024**2)
    (text,) = replace(NO_APPS, apps=(greedy,)).warnings
    assert text == "a-1 uses 513 MiB of framebuffer and may use 512 MiB"

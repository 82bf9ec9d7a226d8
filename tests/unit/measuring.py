"""A moment of a desktop on which much happens, and one of a desktop that has just begun."""

from __future__ import annotations

from typing import Any

from tests.unit.broking import MIB
from vizproxy.broker.leases import Limits, Use
from vizproxy.broker.snapshot import App, AppState, Snapshot, Tally
from vizproxy.config import Plan
from vizproxy.display.gpu import GpuFramebuffer
from vizproxy.display.gpuhealth import Condition
from vizproxy.display.gpumeters import GpuMeters, GpuSnapshot
from vizproxy.distribution import Distribution
from vizproxy.gateway.access import Role
from vizproxy.gateway.tally import Leave, Refusal, ViewerTally
from vizproxy.metrics.measurements import (
    DaemonUse,
    Measurements,
    Processes,
    ProcessUse,
    SourceStatus,
)
from vizproxy.supervise.history import Cause, ComponentHistory
from vizproxy.supervise.machine import State
from vizproxy.supervise.status import ComponentStatus
from vizproxy.x11.damage import Damage
from vizproxy.x11.meters import ScreenMeters


def app(app_id: str, slot: str, *, leased: bool = True, pixmaps: int = MIB, **of: Any) -> App:
    usual: dict[str, Any] = {
        "name": slot,
        "leased": leased,
        "state": AppState.RUNNING,
        "plan": Plan.VIRTUALGL if leased else None,
        "program": slot,
        "started": 1.0,
        "pids": (7,),
        "windows": (0x1400003,),
        "granted": 512 * MIB,
        "use": Use(pixmaps, None),
        "over": False,
    }
    return App(id=app_id, slot=slot, **(usual | of))


def snapshot(*apps: App, tally: Tally | None = None) -> Snapshot:
    return Snapshot(
        apps=apps,
        windows=(),
        limits=Limits(16, 8192 * MIB, 512 * MIB),
        granted=sum(one.granted for one in apps if one.leased),
        used=sum(one.use.bytes for one in apps),
        unattributed=4096,
        gpu=None,
        notices=(),
        tally=Tally(0, {}, 0, {}) if tally is None else tally,
    )


VIEWERS = ViewerTally(
    connected={Role.CONTROL: 2},
    sessions=5,
    ended={Leave.LEFT: 2, Leave.STALLED: 1},
    refused={Refusal.NOT_READY: 3},
    received_bytes=12_345,
    received_messages=678,
    sent_bytes=98_765_432,
    sent_messages=4321,
    updates=1500,
    send_wait_seconds=1.5,
    blocked_seconds=0.25,
    round_trip=Distribution.empty(0.001, 0.01, 0.1).observed(0.005).observed(0.02).observed(3.0),
    last_round_trip=3.0,
    first_picture=Distribution.empty(0.1, 1.0).observed(0.3),
)

NOBODY = ViewerTally(
    connected={},
    sessions=0,
    ended={},
    refused={},
    received_bytes=0,
    received_messages=0,
    sent_bytes=0,
    sent_messages=0,
    updates=0,
    send_wait_seconds=0.0,
    blocked_seconds=0.0,
    round_trip=Distribution.empty(0.1),
    last_round_trip=None,
    first_picture=Distribution.empty(0.1),
)

GPU = GpuSnapshot(
    name="NVIDIA A40-8Q",
    uuid="GPU-11111111-2222-3333-4444-555555555555",
    driver="550.54.15",
    virtualization="vgpu",
    profile="A40-8Q",
    condition=Condition.FINE,
    losses=1,
    framebuffer=GpuFramebuffer(8192 * MIB, 2048 * MIB, {7: 512 * MIB}),
    meters=GpuMeters(
        percent=35,
        memory_percent=12,
        encoder_percent=0,
        encoder_sessions=1,
        encoder_fps=30,
        encoder_latency=0.004,
        licensed=True,
    ),
    read_seconds=0.01,
    age=2.0,
    xids={13: 4, 79: 1},
)


def component(name: str, state: State = State.READY, **of: Any) -> ComponentStatus:
    usual: dict[str, Any] = {
        "title": name,
        "pid": 100,
        "since_seconds": 60.5,
        "restarts": 1,
        "failures": 0,
        "reason": "",
        "retry_in_seconds": None,
        "output": ("something that nobody else may read",),
        "shows_picture": True,
    }
    return ComponentStatus(name=name, state=state, **(usual | of))


BUSY = Measurements(
    time=1000.0,
    version="1.2.3",
    plan="virtualgl",
    state="ready",
    log_lines_lost=0,
    screen=ScreenMeters(1920, 1080, 24, 1920 * 1080 * 4, 9, 12.5),
    resizes=3,
    damage=Damage(12_000, 600_000_000),
    apps=snapshot(
        app("voreen-1", "voreen", use=Use(2 * MIB, 512 * MIB), resident_bytes=300 * MIB),
        app("voreen-2", "voreen", use=Use(1 * MIB, 256 * MIB), resident_bytes=200 * MIB),
        app("xeyes-3", "unleased", leased=False),
        tally=Tally(7, {"too_many_apps": 2}, 1, {"voreen": 44.5, "other": 3.0}),
    ),
    pixmaps_known=True,
    processes=Processes(
        daemon=DaemonUse(ProcessUse(12.5, 90 * MIB), 42, 1024, 9, 1_700_000_000.0),
        components={"xorg": ProcessUse(60.0, 120 * MIB), "x11vnc": ProcessUse(30.0, 20 * MIB)},
        unleased={"xeyes-3": ProcessUse(0.5, 8 * MIB)},
        unleased_cpu_seconds=1.5,
    ),
    gpu=GPU,
    viewers=VIEWERS,
    input_idle_seconds=33.0,
    components=(
        component("xorg"),
        component("x11vnc", State.BACKOFF, failures=2, retry_in_seconds=0.75, pid=None),
    ),
    histories=(
        ComponentHistory("xorg", {}, {State.STARTING: 0.5, State.READY: 60.5}, 0.5),
        ComponentHistory("x11vnc", {Cause.KILLED: 2}, {State.READY: 55.0}, None),
    ),
    sources=(
        SourceStatus("display", success=True, duration=0.002, age=1.0),
        SourceStatus("process", success=True, duration=0.003, age=1.5),
        SourceStatus("gpu", success=True, duration=0.01, age=2.0),
    ),
)

FRESH = Measurements(
    time=0.0,
    version="1.2.3",
    plan="software",
    state="starting",
    log_lines_lost=0,
    screen=None,
    resizes=0,
    damage=None,
    apps=snapshot(),
    pixmaps_known=True,
    processes=None,
    gpu=None,
    viewers=NOBODY,
    input_idle_seconds=0.0,
    components=(component("xorg", State.STARTING),),
    histories=(ComponentHistory("xorg", {}, {}, None),),
    sources=(SourceStatus("display", success=False, duration=0.0, age=None),),
)

"""Corners of the checks of system, desktop and plan that no recorded machine has."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.unit.doctoring import (
    case,
    finding,
    findings,
    levels,
    machine,
    with_desktop,
    with_files,
    with_system,
)
from tests.unit.doctoring import settings as configured
from tests.unit.test_recording import of
from vizproxy import resources
from vizproxy.doctor.case import Case, PlanInForce, make_case
from vizproxy.doctor.examine import examine
from vizproxy.doctor.model import Level
from vizproxy.facts.model import (
    Jupyter,
    Limit,
    Machine,
    Place,
    Space,
    SysvMemory,
    XDisplay,
    known,
    unknown,
)

GREEN, YELLOW, RED = Level
MIB = 1024**2


# ------------------------------------------------------------------------------------- system


@pytest.mark.parametrize("missing", ["dummy", "amdgpu"])
def test_drivers_that_xorg_lacks(missing: str) -> None:
    drivers = tuple(d for d in ("dummy", "modesetting", "amdgpu") if d != missing)
    seen = with_files("amd-gpu", x_drivers=known(drivers))
    expected = {RED} if missing == "dummy" else {GREEN}  # the plan egl has no server on the GPU
    assert levels("programs", seen) == expected
    if missing == "dummy":
        assert "xserver-xorg-video-dummy" in finding("programs", seen).remedy


@pytest.mark.parametrize(
    ("total", "free", "level", "why"),
    [
        (64 * MIB, 60 * MIB, GREEN, True),
        (1024 * MIB, 1000 * MIB, GREEN, False),
        (1024 * MIB, 2 * MIB, YELLOW, True),
        (0, 0, YELLOW, True),
    ],
)
def test_dev_shm(total: int, free: int, level: Level, *, why: bool) -> None:
    found = finding("shared-memory", with_system(shared_memory=known(Space(total, free))))
    assert (found.level, bool(found.why)) == (level, why)


@pytest.mark.parametrize(
    ("segments", "level"), [(0, GREEN), (3896, GREEN), (3897, YELLOW), (4096, RED), (9999, RED)]
)
def test_system_v_segments(segments: int, level: Level) -> None:
    sysv = SysvMemory(max_segment=2**40, max_segments=4096, segments=segments)
    assert levels("shared-memory", with_system(sysv_memory=known(sysv))) == {level}


def test_a_segment_must_hold_a_picture() -> None:
    sysv = SysvMemory(max_segment=1600 * 900 * 4, max_segments=4096, segments=0)
    assert levels("shared-memory", with_system(sysv_memory=known(sysv))) == {GREEN}
    small = replace(sysv, max_segment=sysv.max_segment - 1)
    assert levels("shared-memory", with_system(sysv_memory=known(small))) == {YELLOW}


def test_displays_that_cannot_be_asked_are_no_trouble() -> None:
    display = XDisplay(":0", unknown("it hangs"), unknown("it hangs"))
    seen = with_desktop(displays=(display,))
    assert levels("shared-memory", seen) == {GREEN}
    assert levels("frame-rate", seen) == {GREEN}


@pytest.mark.parametrize(
    ("mode", "writable", "level"),
    [("1777", True, GREEN), ("0777", True, YELLOW), ("0700", True, GREEN), ("0755", False, RED)],
)
def test_the_x_socket_directory(mode: str, level: Level, *, writable: bool) -> None:
    place = Place("/tmp/.X11-unix", mode, 0, writable)
    seen = with_system("no-gpu", x_sockets=known(place), container=known(False))
    assert levels("x-sockets", seen) == {level}


def test_the_x_socket_directory_may_be_a_volume_of_a_pod() -> None:
    place = Place("/tmp/.X11-unix", "0777", 0, writable=True)
    seen = with_system("no-gpu", x_sockets=known(place), container=known(True))
    assert levels("x-sockets", seen) == {GREEN}


def test_before_the_first_desktop_there_need_be_no_x_socket_directory() -> None:
    seen = with_system("no-gpu", x_sockets=unknown("it is not there"))
    assert levels("x-sockets", seen) == {GREEN}


def test_a_cookie_that_is_not_here() -> None:
    found = finding("cookie", with_desktop(cookie=unknown("it is elsewhere")))
    assert (found.level, found.what) == (
        YELLOW,
        "the X servers' cookie cannot be seen: it is elsewhere",
    )


@pytest.mark.parametrize(
    ("place", "level"),
    [
        (Place("/run/me", "0700", 1000, writable=True), GREEN),
        (Place("/tmp", "1777", 0, writable=True), GREEN),
        (Place("/srv", "1777", 5, writable=True), GREEN),
        (Place("/srv", "0777", 5, writable=True), RED),
        (Place("/", "0755", 0, writable=False), RED),
    ],
)
def test_the_runtime_directory(place: Place, level: Level) -> None:
    assert levels("disk", with_system("no-gpu", runtime_dir=known(place))) == {level}


@pytest.mark.parametrize(
    ("free", "level"), [(64 * MIB, GREEN), (64 * MIB - 1, YELLOW), (4 * MIB - 1, RED), (0, RED)]
)
def test_a_full_disk(free: int, level: Level) -> None:
    space = known(Space(2**34, free))
    assert levels("disk", with_system(temporary_space=space)) == {level}
    # in one volume it is told once
    seen = with_system(temporary_space=space, runtime_space=space)
    assert len(findings("disk", seen)) == 1


@pytest.mark.parametrize(
    ("soft", "level"), [(None, GREEN), (1024, GREEN), (1023, YELLOW), (0, YELLOW)]
)
def test_the_limit_of_open_files(soft: int | None, level: Level) -> None:
    assert levels("limits", with_system(open_files=known(Limit(soft, None)))) == {level}


def test_what_is_not_known_is_no_trouble() -> None:
    nothing = unknown("nobody knows")
    seen = with_system(
        "no-gpu",
        shared_memory=nothing,
        sysv_memory=nothing,
        x_sockets=nothing,
        runtime_dir=nothing,
        runtime_space=nothing,
        temporary_space=nothing,
        open_files=nothing,
        processes=nothing,
        jupyter=nothing,
        container=nothing,
        name=nothing,
    )
    report = examine(case(seen))
    assert report.exit_code == 0
    assert report.machine == "an unknown system, no GPU"


@pytest.mark.parametrize(
    ("version", "level"),
    [("4.6.0", GREEN), ("4.10", GREEN), ("5", GREEN), ("4.5.9", YELLOW), ("odd", GREEN)],
)
def test_the_version_of_the_proxy(version: str, level: Level) -> None:
    jupyter = machine().system.jupyter.value
    assert jupyter is not None
    seen = with_system(jupyter=known(replace(jupyter, proxy=known(version))))
    assert levels("jupyter", seen) == {level}


def test_without_a_jupyter_server_nothing_is_missing() -> None:
    none = unknown("it is not installed")
    jupyter = Jupyter(server=none, proxy=none, lab=none, enabled=none, command=none)
    assert levels("jupyter", with_system(jupyter=known(jupyter))) == {GREEN}


# ----------------------------------------------------- a desktop that runs in another container

SIDECAR = "beside-a-sidecar"
WELL = ("programs", "x-sockets", "disk", "plan", "x-modules", "capabilities", "nodes")


def known_here(of: Machine, **flags: str) -> Case:
    """The case of a machine on which the desktop that answers is known to run."""
    return make_case(of, configured(**flags), resources.xorg_configs(), here=True)


def test_what_only_a_desktop_needs_may_be_missing_beside_one() -> None:
    found = finding("programs", SIDECAR)
    assert found.what == (
        "/usr/lib/xorg/Xorg, openbox and x11vnc are not here, and need not be: the desktop runs "
        "elsewhere"
    )
    assert finding("plan", SIDECAR).what == "virtualgl: the desktop runs by it"


@pytest.mark.parametrize("state", ["ready", "degraded", "failed", "starting"])
def test_what_is_wrong_with_a_desktop_elsewhere_is_wrong_there(state: str) -> None:
    place = known(Place("/tmp/.X11-unix", "0755", 1000, writable=False))
    own = known(Place("/run/vizproxy", "0755", 1000, writable=False))
    seen = with_system(SIDECAR, x_sockets=place, runtime_dir=own)
    found = examine(case(with_desktop(seen, state=state), display__plan="direct")).findings
    assert {f.level for f in found if f.check in WELL} == {GREEN}


def test_a_desktop_that_is_known_to_run_here_needs_all_of_it() -> None:
    found = examine(known_here(machine(SIDECAR))).findings
    assert {f.check for f in found if f.level is RED} == {"programs"}
    assert {"x-modules", "capabilities"} <= {f.check for f in found if f.level is YELLOW}


def test_a_desktop_elsewhere_that_tells_of_its_plan() -> None:
    told = PlanInForce("egl", "a GPU is there", "it lacks some: odd; try this")
    given = replace(case(SIDECAR, display__plan="direct"), in_force=told)
    report = examine(given)
    assert (report.plan, report.plan_warning) == ("egl", told.warning)
    assert [(f.level, f.remedy) for f in report.of("plan")] == [(YELLOW, "try this")]


def test_a_desktop_that_is_ready_has_what_it_needs() -> None:
    """Its programs may all be here, too, as with one image for both containers."""
    place = known(Place("/tmp/.X11-unix", "0755", 5, writable=False))
    seen = with_system(with_files(x_drivers=known(())), x_sockets=place)
    for check in ("programs", "x-sockets"):
        assert levels(check, seen) == {GREEN}
        assert levels(check, with_desktop(seen, state="failed")) == {RED}


def test_the_runtime_directory_may_be_that_of_the_desktops_user() -> None:
    seen = with_system(SIDECAR, runtime_dir=known(Place("/run/x", "0777", 7, writable=True)))
    assert levels("disk", seen) == {RED}
    desktop = seen.desktop.value
    assert desktop is not None
    cookie = replace(desktop.cookie.get(Place("", "0600", 7, True)), uid=7)
    assert levels("disk", with_desktop(seen, cookie=known(cookie))) == {GREEN}


def test_a_desktop_elsewhere_may_have_other_templates() -> None:
    asleep = replace(case(SIDECAR), configurations={"desktop": ""}, unreadable="no template")
    report = examine(asleep)
    assert [f.level for f in (*report.of("frame-rate"), *report.of("plan"))] == [GREEN, GREEN]


# ------------------------------------------------------------------------------ desktop, plan


def test_a_desktop_that_starts_is_not_broken() -> None:
    found = finding("desktop", with_desktop(state="starting"))
    assert (
        found.why == "it takes a few seconds until it can be seen and programs can be started on it"
    )


@pytest.mark.parametrize(
    ("state", "level"),
    [("ready", GREEN), ("starting", YELLOW), ("degraded", YELLOW), ("failed", RED)],
)
def test_the_desktops_state(state: str, level: Level) -> None:
    assert levels("desktop", with_desktop(state=state)) == {level}


def test_a_plan_that_was_asked_for_and_cannot_be() -> None:
    found = finding("plan", "no-gpu", display__plan="virtualgl")
    assert found.level is RED
    assert found.what == (
        "virtualgl was asked for and cannot be: no GPU was found and VirtualGL is not installed"
    )
    assert "the plan 'software'" in found.remedy


def test_a_plan_below_the_best_says_why() -> None:
    found = finding("plan", "no-graphics-capability")
    assert found.what.startswith("software, since NVIDIA_DRIVER_CAPABILITIES is ")
    assert found.why == "programs draw in software although there is a GPU"
    assert found.remedy.startswith("try NVIDIA_DRIVER_CAPABILITIES=all")


def test_a_desktop_that_runs_by_another_plan() -> None:
    found = finding("plan", with_desktop(plan="software"))
    assert (found.level, found.what) == (
        YELLOW,
        "the desktop runs by software, and now virtualgl would be chosen",
    )


def test_a_desktop_tells_of_its_plan_itself() -> None:
    warning = "programs draw in software although there is a GPU: it failed; try `vizproxy doctor`"
    told = PlanInForce("software", "a GPU is there", warning)
    report = examine(replace(case(with_desktop(plan="software")), in_force=told))
    assert (report.plan, report.plan_warning) == ("software", warning)
    (found,) = report.of("plan")
    assert (found.level, found.what) == (YELLOW, "software, since it failed")
    assert "vizproxy doctor" not in found.remedy  # this is it


def test_templates_that_cannot_be_read() -> None:
    found = examine(replace(case(), unreadable="cannot read it: odd; try again")).of("plan")
    assert [(f.level, f.what, f.remedy) for f in found] == [
        (RED, "cannot read it: odd", "try again")
    ]


# ------------------------------------------------------------------------------- any machine


@settings(max_examples=50)
@given(of(Machine))
def test_any_machine_can_be_examined(odd: Machine) -> None:
    report = examine(case(odd))
    json.dumps(report.as_json(), ensure_ascii=False).encode()
    for found in report.findings:
        assert found.what.isprintable()
        assert (found.level is GREEN) == (not found.remedy)

"""The check-up of recorded machines: what each check finds, and the whole report."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import machines
from tests.unit.doctoring import GOOD, case, findings, report
from vizproxy import __version__
from vizproxy.doctor.examine import CHECKS
from vizproxy.doctor.model import Finding, Level, Report, worst
from vizproxy.doctor.text import describe

GOLDEN = Path(__file__).parent.parent / "golden"
RENEW = "RENEW_GOLDEN"
"""Set this variable to write the golden files anew; look at the difference before it is committed."""

GREEN, YELLOW, RED = Level

# check: (machine on which it fires, its level there, machine on which it is green)
FIRES = {
    "gpu": ("gpu-lost", RED, "bare-t4"),
    "version": ("troubled-container", RED, "a40-8q-licensed"),
    "driver": ("driver-mismatch", RED, "bare-t4"),
    "capabilities": ("no-graphics-capability", YELLOW, "bare-t4"),
    "nodes": ("troubled-container", YELLOW, "two-gpus-one-visible"),
    "x-modules": ("gpu-operator-without-x-modules", YELLOW, "bare-t4"),
    "licence": ("a40-8q-unlicensed", RED, "a40-8q-licensed"),
    "profile": ("a100-mig-slice", YELLOW, "a40-8q-licensed"),
    "frame-rate": ("troubled-container", YELLOW, "t4-1b"),
    "virtualgl": ("troubled-container", YELLOW, "bare-t4"),
    "egl": ("no-graphics-capability", YELLOW, "amd-gpu"),
    "programs": ("cannot-start", RED, "no-gpu"),
    "shared-memory": ("troubled-container", YELLOW, "no-gpu"),
    "x-sockets": ("troubled-container", YELLOW, "no-gpu"),
    "cookie": ("troubled-container", RED, "a40-8q-licensed"),
    "disk": ("troubled-container", RED, "no-gpu"),
    "limits": ("troubled-container", YELLOW, "no-gpu"),
    "jupyter": ("troubled-container", YELLOW, "no-gpu"),
    "desktop": ("troubled-container", YELLOW, "a40-8q-licensed"),
    "plan": ("gpu-operator-without-x-modules", YELLOW, "bare-t4"),
}


@pytest.mark.parametrize("check", [check.id for check in CHECKS])
def test_every_check_fires_on_a_machine_and_not_on_another(check: str) -> None:
    ill, level, well = FIRES[check]
    assert worst(found.level for found in findings(check, ill)) is level
    assert [found.level for found in findings(check, well)] == [GREEN]


# machine: the checks that are not green on it
NOT_GREEN = {
    "a100-mig-slice": {"profile", "plan"},
    "a40-8c": {"profile", "plan"},
    "a40-8q-licensed": set(),
    "a40-8q-unlicensed": {"licence"},
    "amd-gpu": set(),
    "bare-t4": set(),
    "beside-a-sidecar": set(),
    "cannot-start": {"programs", "x-sockets", "disk"},
    "cdi-compute-utility": {"capabilities", "x-modules", "plan"},
    "cpu-pod-on-gpu-node": set(),
    "driver-mismatch": {"gpu", "driver", "x-modules", "plan"},
    "glx-module-without-link": {"x-modules", "plan"},
    "gpu-lost": {"gpu", "plan"},
    "gpu-not-given": {"gpu"},
    "gpu-operator-without-x-modules": {"x-modules", "plan"},
    "no-gpu": set(),
    "no-graphics-capability": {"capabilities", "x-modules", "egl", "plan"},
    "nvml-hangs": {"gpu", "driver"},
    "t4-1b": set(),
    "two-gpus-one-visible": set(),
}


@pytest.mark.parametrize("name", NOT_GREEN)
def test_what_is_not_well_with_a_machine(name: str) -> None:
    assert {f.check for f in report(name).findings if f.level is not GREEN} == NOT_GREEN[name]


@pytest.mark.parametrize("name", machines.NAMES)
def test_a_report_is_as_it_was(name: str) -> None:
    """The golden file has the report as a terminal of 100 columns shows it, without colours."""
    text = "\n".join(describe(report(name), width=100, colour=False)) + "\n"
    golden = GOLDEN / name / "doctor.txt"
    if os.environ.get(RENEW):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), f"{RENEW}=1 writes it anew"


@pytest.mark.parametrize("name", machines.NAMES)
def test_findings_are_made_for_people(name: str) -> None:
    titles = {check.id: check.title for check in CHECKS}
    for found in report(name).findings:
        assert found.title == titles[found.check]
        assert found.what
        if found.level is GREEN:
            assert not found.remedy
        else:
            assert found.why
            assert found.remedy
        for text in (found.what, found.why, found.remedy):
            assert text == text.strip()
            assert not text.endswith((".", ":", ","))
            assert not any(bad in text for bad in ("None", "  ", "Fact(", "::", "''"))


def test_findings_come_in_the_order_of_the_checks() -> None:
    order = [check.id for check in CHECKS]
    seen = [found.check for found in report("troubled-container").findings]
    assert seen == sorted(seen, key=order.index)
    assert set(seen) == set(order)  # and there each check has something to say


def test_ids_and_titles_are_told_apart() -> None:
    assert len({check.id for check in CHECKS}) == len({check.title for check in CHECKS})
    assert len(CHECKS) == len(FIRES)


# ------------------------------------------------------------------------------------ the report


def a_report(*levels: Level) -> Report:
    found = tuple(
        Finding("gpu", "GPU", level, "a thing", "it matters", "do it") for level in levels
    )
    return Report("a machine", "egl", "a reason", "a warning", found)


def test_the_worst_finding_is_the_reports_level_and_exit_code() -> None:
    assert (a_report().level, a_report().exit_code) == (GREEN, 0)
    assert a_report(GREEN, GREEN).exit_code == 0
    assert a_report(GREEN, YELLOW, GREEN).exit_code == 1
    assert a_report(RED, YELLOW, GREEN).exit_code == 2


def test_as_json() -> None:
    shown = a_report(YELLOW).as_json()
    assert json.loads(json.dumps(shown)) == shown
    assert shown == {
        "version": __version__,
        "machine": "a machine",
        "plan": {"name": "egl", "reason": "a reason", "warning": "a warning"},
        "level": "yellow",
        "exit_code": 1,
        "findings": [
            {
                "check": "gpu",
                "title": "GPU",
                "level": "yellow",
                "what": "a thing",
                "why": "it matters",
                "remedy": "do it",
            }
        ],
    }


def test_the_machine_in_a_few_words() -> None:
    system = "a container of Debian GNU/Linux 12 (bookworm)"
    assert report(GOOD).machine == f"{system}, NVIDIA A40-8Q, driver 535.183.06"
    assert report("no-gpu").machine == f"{system}, no GPU"
    assert report("driver-mismatch").machine == f"{system}, Tesla T4"


def test_the_plan_is_told() -> None:
    seen = report("gpu-operator-without-x-modules")
    assert (seen.plan, seen.plan_reason) == ("egl", "a GPU is there (NVIDIA A10, /dev/nvidia0)")
    assert "Xorg modules" in seen.plan_warning
    assert report("bare-t4").plan_warning == ""


def test_a_plan_that_cannot_be_is_told_as_it_was_asked_for() -> None:
    seen = report("no-gpu", display__plan="virtualgl")
    assert (seen.plan, seen.plan_reason) == ("virtualgl", "it was asked for")
    assert seen.plan_warning.startswith("cannot use the rendering plan 'virtualgl': ")
    assert seen.exit_code == 2


def test_a_case_has_the_configuration_of_each_server() -> None:
    assert set(case("bare-t4").configurations) == {"desktop", "3d"}
    assert set(case("no-gpu").configurations) == {"desktop"}
    assert not case("no-gpu", display__plan="direct").configurations

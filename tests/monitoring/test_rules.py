"""The rules: Prometheus takes them, they do what they should, and the runbook knows each alert."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.promql import (
    MONITORING,
    OF_PODS,
    RULE_FILES,
    alerts,
    any_label,
    check_expressions,
    groupings,
    labels_of,
    matchers,
    names,
    program,
    promtool,
    recorded,
    rules,
    samples,
)
from tests.support import ROOT
from vizproxy.broker.leases import REFUSALS
from vizproxy.display.gpuhealth import Condition
from vizproxy.gateway.tally import Refusal
from vizproxy.metrics.collectors import COLLECTORS, DESKTOP_STATES
from vizproxy.supervise.history import Cause

README = MONITORING / "README.md"

CASES = ROOT / "tests" / "monitoring" / "rules"

COMPONENTS = {"xorg", "xorg3d", "wm", "x11vnc", "websockify"}

VALUES: dict[tuple[str, str], set[str]] = {
    ("vizproxy_desktop_state", "state"): set(DESKTOP_STATES),
    ("vizproxy_gpu_condition", "condition"): set(Condition),
    ("vizproxy_component_restarts_total", "component"): COMPONENTS,
    ("vizproxy_component_restarts_total", "cause"): set(Cause),
    ("vizproxy_viewers_refused_total", "reason"): set(Refusal),
    ("vizproxy_leases_refused_total", "reason"): set(REFUSALS),
    ("job_reason:vizproxy_leases_refused:increase1h", "reason"): set(REFUSALS),
    ("vizproxy_collector_success", "collector"): set(COLLECTORS),
    ("job_le:vizproxy_viewer_first_picture_seconds_bucket:increase30m", "le"): {"+Inf"},
}
"""What the labels that rules ask for may be."""


@functools.cache
def cases() -> list[dict[str, Any]]:
    return [
        case
        for file in sorted(CASES.glob("*.test.yml"))
        for case in yaml.safe_load(file.read_text())["tests"]
    ]


def test_prometheus_accepts_the_rules() -> None:
    done = promtool(
        "check", "rules", "--lint=all", "--lint-fatal", *map(MONITORING.joinpath, RULE_FILES)
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_the_configuration() -> None:
    """With the rule files that it names."""
    done = promtool("check", "config", "--lint=all", "--lint-fatal", MONITORING / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


def test_rules_do_what_they_should() -> None:
    """The cases in ``rules/``."""
    done = promtool("test", "rules", *sorted(CASES.glob("*.test.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(alerts()))
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    tests = [
        test
        for case in cases()
        for test in case.get("alert_rule_test", ())
        if test["alertname"] == name
    ]
    assert any(test.get("exp_alerts") for test in tests)
    assert any(not test.get("exp_alerts") for test in tests)


def test_each_recording_rule_has_a_case() -> None:
    asked = {test["expr"] for case in cases() for test in case.get("promql_expr_test", ())}
    assert recorded() - asked == set()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_use_what_there_is(rule: dict[str, Any]) -> None:
    """Metrics of the catalogue, recording rules of the file, and values that labels can have."""
    assert names(rule["expr"]) - samples().keys() - recorded() == set()
    for metric, label, value in matchers(rule["expr"]):
        if metric != "up":
            assert value in VALUES[metric, label]
            assert label in labels_of(metric)
    assert groupings(rule["expr"]) <= any_label()


def test_names_of_recording_rules_say_what_they_are_by() -> None:
    """level:metric:operation, where the level has the labels that are left."""
    for rule in rules():
        if "record" in rule and not rule["record"].startswith("instance:"):
            level = rule["record"].partition(":")[0]
            by = re.match(r"(?:sum|avg|count) by \(([^)]*)\)", rule["expr"])
            assert by is not None, rule["record"]
            assert level.split("_") == by[1].split(", "), rule["record"]


@pytest.mark.parametrize("name", sorted(alerts()))
def test_the_runbook_knows_the_alert(name: str) -> None:
    alert = alerts()[name]
    runbook = README.read_text()
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    assert alert["annotations"]["runbook"] == f"container/monitoring/README.md#{name.lower()}"
    _, found, rest = runbook.partition(f"### {name}\n")
    assert found
    entry = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
    assert re.findall(r"^- \*\*(.+?)\*\*", entry, re.MULTILINE) == [
        "Severity",
        "Meaning",
        "Impact",
        "What to do",
    ]
    assert f"**Severity** {alert['labels']['severity']}" in entry


def test_queries_of_the_runbook_are_promql_about_what_there_is(tmp_path: Path) -> None:
    """Each line of a block is a query."""
    blocks = re.findall(r"^ *```promql\n(.*?)^ *```$", README.read_text(), re.MULTILINE | re.DOTALL)
    exprs = [line.strip() for block in blocks for line in block.splitlines() if line.strip()]
    check_expressions(exprs, tmp_path)
    for expr in exprs:
        assert names(expr) - samples().keys() - recorded() == set(), expr
        assert groupings(expr) <= any_label() | OF_PODS, expr


def test_the_runbooks_command_makes_addresses_of_its_entries(tmp_path: Path) -> None:
    """That with which an admin says where the runbook is published."""
    command = re.search(r"^sed (?:.*\\\n)*.*$", README.read_text(), re.MULTILINE)
    assert command is not None
    files = ("vizproxy-alerts.rules.yml", "prometheusrule.yaml")
    for name in files:
        shutil.copy(MONITORING / name, tmp_path)
    subprocess.run(["sh", "-ec", command[0]], cwd=tmp_path, check=True, timeout=10)
    for name in files:
        text = (tmp_path / name).read_text()
        told = re.findall(r"^ +runbook_url: (\S+)$", text, re.MULTILINE)
        assert told == [f"https://docs.example.org/vizproxy.md#{name.lower()}" for name in alerts()]
        assert "runbook: " not in text
        assert yaml.safe_load(text)


def test_the_runbook_has_no_alert_that_is_not_there() -> None:
    told = re.findall(r"^### (Vizproxy\w+)$", README.read_text(), re.MULTILINE)
    assert told == list(alerts())


def test_only_what_many_suffer_from_wakes_somebody() -> None:
    critical = {
        name for name, alert in alerts().items() if alert["labels"]["severity"] == "critical"
    }
    assert critical == {"VizproxyDesktopsFailing"}


def test_both_programs_are_there() -> None:
    """Prometheus itself is used elsewhere; it comes with promtool."""
    assert program("promtool")
    assert program("prometheus")

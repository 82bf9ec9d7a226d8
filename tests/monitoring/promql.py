"""What the rules and dashboards ask Prometheus for: their expressions, and the names in these."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support import ROOT
from vizproxy.metrics.catalogue import METRICS, Kind

MONITORING = ROOT / "container" / "monitoring"

RULE_FILES = ("vizproxy-recording.rules.yml", "vizproxy-alerts.rules.yml")
DASHBOARDS = ("vizproxy-session.json", "vizproxy-fleet.json")

_STRING = re.compile(r'"[^"]*"')
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def program(name: str) -> str:
    """Where ``prometheus`` or ``promtool`` is."""
    found = shutil.which(name) or str(ROOT / ".cache" / "prometheus" / "bin" / name)
    assert Path(found).is_file(), f"{name} is missing; try container/build/install-prometheus.sh"
    return found


def promtool(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool with ``text`` on its standard input; its output says why it has failed."""
    return subprocess.run(
        [program("promtool"), *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@functools.cache
def samples() -> dict[str, tuple[str, ...]]:
    """The name of every sample that a scrape may have, and its labels."""
    found: dict[str, tuple[str, ...]] = {}
    for metric in METRICS.values():
        if metric.kind is Kind.HISTOGRAM:
            found[f"{metric.name}_bucket"] = (*metric.labels, "le")
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = metric.labels
        else:
            found[metric.name] = metric.labels
    return found


OF_TARGETS = frozenset({"job", "instance"})
"""The labels by which Prometheus knows a desktop, wherever it runs."""

OF_PODS = frozenset({"node", "uid"})
"""Those that the PodMonitor sets, too."""


def labels_of(metric: str) -> frozenset[str]:
    """The labels that a metric has, or a recording rule, whose name begins with what it is by."""
    if metric in samples():
        return OF_TARGETS | set(samples()[metric])
    level = metric.partition(":")[0]
    return OF_TARGETS if level == "instance" else frozenset(level.split("_"))


def groupings(expr: str) -> set[str]:
    """Each label that an expression groups or joins by."""
    found = (inner.split(",") for inner in _GROUPING.findall(_STRING.sub('""', expr)))
    return {label.strip() for labels in found for label in labels}


def any_label() -> frozenset[str]:
    """Every label that there is."""
    return OF_TARGETS.union(*samples().values())


def check_expressions(exprs: Iterable[str], folder: Path) -> None:
    """Have Prometheus parse expressions; an AssertionError if one is none, or if there is none."""
    rules = [
        {"record": f"of_tests:query{number}:any", "expr": expr} for number, expr in enumerate(exprs)
    ]
    assert rules
    path = folder / "queries.rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = promtool("check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def names(expr: str) -> set[str]:
    """The names of vizproxy's metrics and recording rules in an expression."""
    words = set(_NAME.findall(_STRING.sub('""', expr)))
    return {word for word in words if word.startswith("vizproxy_") or ":vizproxy_" in word}


def matchers(expr: str) -> Iterator[tuple[str, str, str]]:
    """Each (metric, label, value) that an expression asks for; a choice of values is several."""
    for metric, inner in _SELECTOR.findall(expr):
        for label, _, values in _MATCHER.findall(inner):
            for value in values.split("|"):
                yield metric, label, value


@functools.cache
def rules() -> list[dict[str, Any]]:
    """All rules, of all files."""
    found: list[dict[str, Any]] = []
    for file in RULE_FILES:
        for group in yaml.safe_load((MONITORING / file).read_text())["groups"]:
            found += group["rules"]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts by their names."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    """The names that recording rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def panels(file: str) -> list[dict[str, Any]]:
    """The panels of a dashboard, without the headings of rows."""
    board = json.loads((MONITORING / file).read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(file: str) -> list[str]:
    """Every expression of a dashboard, with values in place of Grafana's variables."""
    found = [target["expr"] for panel in panels(file) for target in panel["targets"]]
    return [
        expr.replace("$__rate_interval", "5m").replace("$job", "j").replace("$instance", "i")
        for expr in found
    ]

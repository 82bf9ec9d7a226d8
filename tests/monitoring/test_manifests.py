"""The manifests for the Prometheus operator.

Its API is https://prometheus-operator.dev/docs/api-reference/api/. The fields that stand here are a
part of it: the API server refuses, or drops, any that it does not know.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.monitoring.promql import MONITORING, OF_PODS, OF_TARGETS, RULE_FILES, promtool
from vizproxy.metrics.catalogue import METRICS

POD_MONITOR_SPEC = {
    "attachMetadata": dict,
    "jobLabel": str,
    "namespaceSelector": dict,
    "podMetricsEndpoints": list,
    "podTargetLabels": list,
    "sampleLimit": int,
    "selector": dict,
}
ENDPOINT = {
    "honorLabels": bool,
    "interval": str,
    "metricRelabelings": list,
    "path": str,
    "port": str,
    "relabelings": list,
    "scheme": str,
    "scrapeTimeout": str,
}
RELABELING = {
    "action": str,
    "modulus": int,
    "regex": str,
    "replacement": str,
    "separator": str,
    "sourceLabels": list,
    "targetLabel": str,
}
RULE = {"alert", "annotations", "expr", "for", "keep_firing_for", "labels", "record"}
DURATION = re.compile(r"[0-9]+(ms|s|m|h)")

OPERATORS_LABELS = {
    "namespace": "hub",
    "pod": "jupyter-zoe",
    "container": "desktop",
    "endpoint": "metrics",
}
"""What the operator makes labels of before the PodMonitor's own relabelling."""

POD = {
    "__meta_kubernetes_namespace": "hub",
    "__meta_kubernetes_pod_name": "jupyter-zoe",
    "__meta_kubernetes_pod_node_name": "node-7",
    "__meta_kubernetes_pod_uid": "0c2b5a6e-70cc-4b56-9a3e-0b3fb4e5c1d2",
    "__meta_kubernetes_pod_label_hub_jupyter_org_username": "zoe",
}


PHASE = "__meta_kubernetes_pod_phase"
PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")


def manifest(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((MONITORING / name).read_text())
    return read


def fits(value: dict[str, Any], fields: dict[str, type]) -> None:
    for key, part in value.items():
        assert key in fields
        assert isinstance(part, fields[key]), key


def test_the_pod_monitor_has_fields_that_the_operator_knows() -> None:
    monitor = manifest("podmonitor.yaml")
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert monitor.keys() == {"apiVersion", "kind", "metadata", "spec"}
    fits(monitor["spec"], POD_MONITOR_SPEC)
    assert monitor["spec"]["selector"].keys() <= {"matchLabels", "matchExpressions"}
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        fits(endpoint, ENDPOINT)
        assert endpoint["path"] == "/metrics"
        assert all(DURATION.fullmatch(endpoint[key]) for key in ("interval", "scrapeTimeout"))
        for relabeling in endpoint["relabelings"]:
            fits(relabeling, RELABELING)


def test_the_alerts_know_the_job_that_the_pod_monitor_makes() -> None:
    """The operator calls it NAMESPACE/NAME."""
    job = f"hub/{manifest('podmonitor.yaml')['metadata']['name']}"
    scraped = manifest("prometheus.yml")["scrape_configs"][0]["job_name"]
    texts = "".join((MONITORING / name).read_text() for name in RULE_FILES)
    patterns = set(re.findall(r'up\{job=~"([^"]*)"\}', texts))
    assert patterns
    for pattern in patterns:
        assert re.fullmatch(pattern, job)
        assert re.fullmatch(pattern, scraped)
        assert not re.fullmatch(pattern, "hub/not-vizproxy")


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What Prometheus makes of a Pod's labels in each phase, as it says itself; empty for no target."""
    endpoint = manifest("podmonitor.yaml")["spec"]["podMetricsEndpoints"][0]
    spelled = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    relabelings = [
        {spelled.get(key, key): value for key, value in relabeling.items()}
        for relabeling in endpoint["relabelings"]
    ]
    job = {
        "job_name": "hub/vizproxy",
        "static_configs": [
            {"targets": ["10.1.2.3:9464"], "labels": {**POD, PHASE: phase}} for phase in PHASES
        ],
        "relabel_configs": [
            *({"target_label": key, "replacement": to} for key, to in OPERATORS_LABELS.items()),
            *relabelings,
        ],
    }
    file = tmp_path_factory.mktemp("discovery") / "prometheus.yml"
    file.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    # promtool waits for as long as it is told, even if it has found all.
    done = promtool("check", "service-discovery", "--timeout=1s", file, "hub/vizproxy")
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        one["discoveredLabels"][PHASE]: {
            key: value for key, value in one["labels"].items() if not key.startswith("__")
        }
        for one in json.loads(done.stdout)
    }


def test_no_label_tells_who_the_user_is(targets: dict[str, dict[str, str]]) -> None:
    assert targets["Running"] == {
        "container": "desktop",
        "endpoint": "metrics",
        "instance": "10.1.2.3:9464",
        "job": "hub/vizproxy",
        "namespace": "hub",
        "node": "node-7",
        "uid": POD["__meta_kubernetes_pod_uid"],
    }


def test_a_pod_that_does_not_run_is_no_target(targets: dict[str, dict[str, str]]) -> None:
    """One has its address while its images are pulled, and nobody answers there."""
    assert targets.keys() == set(PHASES)
    assert [phase for phase, labels in targets.items() if labels] == ["Running"]


def test_no_metric_has_a_label_that_prometheus_sets() -> None:
    """Else Prometheus would rename it to exported_…"""
    set_by_prometheus = {*OPERATORS_LABELS, *OF_TARGETS, *OF_PODS, "service"}
    # gpu_info is about a GPU, whose uuid is no Pod's uid
    assert set_by_prometheus & {label for m in METRICS.values() for label in m.labels} == set()


def test_the_prometheus_rule_has_the_rules_of_the_files() -> None:
    made = manifest("prometheusrule.yaml")
    assert (made["apiVersion"], made["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    groups = [group for name in RULE_FILES for group in manifest(name)["groups"]]
    assert made["spec"] == {"groups": groups}
    for group in groups:
        assert group.keys() == {"name", "rules"}
        assert all(rule.keys() <= RULE for rule in group["rules"])
    assert len({group["name"] for group in groups}) == len(groups)

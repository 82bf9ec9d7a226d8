"""The rule files as one PrometheusRule, the manifest that the Prometheus operator reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def prometheus_rule(files: Iterable[str]) -> str:
    """The manifest that has the groups of all rule files, given as their texts."""
    groups: list[Any] = []
    for file in files:
        groups += yaml.safe_load(file)["groups"]
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "vizproxy", "labels": {"app.kubernetes.io/name": "vizproxy"}},
        "spec": {"groups": groups},
    }
    return yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)

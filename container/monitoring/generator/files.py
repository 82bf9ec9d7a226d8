"""What is generated, by the names of the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from container.monitoring.generator.fleet import fleet
from container.monitoring.generator.manifest import prometheus_rule
from container.monitoring.generator.session import session

DIRECTORY: Final = Path(__file__).resolve().parents[1]

RULES: Final = ("vizproxy-recording.rules.yml", "vizproxy-alerts.rules.yml")
"""The rule files, which are written by hand."""

_HEADER: Final = "# Generated from the rule files beside it by `make docs`; do not edit.\n"


def as_json(board: models.Dashboard) -> str:
    """A dashboard as Grafana reads it, in a form of which differences can be read."""
    return json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def generated() -> Mapping[str, str]:
    """The text of every generated file."""
    rules = ((DIRECTORY / name).read_text(encoding="utf-8") for name in RULES)
    return {
        "vizproxy-session.json": as_json(session()),
        "vizproxy-fleet.json": as_json(fleet()),
        "prometheusrule.yaml": _HEADER + prometheus_rule(rules),
    }

"""The dashboards: current, of Grafana's types, and about metrics that there are.

There is no Grafana here. What can be checked without one is that nothing of a dashboard is unknown to
the types of Grafana's Foundation SDK, which are generated from Grafana's own schema, that its queries
are PromQL, and that panels do not overlap.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from container.monitoring.generator.__main__ import main
from container.monitoring.generator.files import generated
from tests.monitoring.promql import (
    DASHBOARDS,
    MONITORING,
    matchers,
    names,
    panels,
    promtool,
    queries,
    recorded,
    samples,
)

TARGET_LABELS = {"job", "instance"}
"""What Prometheus knows a desktop by, wherever it runs."""


def test_generated_files_are_current() -> None:
    for name, text in generated().items():
        assert (MONITORING / name).read_text() == text, f"{name}: try `make docs`"
    assert main(["--check"]) == 0


@pytest.mark.parametrize("file", DASHBOARDS)
def test_nothing_is_unknown_to_grafanas_types(file: str) -> None:
    """What is read into the SDK's types and written again is the same."""
    register_default_plugins()
    text = (MONITORING / file).read_text()
    board = Dashboard.from_json(json.loads(text))
    assert json.loads(json.dumps(board, cls=JSONEncoder)) == json.loads(text)


@pytest.mark.parametrize("file", DASHBOARDS)
def test_queries_are_promql(file: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"of_panels:query{number}:any", "expr": expr}
        for number, expr in enumerate(queries(file))
    ]
    path = tmp_path / "queries.rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = promtool("check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.parametrize("file", DASHBOARDS)
def test_queries_use_what_there_is(file: str) -> None:
    there = samples()
    for expr in queries(file):
        assert "$" not in expr
        assert names(expr) or "ALERTS" in expr
        assert names(expr) - there.keys() - recorded() == set()
        for metric, label, _ in matchers(expr):
            if metric in there:
                assert label in TARGET_LABELS | set(there[metric]), expr


def test_alerts_are_the_one_exception() -> None:
    """The series that Prometheus makes of alerts is no metric of ours."""
    foreign = [
        expr
        for file in DASHBOARDS
        for expr in queries(file)
        if not names(expr) and "ALERTS" in expr
    ]
    assert foreign == ['count(ALERTS{alertname=~"Vizproxy.*", alertstate="firing"})']


@pytest.mark.parametrize("file", DASHBOARDS)
def test_legends_name_labels_that_there_are(file: str) -> None:
    known = TARGET_LABELS | {label for labels in samples().values() for label in labels}
    for panel in panels(file):
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
                assert label in known, panel["title"]


@pytest.mark.parametrize("file", DASHBOARDS)
def test_panels_say_what_they_show_and_where_it_is_from(file: str) -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(file):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == source
        assert all(target["datasource"] == source for target in panel["targets"])


@pytest.mark.parametrize("file", DASHBOARDS)
def test_panels_have_their_own_places_and_numbers(file: str) -> None:
    board = json.loads((MONITORING / file).read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken = [
        set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"]),
            )
        )
        for place in (panel["gridPos"] for panel in board["panels"])
    ]
    assert sum(map(len, taken)) == len(set().union(*taken))
    assert max(x for x, _ in set().union(*taken)) == 23


@pytest.mark.parametrize("file", DASHBOARDS)
def test_variables_are_declared_before_they_are_used(file: str) -> None:
    board = json.loads((MONITORING / file).read_text())
    declared = [variable["name"] for variable in board["templating"]["list"]]
    used = set(re.findall(r"\$\{?(?!__)([a-z]+)", json.dumps(board)))
    assert used == set(declared)
    assert declared[0] == "datasource"


def test_the_fleet_leads_to_each_desktop() -> None:
    session = json.loads((MONITORING / "vizproxy-session.json").read_text())
    table = next(panel for panel in panels("vizproxy-fleet.json") if panel["type"] == "table")
    links = [
        link["url"]
        for override in table["fieldConfig"]["overrides"]
        for part in override["properties"]
        if part["id"] == "links"
        for link in part["value"]
    ]
    assert [url.partition("?")[0] for url in links] == [f"/d/{session['uid']}"]
    asked = set(re.findall(r"var-(\w+)=", links[0]))
    assert asked == {v["name"] for v in session["templating"]["list"]} - {"datasource"}

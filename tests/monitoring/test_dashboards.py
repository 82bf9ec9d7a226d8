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
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from container.monitoring.generator.__main__ import main
from container.monitoring.generator.files import generated
from tests.monitoring.promql import (
    DASHBOARDS,
    MONITORING,
    OF_PODS,
    OF_TARGETS,
    any_label,
    check_expressions,
    groupings,
    labels_of,
    matchers,
    names,
    panels,
    queries,
    recorded,
    samples,
)


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
    check_expressions(queries(file), tmp_path)


@pytest.mark.parametrize("file", DASHBOARDS)
def test_queries_use_what_there_is(file: str) -> None:
    there = samples()
    for expr in queries(file):
        assert "$" not in expr
        assert names(expr) or "ALERTS" in expr
        assert names(expr) - there.keys() - recorded() == set()
        for metric, label, _ in matchers(expr):
            if metric != "ALERTS":
                assert label in labels_of(metric), expr
        assert groupings(expr) <= any_label() | OF_PODS, expr


def test_alerts_are_the_one_exception() -> None:
    """The series that Prometheus makes of alerts is no metric of ours."""
    foreign = [
        expr
        for file in DASHBOARDS
        for expr in queries(file)
        if not names(expr) and "ALERTS" in expr
    ]
    assert foreign == [
        'count(ALERTS{alertname=~"Vizproxy.*", alertstate="firing", job=~"j"}) or vector(0)'
    ]


def test_one_desktop_needs_no_recording_rules() -> None:
    """Its dashboard shows the past before there were any, and that of Prometheuses that have none."""
    for expr in queries("vizproxy-session.json"):
        assert names(expr) & recorded() == set()


@pytest.mark.parametrize("file", DASHBOARDS)
def test_a_number_is_that_of_now(file: str) -> None:
    """A query over time would show the last value of a desktop that has gone as if it were there."""
    stats = [panel for panel in panels(file) if panel["type"] == "stat"]
    assert stats
    for panel in stats:
        for target in panel["targets"]:
            assert (target["instant"], target["range"]) == (True, False), panel["title"]


def test_nothing_is_said_of_a_gpu_that_is_not_known() -> None:
    """Only a desktop that answers, and draws without one, has none in use."""
    panel = next(p for p in panels("vizproxy-session.json") if p["title"] == "GPU")
    assert panel["fieldConfig"]["defaults"]["noValue"] == "not known"
    states = {
        number: result["text"]
        for mapping in panel["fieldConfig"]["defaults"]["mappings"]
        for number, result in mapping["options"].items()
    }
    assert states == {"1": "fine", "2": "silent", "3": "lost", "4": "given up", "5": "none in use"}
    expr = panel["targets"][0]["expr"]
    assert '5 * count(vizproxy_desktop_info{plan="software"' in expr
    assert "4 * count(vizproxy_gpu_info{" in expr
    for file in DASHBOARDS:
        assert "no gpu" not in (MONITORING / file).read_text().lower()


def test_the_fleets_table_has_what_desktops_may_have_in_common() -> None:
    """As the runbook promises, those that do not answer among them."""
    table = next(panel for panel in panels("vizproxy-fleet.json") if panel["type"] == "table")
    shown = next(part["options"] for part in table["transformations"] if part["id"] == "organize")
    titles = {"job", "instance", "node", "uid", *shown["renameByName"].values()}
    assert titles > {"Impaired", "State", "Plan", "GPU", "Version", "Started"}
    assert set(shown["renameByName"].values()).isdisjoint(OF_TARGETS)
    order = shown["indexByName"]
    visible = sorted(order, key=order.__getitem__)
    assert len(set(order.values())) == len(order)
    assert visible[:3] == ["job", "instance", "node"]
    assert visible[-1] == "uid"
    for target in table["targets"]:
        assert {"job", "instance", "node", "uid"} <= groupings(target["expr"])
    assert table["options"]["sortBy"] == [{"displayName": "Impaired", "desc": True}]


@pytest.mark.parametrize("file", DASHBOARDS)
def test_legends_name_labels_that_there_are(file: str) -> None:
    known = any_label()
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

"""The files that an admin hands to a hub or a cluster."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from kubernetes.client.models import (
    V1NetworkPolicy,
    V1Pod,
    V1ResourceClaimTemplate,
)
from traitlets.config import Config

from tests.kubernetes.validity import problems
from vizproxy.errors import ConfigError
from vizproxy.kubernetes import Choices, configure, load
from vizproxy.kubernetes.choices import Image, Metrics, Network
from vizproxy.kubernetes.render import Format, render

EXAMPLES = Path(__file__).parents[2] / "container" / "kubernetes"
CHOICES = load(EXAMPLES / "choices.toml")
DRA = load(EXAMPLES / "choices-dra.toml")
SITE = {
    "volumes": [{"name": "home", "emptyDir": {}}],
    "tolerations": [{"key": "user", "operator": "Exists"}],
    "node_affinity_required": [{"matchExpressions": [{"key": "user", "operator": "Exists"}]}],
}


def site() -> Config:
    config = Config()
    config.KubeSpawner.update(SITE)
    return config


@pytest.mark.parametrize("choices", [CHOICES, DRA, Choices()])
def test_a_hub_without_vizproxy_gets_the_same_from_what_is_printed(choices: Choices) -> None:
    text = render(choices, Format.KUBESPAWNER, {})
    names: dict[str, Any] = {"c": site()}
    exec(text, names)
    ours = site()
    configure(ours, choices)
    assert names["c"] == ours
    assert names.keys() - {"__builtins__"} == {"c", "_with_desktop"}


def test_what_is_printed_for_a_hub_is_nothing_new_for_its_python() -> None:
    text = render(CHOICES, Format.KUBESPAWNER, {})
    ast.parse(text, feature_version=(3, 9))
    assert "vizproxy.kubernetes" not in text.replace("vizproxy kubernetes", "")
    assert max(map(len, text.splitlines())) <= 140


# What the chart zero-to-jupyterhub (version 4) has in values.schema.yaml of the values that we set.
_NAMED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "tag": {"type": "string"}},
    "required": ["name", "tag"],
}
_CHART = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "hub": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "extraConfig": {"type": "object", "additionalProperties": {"type": "string"}}
            },
        },
        "prePuller": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"extraImages": {"type": "object", "additionalProperties": _NAMED}},
        },
    },
}


@pytest.mark.parametrize("choices", [CHOICES, DRA, Choices()])
def test_values_are_those_that_the_chart_knows(choices: Choices) -> None:
    values = yaml.safe_load(render(choices, Format.Z2JH, {}))
    assert [error.message for error in Draft7Validator(_CHART).iter_errors(values)] == []
    (text,) = values["hub"]["extraConfig"].values()
    assert text == render(choices, Format.KUBESPAWNER, {})


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("lab", "lab", "latest"),
        ("lab:1", "lab", "1"),
        ("host:5000/lab", "host:5000/lab", "latest"),
        ("host:5000/lab:1", "host:5000/lab", "1"),
        ("lab@sha256:0123", "lab@sha256", "0123"),
    ],
)
def test_images_are_pulled_before(image: str, name: str, tag: str) -> None:
    choices = Choices(images=(Image(name="a", image=image),))
    values = yaml.safe_load(render(choices, Format.Z2JH, {}))
    assert values["prePuller"]["extraImages"]["vizproxy-a"] == {"name": name, "tag": tag}


def test_a_policy_admits_the_hub_and_with_metrics_prometheus() -> None:
    policy = yaml.safe_load(render(Choices(), Format.NETWORKPOLICY, {}))
    assert problems(policy, V1NetworkPolicy) == []
    assert [rule["ports"][0]["port"] for rule in policy["spec"]["ingress"]] == ["notebook-port"]
    choices = Choices(metrics=Metrics(port=9464, namespace="mon"))
    policy = yaml.safe_load(render(choices, Format.NETWORKPOLICY, {}))
    assert problems(policy, V1NetworkPolicy) == []
    hub, prometheus = policy["spec"]["ingress"]
    assert "hub.jupyter.org/network-access-singleuser" in str(hub["from"])
    assert prometheus == {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "mon"}}}],
        "ports": [{"port": 9464, "protocol": "TCP"}],
    }


def test_another_hub_names_its_labels_and_is_told_to_set_them() -> None:
    choices = Choices(network=Network(clients={"app": "hub"}))
    text = render(choices, Format.NETWORKPOLICY, {})
    assert "their Pods need them first: app=hub\n" in text
    (rule,) = yaml.safe_load(text)["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "hub"}}}]


def test_an_image_without_a_registry_is_told() -> None:
    note = "# The nodes have to have the image vizproxy-sidecar:"
    assert note in render(Choices(), Format.KUBESPAWNER, {})
    assert note not in render(CHOICES, Format.KUBESPAWNER, {})


def test_claims_have_a_template_each() -> None:
    (template,) = yaml.safe_load_all(render(DRA, Format.CLAIMS, {}))
    assert problems(template, V1ResourceClaimTemplate) == []
    pod = yaml.safe_load(render(DRA, Format.POD, {}))
    (claim,) = pod["spec"]["resourceClaims"]
    assert claim["resourceClaimTemplateName"] == template["metadata"]["name"]
    assert yaml.safe_load(render(CHOICES, Format.CLAIMS, {})) is None


def test_a_pod_of_a_user() -> None:
    pod = yaml.safe_load(render(CHOICES, Format.POD, {"image": "volume", "cpu": "16"}))
    assert problems(pod, V1Pod) == []
    notebook, sidecar = pod["spec"]["containers"]
    assert notebook["image"] == "registry.example.org/volume:2026"
    assert notebook["resources"]["limits"] == {"cpu": "16", "memory": "8Gi"}
    assert sidecar["name"] == "vizproxy"


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        (
            {"gpu": "h100"},
            "cannot choose the gpu h100: the dialog has no such one; try none or a40-8q",
        ),
        (
            {"disk": "1"},
            "cannot choose the option disk: the dialog has no such one; try cpu or memory",
        ),
    ],
)
def test_what_is_not_offered_is_told(chosen: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        render(CHOICES, Format.POD, chosen)
    assert str(caught.value).startswith(sentence)

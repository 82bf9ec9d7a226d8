"""What Kubernetes would refuse is found, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.kubernetes.validity import Json, problems_of_pod

POD: Json = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "jupyter-ada"},
    "spec": {
        "containers": [
            {
                "name": "notebook",
                "env": [{"name": "LANG", "value": "C.UTF-8"}, {"name": "EMPTY"}],
                "resources": {"limits": {"cpu": 2.0, "memory": 2**30, "nvidia.com/gpu": "1"}},
                "volumeMounts": [{"name": "home", "mountPath": "/home"}],
            }
        ],
        "volumes": [{"name": "home", "emptyDir": {}}],
    },
}


def changed(place: str, value: Any) -> Json:
    """The Pod with something else at a place."""
    *path, last = [int(part) if part.isdigit() else part for part in place.split("/")]
    made = copy.deepcopy(POD)
    found: Any = made
    for part in path:
        found = found[part]
    found[last] = value
    return made


def test_a_pod_as_it_should_be_is_taken() -> None:
    assert problems_of_pod(POD) == []


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("spec/dnsPolice", "None", "spec.dnsPolice: Extra inputs"),
        ("spec/runtime_class_name", "nvidia", "spec.runtime_class_name: is not what Kubernetes"),
        ("spec/containers/0/tty", "no", "spec.containers.0.tty: Input should be a valid bool"),
        ("spec/containers/0/env/0/value", 8, "spec.containers.0.env.0.value: Input should be"),
        ("spec/containers/0/env/1/name", "LANG", "notebook has LANG twice"),
        ("spec/containers", [{"name": "one"}, {"name": "one"}], "two containers are called one"),
        ("spec/volumes", [], "notebook mounts home, which is no volume"),
    ],
)
def test_what_kubernetes_would_refuse_is_told(place: str, value: Any, told: str) -> None:
    found = problems_of_pod(changed(place, value))
    assert len(found) == 1
    assert found[0].startswith(told)

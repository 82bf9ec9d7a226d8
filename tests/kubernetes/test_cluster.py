"""The cluster of these tests is as strict as Kubernetes: else a test against it would prove nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.kubernetes.cluster import NAMESPACE, Cluster, serving
from tests.kubernetes.scheduling import Json, Node, place

TAINTED = Node("tainted", {"gpu": "A40"}, ("gpu=yes:NoSchedule",), {"example.org/gpu": 1})
TOLERATION = {"key": "gpu", "operator": "Exists"}
ONE_GPU = {"name": "notebook", "resources": {"limits": {"example.org/gpu": "1"}}}
PODS = f"api/v1/namespaces/{NAMESPACE}/pods"


def required(*expressions: Json) -> Json:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [one]} for one in expressions]}
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        "tolerations": [TOLERATION],
    }


@pytest.mark.parametrize(
    ("spec", "runs"),
    [
        ({}, False),
        ({"tolerations": [TOLERATION]}, True),
        ({"tolerations": [TOLERATION | {"effect": "NoExecute"}]}, False),
        ({"tolerations": [{"key": "gpu", "value": "yes"}]}, True),
        ({"tolerations": [{"key": "gpu", "value": "no"}]}, False),
        ({"tolerations": [{"operator": "Exists"}]}, True),
        ({"tolerations": [TOLERATION], "nodeSelector": {"gpu": "A40"}}, True),
        ({"tolerations": [TOLERATION], "nodeSelector": {"gpu": "L40S"}}, False),
        ({"tolerations": [TOLERATION], "containers": [ONE_GPU]}, True),
        ({"tolerations": [TOLERATION], "containers": [ONE_GPU, ONE_GPU]}, False),
        (required({"key": "gpu", "operator": "In", "values": ["L40S", "A40"]}), True),
        (required({"key": "gpu", "operator": "NotIn", "values": ["L40S", "A40"]}), False),
        (required({"key": "gpu", "operator": "Exists"}), True),
        (required({"key": "gpu", "operator": "DoesNotExist"}), False),
        (required(), False),
        (
            required(
                {"key": "gpu", "operator": "DoesNotExist"}, {"key": "gpu", "operator": "Exists"}
            ),
            True,
        ),
    ],
)
def test_a_pod_runs_only_where_it_may(spec: Json, runs: bool) -> None:
    assert place({"containers": []} | spec, [TAINTED]) == ("tainted" if runs else None)


@contextlib.asynccontextmanager
async def asking(cluster: Cluster, directory: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the cluster's API, by what the file for clients says."""
    file = directory / "kubeconfig"
    async with serving(cluster, file):
        config = yaml.safe_load(file.read_text())
        server = config["clusters"][0]["cluster"]["server"]
        headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        async with aiohttp.ClientSession(f"{server}/", headers=headers) as session:
            yield session


def manifest(**sidecar: Any) -> Json:
    notebook = {
        "name": "notebook",
        "image": "lab",
        "env": [{"name": "JUPYTERHUB_SERVICE_PREFIX", "value": "/user/ada/"}],
        "ports": [{"containerPort": 8888}],
    }
    return {
        "kind": "Pod",
        "metadata": {"name": "ada", "annotations": {"hub.jupyter.org/username": "ada"}},
        "spec": {"containers": [notebook, {"name": "sidecar", "image": "desktop", **sidecar}]},
    }


@pytest.mark.parametrize(
    ("probe", "ready"),
    [("livenessProbe", True), ("readinessProbe", False), ("startupProbe", False)],
)
async def test_a_container_is_ready_when_its_probes_say_so(
    tmp_path: Path, probe: str, ready: bool
) -> None:
    cluster = Cluster([Node("node")])
    cluster.broken.add("sidecar")
    async with asking(cluster, tmp_path) as session:
        async with session.post(PODS, json=manifest(**{probe: {}})) as response:
            assert response.status == 201
        notebook, sidecar = cluster.pod_of("ada")["status"]["containerStatuses"]
    assert notebook["ready"] is True
    assert sidecar["ready"] is ready


async def test_what_is_not_allowed_is_refused_and_remembered(tmp_path: Path) -> None:
    cluster = Cluster([Node("node")], lambda manifest: ["it has no name"])
    async with asking(cluster, tmp_path) as session:
        answers = {
            403: session.get(f"api/v1/namespaces/{NAMESPACE}/secrets"),
            422: session.post(PODS, json=manifest()),
            401: session.get(PODS, headers={"Authorization": "Bearer another"}),
            404: session.get(f"{PODS}/ada"),
        }
        for status, asked in answers.items():
            async with asked as response:
                assert response.status == status
    assert cluster.refused == ["GET /api/v1/namespaces/hub/secrets", "ada: it has no name"]
    assert not cluster.posted

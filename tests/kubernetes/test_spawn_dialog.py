"""The spawn dialog of a real JupyterHub, and the Pod that each choice of its user leads to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import pytest_asyncio
from kubernetes.utils.quantity import parse_quantity
from playwright.async_api import Browser

from tests.jupyter.hub import Hub
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.dialog import SpawnDialog
from tests.kubernetes.hub import CHOICES, kube_hub, rendered
from tests.kubernetes.scheduling import Json, Node
from tests.kubernetes.validity import problems_of_pod

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

SITE = """
from kubernetes_asyncio.client import V1Container
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.uid = 1000
c.KubeSpawner.fs_gid = 100
c.KubeSpawner.mem_guarantee = "1G"
c.KubeSpawner.environment = {"LANG": "C.UTF-8"}
c.KubeSpawner.extra_labels = {"hub.jupyter.org/network-access-hub": "true"}
c.KubeSpawner.extra_containers = []
c.KubeSpawner.init_containers = []
c.KubeSpawner.init_containers.append(
    V1Container(name="block-cloud-metadata", image="network-tools:4", command=["iptables"])
)
c.KubeSpawner.tolerations = [
    {"key": "hub.jupyter.org/dedicated", "value": "user", "effect": "NoSchedule"}
]
c.KubeSpawner.node_affinity_preferred.append({"weight": 100, "preference": {"matchExpressions": [
    {"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]}]}})
c.KubeSpawner.node_affinity_required.append({"matchExpressions": [
    {"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]}]})
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = "10Gi"
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
c.KubeSpawner.volumes = {
    "home": {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}}
c.KubeSpawner.volume_mounts = {"home": {"name": "home", "mountPath": "/home/jovyan"}}
c.KubeSpawner.extra_resource_limits = {}
c.KubeSpawner.extra_resource_guarantees = {}
c.KubeSpawner.extra_pod_config = {}
c.KubeSpawner.profile_list = []
"""
"""What a hub is told already when zero-to-jupyterhub comes to what an admin adds: lists here,
dictionaries there, and an object among them."""

USER_NODE = {"hub.jupyter.org/node-purpose": "user"}
DEDICATED = "hub.jupyter.org/dedicated=user:NoSchedule"
TAINTED = (DEDICATED, "nvidia.com/gpu=present:NoSchedule")
A40, L40S, CPU_ONLY = "a40-node", "l40s-node", "cpu-node"
GPU = "nvidia.com/gpu"
NODES = (
    Node("not-for-users", {"nvidia.com/gpu.product": "NVIDIA-L40S"}, TAINTED, {GPU: 8}),
    Node(A40, USER_NODE | {"nvidia.com/gpu.product": "NVIDIA-A40-8Q"}, TAINTED, {GPU: 4}),
    Node(L40S, USER_NODE | {"nvidia.com/gpu.product": "NVIDIA-L40S"}, TAINTED, {GPU: 2}),
    Node(CPU_ONLY, USER_NODE, (DEDICATED,)),
)
OFFERED = {
    "Cores": ["2 cores", "8 cores"],
    "Memory": ["4 GiB", "32 GiB"],
    "Image": ["JupyterLab", "Volumes: Voreen & ParaView <5.13>", "Another image …"],
    "GPU": [
        "No GPU: the desktop draws in software",
        "NVIDIA A40-8Q: a vGPU with 8 GiB",
        "NVIDIA L40S: a whole GPU",
    ],
}


PROPOSED = {name: choices[0] for name, choices in OFFERED.items()}


@dataclass(frozen=True)
class Expected:
    """What is in a Pod because of its user's choices; cores and bytes are the notebook's limits."""

    cores: float = 2
    memory: int = 4 * 1024**3
    image: str = "registry.example.org/lab:2026"
    node: str = CPU_ONLY
    gpu: bool = False


CASES = {
    "as proposed": ({}, Expected()),
    "all of it": (
        {
            "Cores": "8 cores",
            "Memory": "32 GiB",
            "Image": "Volumes: Voreen & ParaView <5.13>",
            "GPU": "NVIDIA A40-8Q: a vGPU with 8 GiB",
        },
        Expected(8, 32 * 1024**3, "registry.example.org/volume:5", A40, gpu=True),
    ),
    "cores": ({"Cores": "8 cores"}, Expected(cores=8)),
    "memory": ({"Memory": "32 GiB"}, Expected(memory=32 * 1024**3)),
    "image": (
        {"Image": "Volumes: Voreen & ParaView <5.13>"},
        Expected(image="registry.example.org/volume:5"),
    ),
    "another one": ({"GPU": "NVIDIA L40S: a whole GPU"}, Expected(node=L40S, gpu=True)),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster() -> Cluster:
    return Cluster(NODES, problems_of_pod)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    directory = tmp_path_factory.mktemp("kubehub")
    async with kube_hub(directory, SITE + await rendered(CHOICES), cluster) as running:
        yield running


@contextlib.asynccontextmanager
async def dialog_of(browser: Browser, hub: Hub, user: str) -> AsyncIterator[SpawnDialog]:
    """The dialog, as a user finds it; no script of the page may fail."""
    async with hub.browsing(browser, user) as page:
        dialog = SpawnDialog(page, hub)
        await dialog.open()
        yield dialog
        assert not dialog.errors


async def test_it_offers_what_the_admin_listed(hub: Hub, browser: Browser) -> None:
    async with dialog_of(browser, hub, "looks") as dialog:
        assert await dialog.choices() == OFFERED
        assert await dialog.chosen() == PROPOSED


@pytest.mark.parametrize("case", CASES)
async def test_a_choice_leads_to_its_pod(
    hub: Hub, cluster: Cluster, browser: Browser, case: str
) -> None:
    chosen, expected = CASES[case]
    user = f"zoë, {case}"
    async with dialog_of(browser, hub, user) as dialog:
        await dialog.choose(chosen)
        assert await dialog.start() == f"The server of {user} runs."
    pod = cluster.pod_of(user)
    assert in_pod(pod) == expected
    assert_it_is_whole(pod, gpu=expected.gpu)


async def test_who_had_a_gpu_and_chooses_none_has_none(
    hub: Hub, cluster: Cluster, browser: Browser
) -> None:
    async with dialog_of(browser, hub, "ada") as dialog:
        await dialog.choose({"GPU": OFFERED["GPU"][1], "Cores": "8 cores"})
        await dialog.start()
        assert in_pod(cluster.pod_of("ada")) == Expected(cores=8, node=A40, gpu=True)
        await hub.stop_server("ada")
        await dialog.open()
        await dialog.choose({**PROPOSED, "Memory": "32 GiB"})
        await dialog.start()
    pod = cluster.pod_of("ada")
    assert in_pod(pod) == Expected(memory=32 * 1024**3)
    assert_it_is_whole(pod, gpu=False)


async def test_an_image_that_is_not_listed_has_to_match(
    hub: Hub, cluster: Cluster, browser: Browser
) -> None:
    async with dialog_of(browser, hub, "grace") as dialog:
        await dialog.choose({"Image": OFFERED["Image"][-1]})
        name = dialog.field("Another image")
        await name.fill("elsewhere.example.com/miner:1")
        assert not await name.evaluate("input => input.checkValidity()")
        assert await name.get_attribute("title") == "an image of registry.example.org, with its tag"
        await name.fill("registry.example.org/team/own:2.0")
        await dialog.start()
    assert in_pod(cluster.pod_of("grace")) == Expected(image="registry.example.org/team/own:2.0")


FORBIDDEN = {
    "an image by another name": {"image--unlisted-choice": "elsewhere.example.com/miner:1"},
    "an image by its name": {"image": "elsewhere.example.com/miner:1"},
    "a gpu": {"gpu": "all"},
    "a gpu by its name": {"gpu--unlisted-choice": "all"},
    "a profile": {"profile": "privileged"},
}


@pytest.mark.parametrize("case", FORBIDDEN)
async def test_what_is_not_offered_cannot_be_had(hub: Hub, cluster: Cluster, case: str) -> None:
    user, posted = f"mallory, {case}", len(cluster.posted)
    await hub.add(user)
    options = {"profile": "vizproxy"} | FORBIDDEN[case]
    async with hub.asked("POST", f"users/{quote(user)}/server", json=options) as response:
        assert response.status >= 400, await response.text()
    assert len(cluster.posted) == posted


async def test_a_server_that_a_program_starts_is_as_the_dialog_proposes(
    hub: Hub, cluster: Cluster
) -> None:
    await hub.add("script")
    await hub.start_server("script")
    pod = cluster.pod_of("script")
    assert in_pod(pod) == Expected()
    assert_it_is_whole(pod, gpu=False)


async def test_a_desktop_that_never_answers_keeps_nobody_from_the_notebook(
    hub: Hub, cluster: Cluster, browser: Browser
) -> None:
    cluster.broken.add("vizproxy")
    try:
        async with dialog_of(browser, hub, "patient") as dialog:
            assert await dialog.start() == "The server of patient runs."
    finally:
        cluster.broken.clear()


async def test_the_hub_needs_no_more_rights_and_every_pod_is_valid(
    hub: Hub, cluster: Cluster
) -> None:
    assert not cluster.refused


def container_of(pod: Json, name: str) -> Json:
    spec = pod["spec"]
    return next(
        one for one in spec["containers"] + spec.get("initContainers", []) if one["name"] == name
    )


def variables_of(container: Json) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


def volume_at(pod: Json, container: Json, path: str) -> Json:
    name = next(one["name"] for one in container["volumeMounts"] if one["mountPath"] == path)
    return next(one for one in pod["spec"]["volumes"] if one["name"] == name)


def in_pod(pod: Json) -> Expected:
    notebook = container_of(pod, "notebook")
    limits = notebook["resources"]["limits"]
    return Expected(
        cores=float(parse_quantity(limits["cpu"])),
        memory=int(parse_quantity(limits["memory"])),
        image=notebook["image"],
        node=pod["spec"]["nodeName"],
        gpu=limits.get("nvidia.com/gpu") == "1",
    )


def assert_it_is_whole(pod: Json, *, gpu: bool) -> None:
    """There is a desktop that may see a GPU or not, and all that the site has set is as it was."""
    notebook, sidecar = container_of(pod, "notebook"), container_of(pod, "vizproxy")
    assert sidecar["image"] == "registry.example.org/vizproxy-sidecar:1"
    assert not [name for name in sidecar["resources"]["limits"] if "/" in name], "one GPU is enough"
    assert variables_of(sidecar)["NVIDIA_VISIBLE_DEVICES"] == ("all" if gpu else "void")
    assert ("NVIDIA_VISIBLE_DEVICES" in variables_of(notebook)) is not gpu, "the plugin's business"
    assert pod["spec"].get("runtimeClassName") == ("nvidia" if gpu else None)
    assert variables_of(notebook)["VIZPROXY_SOCKET"] == "/run/vizproxy/desktop/http.sock"
    for path in ("/run/vizproxy", "/tmp/.X11-unix"):
        assert volume_at(pod, notebook, path) == volume_at(pod, sidecar, path)
        assert "emptyDir" in volume_at(pod, sidecar, path)

    assert container_of(pod, "block-cloud-metadata")["command"] == ["iptables"]
    assert "persistentVolumeClaim" in volume_at(pod, notebook, "/home/jovyan")
    assert variables_of(notebook)["LANG"] == "C.UTF-8"
    assert pod["spec"]["affinity"]["nodeAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert pod["spec"]["securityContext"]["fsGroup"] == 100
    assert notebook["args"] == ["jupyterhub-singleuser"]
    assert pod["metadata"]["labels"]["hub.jupyter.org/network-access-hub"] == "true"

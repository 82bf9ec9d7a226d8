"""The Pod that we print is the one that KubeSpawner makes of the same choices."""

from __future__ import annotations

import copy

import pytest
import pytest_asyncio
from kubernetes.utils.quantity import parse_quantity
from msgspec.structs import replace

from tests.kubernetes.validity import Json, problems_of_pod
from tests.pod.spawning import manifests_of
from tests.support import ROOT
from vizproxy.kubernetes import Choices, kubespawner, load
from vizproxy.kubernetes.choices import Sharing
from vizproxy.kubernetes.pod import pod

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = ROOT / "container" / "kubernetes"
RUNTIME = load(EXAMPLES / "choices.toml")
DRA = load(EXAMPLES / "choices-dra.toml")
UNSHARED = replace(RUNTIME, gpu=replace(RUNTIME.gpu, sharing=Sharing.NONE))
NATIVE = replace(RUNTIME, sidecar=replace(RUNTIME.sidecar, native=True, start_first=True))
ASSIGNED = replace(RUNTIME, notebook=replace(RUNTIME.notebook, uid="assigned", restricted=False))

CASES = {
    "as proposed": (RUNTIME, {}),
    "a vgpu": (RUNTIME, {"gpu": "a40-8q", "cpu": "16"}),
    "nodes of two kinds": (RUNTIME, {"gpu": "l40s", "image": "volume"}),
    "unshared": (UNSHARED, {"gpu": "l40s"}),
    "a claim": (DRA, {}),
    "no claim": (DRA, {"gpu": "none"}),
    "native": (NATIVE, {"gpu": "a40-8q"}),
    "assigned": (ASSIGNED, {"memory": "64Gi"}),
    "nothing chosen": (Choices(), {}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """What KubeSpawner makes of each case."""
    told = []
    for choices, chosen in CASES.values():
        form = {f"profile-option-vizproxy--{name}": choice for name, choice in chosen.items()}
        settings = {"KubeSpawner": kubespawner(choices)}
        told.append((settings, {"profile": "vizproxy", **form} if form else {}))
    manifests = await manifests_of(told, tmp_path_factory.mktemp("kubespawner"))
    return dict(zip(CASES, manifests, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
async def test_it_is_what_kubespawner_makes(theirs: dict[str, Json], case: str) -> None:
    ours = pod(*CASES[case])
    assert problems_of_pod(theirs[case]) == []
    assert problems_of_pod(ours) == []
    assert comparable(ours) == comparable(theirs[case])


def comparable(manifest: Json) -> Json:
    """What both have to agree on: KubeSpawner adds names, labels and variables of its own."""
    spec = copy.deepcopy(manifest["spec"])
    for containers in (spec["containers"], spec.setdefault("initContainers", [])):
        for one in containers:
            amounts = one.setdefault("resources", {})
            for kind in ("limits", "requests"):
                found = amounts.pop(kind, {})
                amounts[kind] = {name: parse_quantity(value) for name, value in found.items()}
            if one["name"] == "notebook":
                one.pop("image")  # without a choice, of which each has its own
                one.pop("args", None)
                assert not one.pop("lifecycle", None)
                one["env"] = [env for env in one["env"] if not _is_hubs(env["name"])]
    annotations = manifest["metadata"].get("annotations", {})
    scraped = {key: value for key, value in annotations.items() if "prometheus" in key}
    label = manifest["metadata"]["labels"]["component"]
    spec.setdefault("tolerations", [])
    assert not spec.pop("imagePullSecrets", None)
    spec["volumes"] = sorted(spec["volumes"], key=lambda volume: str(volume["name"]))
    for one in spec["containers"] + spec["initContainers"]:
        one["volumeMounts"] = sorted(one["volumeMounts"], key=lambda mount: str(mount["name"]))
    return {**spec, "annotations": scraped, "component": label}


def _is_hubs(name: str) -> bool:
    return name.startswith(("JUPYTER", "JPY_", "MEM_", "CPU_"))

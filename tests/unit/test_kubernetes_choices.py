"""What an admin may choose, and what is said of what makes no sense."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity
from msgspec.structs import replace

from vizproxy.errors import EXIT_USAGE, ConfigError
from vizproxy.kubernetes import Choices, kubespawner, load, quantities
from vizproxy.kubernetes.choices import Cpu, Gpu, GpuType, Memory, Metrics, Sharing, Sidecar

GPU = "[[gpu.type]]\nname = 'a40'\n"
AMOUNTS = "[[cpu]]\nlimit = '1'\n[[memory]]\nlimit = '1Gi'\n"


def said(tmp_path: Path, text: str) -> str:
    """Why the choices in a file cannot be used."""
    file = tmp_path / "choices.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.action == f"use the choices in {file}"
    assert caught.value.exit_code == EXIT_USAGE
    assert caught.value.hint
    return caught.value.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[sidecar]\nimage = ", "nvalid value (at end of document)"),
        ("[sidecar]\nimages = 'a'", "sidecar: object contains unknown field images"),
        ("[sidecar]\nimage = 3", "sidecar.image: expected str, got int"),
        ("[sidecar]\nimage = ' '", "sidecar.image is empty"),
        ("[sidecar]\nstart_first = true", "sidecar.start_first needs sidecar.native"),
        (
            "[sidecar.environment]\n'a b' = 'c'",
            "sidecar.environment has 'a b', which is no variable",
        ),
        (
            "[sidecar.cpu]\nrequest = '5x'",
            "sidecar.cpu.request is '5x', and not an amount such",
        ),
        ("[[cpu]]\nrequest = '1'", "cpu[0]: object missing required field limit"),
        ("[[cpu]]\nlimit = '0'", "cpu[0].limit is '0', and not an amount"),
        ("[[cpu]]\nlimit = '1'\n[[cpu]]\nlimit = '1'", "two entries of [[cpu]] are '1'"),
        (
            "[[memory]]\nlimit = '1Gi'\nrequest = '2G'",
            "memory[0].request, 2G, is more than its limit",
        ),
        ("[[image]]\nname = 'A'\nimage = 'a'", "image is called 'A': a name is of a-z, 0-9 and -"),
        ("[[image]]\nname = 'a'\nimage = ''", "image 'a' names no image"),
        ("[other_image]\npattern = '('", "other_image.pattern is no regular expression: missing )"),
        ("[other_image]\npattern = 'a'", "other_image needs an [[image]] beside it"),
        ("[gpu]\nsharing = 'mps'", "gpu.sharing: invalid enum value 'mps'"),
        ("[gpu]\nrequired = true", "gpu.required needs a [[gpu.type]]"),
        ("[gpu]\ndefault = 'a40'", "gpu.default is 'a40', which is no [[gpu.type]]"),
        ("[gpu]\nrequired = true\n" + GPU, "with gpu.required it is one of a40"),
        (GPU.replace("a40", "none"), "gpu.type 'none' is what the dialog calls having none"),
        (GPU + "count = 0", "gpu.type 'a40' has count 0"),
        (GPU + "selector = 'true'", "has a selector, which only counts with gpu.sharing = 'dra'"),
        (GPU + "labels = { 'a b' = 'c' }", "has 'a b' in its labels, which is no label"),
        (GPU + "labels = { a = [] }", "has a label a without a value"),
        (GPU + "tolerations = [{ key = 'a', operator = 'Equal' }]", "with Equal, and only then"),
        ("[gpu]\nsharing = 'dra'\n" + GPU, "gpu.sharing is dra, for which cores and memory are"),
        ("[notebook]\nuid = 0", "notebook.uid is 0: the desktop does not run as root"),
        ("[notebook]\nuid = 'me'", "notebook.uid: invalid enum value 'me'"),
        ("[notebook]\ngid = -1", "notebook.gid is -1"),
        ("[sidecar.environment]\nA = '{\"a\": 1}'", "sidecar.environment.A has braces"),
        ("[sidecar.environment]\nA = '{'", "sidecar.environment.A has braces"),
        ("[network]\nclients = {}", "network.clients is empty, which would admit everybody"),
        ("[profile]\nname = ''", "profile.name is '': a name is of a-z, 0-9 and -"),
        ("[metrics]\nport = 80", "metrics.port is 80, and not from 1024 to 65535"),
        ("[metrics]\nport = 8888", "metrics.port is 8888, where the notebook is"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, text: str, why: str) -> None:
    assert why in said(tmp_path, text)


def test_all_that_makes_no_sense_is_told_at_once(tmp_path: Path) -> None:
    why = said(tmp_path, "[metrics]\nport = 80\n[notebook]\nuid = 0\n" + GPU + "count = -1")
    assert why.count(";") == 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file or directory"):
        load(tmp_path / "none.toml")


def test_choices_made_in_python_are_checked_too() -> None:
    with pytest.raises(ConfigError, match=r"^cannot use the choices: metrics.port is 80"):
        kubespawner(Choices(metrics=Metrics(port=80)))


def test_nothing_to_choose_makes_no_dialog(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    assert load(tmp_path / "empty.toml") == Choices()
    assert kubespawner(Choices())["profile_list"] == []


@given(
    st.decimals(min_value="0.001", max_value=4096, places=3),
    st.sampled_from(["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"]),
)
def test_amounts_are_those_of_kubernetes(number: Decimal, suffix: str) -> None:
    quantity = f"{number}{suffix}"
    assert quantities.parse(quantity) == parse_quantity(quantity)


@given(st.integers(1, 2**20), st.sampled_from(["", "k", "M", "Ki", "Mi", "Gi"]))
def test_memory_is_the_same_amount_for_hub_and_kubernetes(number: int, suffix: str) -> None:
    from jupyterhub.traitlets import ByteSpecification  # noqa: PLC0415 - it takes a second

    quantity = f"{number}{suffix}"
    hubs = quantities.memory(quantity)
    assert ByteSpecification().validate(None, hubs) == parse_quantity(quantity)
    assert parse_quantity(quantities.of_hub(hubs)) == parse_quantity(quantity)


def gpu_of(settings: dict[str, Any], name: str) -> dict[str, Any]:
    (profile,) = settings["profile_list"]
    override: dict[str, Any] = profile["profile_options"]["gpu"]["choices"][name][
        "kubespawner_override"
    ]
    return override


def sidecar_of(override: dict[str, Any]) -> dict[str, str]:
    env = override["extra_containers"]["vizproxy"]["env"]
    return {one["name"]: one["value"] for one in env}


A40 = Choices(gpu=Gpu(types=(GpuType(name="a40"),)))


def test_by_the_runtime_class_the_sidecar_is_shown_what_the_notebook_asks_for() -> None:
    override = gpu_of(kubespawner(A40), "a40")
    assert override["extra_resource_limits"] == {"nvidia.com/gpu": "1"}
    assert override["extra_pod_config"] == {"runtimeClassName": "nvidia"}
    assert sidecar_of(override)["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert "NVIDIA_VISIBLE_DEVICES" not in override["environment"], "the device plugin names it"


def test_by_a_claim_both_name_it() -> None:
    choices = Choices(
        cpu=(Cpu(limit="4"),),
        memory=(Memory(limit="8Gi"),),
        gpu=Gpu(sharing=Sharing.DRA, types=(GpuType(name="a40", selector="true"),)),
    )
    override = gpu_of(kubespawner(choices), "a40")
    claims = [{"name": "vizproxy-gpu"}]
    assert override["extra_container_config"]["resources"]["claims"] == claims
    assert override["extra_containers"]["vizproxy"]["resources"] == {"claims": claims}
    assert override["extra_pod_config"]["resourceClaims"] == [
        {"name": "vizproxy-gpu", "resourceClaimTemplateName": "vizproxy-a40"}
    ]
    assert sidecar_of(override)["NVIDIA_VISIBLE_DEVICES"] == "void", "the claim brings it"
    assert "extra_resource_limits" not in override


def test_unshared_the_desktop_draws_in_software() -> None:
    choices = replace(A40, gpu=replace(A40.gpu, sharing=Sharing.NONE))
    override = gpu_of(kubespawner(choices), "a40")
    assert override["extra_resource_limits"] == {"nvidia.com/gpu": "1"}
    assert sidecar_of(override) == {"NVIDIA_VISIBLE_DEVICES": "void"}


def test_a_native_sidecar_starts_first_and_is_waited_for_only_if_asked() -> None:
    made = kubespawner(Choices(sidecar=Sidecar(native=True)))
    (container,) = made["init_containers"].values()
    assert "extra_containers" not in made
    assert container["restartPolicy"] == "Always"
    assert "startupProbe" not in container
    made = kubespawner(Choices(sidecar=Sidecar(native=True, start_first=True)))
    assert "startupProbe" in made["init_containers"]["vizproxy"]


@pytest.mark.parametrize("native", [False, True])
def test_no_probe_keeps_a_server_from_starting(native: bool) -> None:
    made = kubespawner(Choices(sidecar=Sidecar(native=native)))
    (container,) = (made.get("init_containers") or made["extra_containers"]).values()
    assert {key for key in container if key.endswith("Probe")} == {"livenessProbe"}


def test_a_user_that_the_platform_assigns_is_not_named() -> None:
    made = kubespawner(Choices(notebook=replace(Choices().notebook, uid="assigned")))
    assert made["uid"] is None, "or the one of the chart would count"
    security = made["extra_containers"]["vizproxy"]["securityContext"]
    assert "runAsUser" not in security
    assert security["runAsNonRoot"]


def test_metrics_are_asked_for_or_there_is_no_port() -> None:
    assert "ports" not in kubespawner(Choices())["extra_containers"]["vizproxy"]
    made = kubespawner(Choices(metrics=Metrics(port=9400)))
    container = made["extra_containers"]["vizproxy"]
    assert container["ports"] == [{"name": "metrics", "containerPort": 9400}]
    assert {"name": "VIZPROXY_METRICS_LISTEN", "value": "0.0.0.0:9400"} in container["env"]
    assert made["extra_annotations"]["prometheus.io/port"] == "9400"
    quiet = kubespawner(Choices(metrics=Metrics(port=9400, annotations=False)))
    assert "extra_annotations" not in quiet

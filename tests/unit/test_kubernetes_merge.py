"""Our settings of KubeSpawner beside a site's, in whatever form a site has them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from kubernetes_asyncio.client import V1Container
from traitlets.config import Config

from vizproxy.kubernetes import Choices, configure
from vizproxy.kubernetes.choices import Gpu, GpuType, Notebook, Sidecar

L40S = GpuType(name="l40s", labels={"product": ("L40S", "L40S-SHARED")})
CHOICES = Choices(gpu=Gpu(types=(L40S,)))
NATIVE = Choices(sidecar=Sidecar(native=True))


def joined(choices: Choices = CHOICES, **site: Any) -> Any:
    """The section of KubeSpawner after ours has come to a site's settings."""
    config = Config()
    for name, value in site.items():
        config.KubeSpawner[name] = value
    configure(config, choices)
    return config.KubeSpawner


def in_order(entries: dict[str, Any]) -> list[Any]:
    """As KubeSpawner takes the entries of a dictionary."""
    return [entries[key] for key in sorted(entries)]


def test_lists_become_dictionaries_in_their_order() -> None:
    names = [f"c{number}" for number in range(12, 0, -1)]
    section = joined(extra_containers=[{"name": name} for name in names])
    found = [one["name"] for one in in_order(section.extra_containers)]
    assert found == [*names, "vizproxy"]


@pytest.mark.parametrize("choices", [CHOICES, NATIVE])
def test_init_containers_are_never_dropped(choices: Choices) -> None:
    block = V1Container(name="block-cloud-metadata")
    section = joined(choices, init_containers=[block])
    found = section.init_containers
    assert block in (found if isinstance(found, list) else in_order(found))
    assert ("vizproxy" in found) is choices.sidecar.native


def test_a_native_sidecar_comes_after_the_sites_own() -> None:
    section = joined(NATIVE, init_containers=[{"name": "z"}, {"name": "a"}])
    assert [one["name"] for one in in_order(section.init_containers)] == ["z", "a", "vizproxy"]


def test_dictionaries_are_joined_and_ours_counts_for_what_is_ours() -> None:
    section = joined(
        volumes={"home": {"name": "home"}, "vizproxy": {"name": "old"}},
        environment={"LANG": "C.UTF-8", "VIZPROXY_SOCKET": "/old"},
        container_security_context={"readOnlyRootFilesystem": True, "capabilities": {"add": ["A"]}},
        extra_annotations={},
    )
    assert section.volumes["home"] == {"name": "home"}
    assert section.volumes["vizproxy"]["name"] == "vizproxy"
    assert section.environment["LANG"] == "C.UTF-8"
    assert section.environment["VIZPROXY_SOCKET"] == "/run/vizproxy/desktop/http.sock"
    context = section.container_security_context
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"add": ["A"], "drop": ["ALL"]}


def test_what_is_only_to_be_added_to_a_default() -> None:
    config = Config()
    config.KubeSpawner.init_containers.append({"name": "first"})
    config.KubeSpawner.environment.update({"A": "1"})
    config.KubeSpawner.tolerations.append({"key": "mine"})
    config.KubeSpawner.node_affinity_required.append({"matchExpressions": [{"key": "a"}]})
    configure(config, CHOICES)
    config.KubeSpawner.node_affinity_required.append({"matchExpressions": [{"key": "b"}]})
    section = config.KubeSpawner
    assert section.environment["A"] == "1"
    assert in_order(section.tolerations) == [{"key": "mine"}]
    later = section.node_affinity_required.get_value([])
    assert [term["matchExpressions"][0]["key"] for term in later] == ["a", "b"]


async def test_what_is_asked_for_at_each_spawn() -> None:
    async def security(spawner: str) -> dict[str, Any]:
        return {"seLinuxOptions": {"user": spawner}}

    section = joined(container_security_context=security)
    found = await section.container_security_context("ada")
    assert found["seLinuxOptions"] == {"user": "ada"}
    assert found["runAsNonRoot"] is True


def terms_of(section: Any) -> list[Any]:
    choice = section.profile_list[-1]["profile_options"]["gpu"]["choices"]["l40s"]
    terms: list[Any] = choice["kubespawner_override"]["node_affinity_required"]
    return terms


OURS = {"key": "product", "operator": "In", "values": ["L40S", "L40S-SHARED"]}


def test_a_gpus_nodes_are_among_the_sites() -> None:
    assert terms_of(joined()) == [{"matchExpressions": [OURS]}]
    one = {"matchExpressions": [{"key": "user", "operator": "Exists"}]}
    other = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    assert terms_of(joined(node_affinity_required=[one, other])) == [
        {"matchExpressions": [*one["matchExpressions"], OURS]},
        {**other, "matchExpressions": [OURS]},
    ]
    assert terms_of(joined(node_affinity_required={"a": one})) == [
        {"matchExpressions": [*one["matchExpressions"], OURS]}
    ]


def test_the_sites_profiles_come_first_and_have_a_desktop_too() -> None:
    small: dict[str, Any] = {
        "display_name": "Small",
        "kubespawner_override": {"volumes": [{"name": "scratch"}], "cpu_limit": 1},
    }
    section = joined(profile_list=[small], volumes=[{"name": "home"}])
    first, ours = section.profile_list
    assert ours["slug"] == "vizproxy"
    override = first["kubespawner_override"]
    assert override["cpu_limit"] == 1
    volumes = {**section.volumes, **override["volumes"]}  # as KubeSpawner does it
    kept = {one["name"] for one in volumes.values() if one is not None}
    assert kept == {"scratch", "vizproxy", "vizproxy-tmp", "vizproxy-x11"}
    assert small["kubespawner_override"]["volumes"] == [{"name": "scratch"}], "not ours to change"


def test_a_list_that_is_made_at_each_spawn_replaces_the_sites_alone() -> None:
    own = {"display_name": "Own", "kubespawner_override": {"volumes": lambda _: [{"name": "own"}]}}
    section = joined(profile_list=[own], volumes=[{"name": "home"}])
    made = section.profile_list[0]["kubespawner_override"]["volumes"](None)
    assert [one["name"] for one in {**section.volumes, **made}.values() if one][-1] == "own"
    assert [key for key, one in made.items() if one is None] == ["0-home"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_profiles_that_are_made_for_each_user(is_async: bool) -> None:
    def made(spawner: str) -> list[dict[str, str]]:
        return [{"display_name": f"For {spawner}"}]

    async def made_later(spawner: str) -> list[dict[str, str]]:
        return made(spawner)

    section = joined(profile_list=made_later if is_async else made)
    names = [profile["display_name"] for profile in await section.profile_list("ada")]
    assert names == ["For ada", "Desktop"]


def test_profiles_by_name_keep_their_order() -> None:
    profiles = {"02": {"display_name": "b"}, "01": {"display_name": "a"}}
    section = joined(profile_list=profiles)
    assert [one["display_name"] for one in section.profile_list] == ["a", "b", "Desktop"]


@pytest.mark.parametrize("choices", [CHOICES, NATIVE])
def test_twice_is_as_once(choices: Choices) -> None:
    config = Config()
    config.KubeSpawner.extra_containers = [{"name": "mine"}]
    configure(config, choices)
    once = copy.deepcopy(config)
    configure(config, choices)
    assert config == once


def test_what_is_set_for_all_spawners_stays() -> None:
    config = Config()
    config.Spawner.environment = {"SITE": "1"}
    configure(config, CHOICES)
    assert config.KubeSpawner.environment["SITE"] == "1"


def test_a_user_of_each_ones_own_is_refused() -> None:
    with pytest.raises(TypeError, match=r"KubeSpawner\.uid is a function"):
        joined(uid=lambda spawner: 4711)


def test_a_container_that_starts_as_root_still_does() -> None:
    section = joined(Choices(notebook=Notebook(restricted=False)), uid=0)
    assert section.uid == 0
    assert section.extra_containers["vizproxy"]["securityContext"]["runAsUser"] == 1000

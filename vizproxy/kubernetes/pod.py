"""A Pod as KubeSpawner would make it of the same choices, to be read or to be tried without a hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from vizproxy import __version__
from vizproxy.errors import ConfigError
from vizproxy.kubernetes import builder, quantities, sidecar
from vizproxy.kubernetes.merge import joined

if TYPE_CHECKING:
    from vizproxy.kubernetes.choices import Choices

EXAMPLE_IMAGE: Final = f"vizproxy-notebook:{__version__}"
"""The notebook's image where the dialog has none to choose: the example's."""

COMPONENT: Final = "singleuser-server"
"""The label ``component`` that KubeSpawner gives its Pods."""

_NOTEBOOK_PORT: Final = 8888


def pod(choices: Choices, chosen: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of the Pod of a user who has chosen so, by the options' names (``gpu``, ``image``).

    What is not chosen is as the dialog proposes.

    Raises:
        ConfigError: the choices make no sense, or do not have what was chosen.
    """
    settings = _applied(builder.kubespawner(choices), chosen)
    containers = [_notebook(settings), *settings.get("extra_containers", {}).values()]
    first = list(settings.get("init_containers", {}).values())
    affinity = settings.get("node_affinity_required")
    spec = {
        "automountServiceAccountToken": False,
        "restartPolicy": "OnFailure",
        "nodeSelector": settings.get("node_selector"),
        "affinity": affinity and _affinity(affinity),
        "tolerations": list(settings.get("tolerations", {}).values()),
        **settings.get("extra_pod_config", {}),
        "initContainers": first,
        "containers": containers,
        "volumes": list(settings["volumes"].values()),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"jupyter-{choices.profile.name}",
            "labels": {"app.kubernetes.io/name": "jupyterhub", "component": COMPONENT},
        }
        | _filled({"annotations": settings.get("extra_annotations")}),
        "spec": _filled(spec, but=(False,)),
    }


def _applied(settings: dict[str, Any], chosen: Mapping[str, str]) -> dict[str, Any]:
    """The settings with what each choice changes, as KubeSpawner applies it."""
    profiles = settings.pop("profile_list")
    options = profiles[0]["profile_options"] if profiles else {}
    for name in chosen:
        if name not in options:
            raise _no_such("option", name, options)
    for name, option in options.items():
        known = option["choices"]
        proposed = next(key for key, choice in known.items() if choice.get("default"))
        key = chosen.get(name, proposed)
        if key not in known:
            raise _no_such(name, key, known)
        settings = joined(settings, known[key]["kubespawner_override"])
    return settings


def _no_such(what: str, name: str, known: Mapping[str, Any]) -> ConfigError:
    return ConfigError(
        f"choose the {what} {name}",
        "the dialog has no such one",
        " or ".join(known) if known else "choices that offer it",
    )


def _notebook(settings: Mapping[str, Any]) -> dict[str, Any]:
    made = {
        "name": "notebook",
        "image": settings.get("image", EXAMPLE_IMAGE),
        "ports": [{"name": "notebook-port", "containerPort": _NOTEBOOK_PORT}],
        "env": [{"name": k, "value": v} for k, v in sorted(settings["environment"].items())],
        "resources": _resources(settings),
        "securityContext": _filled(
            {
                "runAsUser": settings.get("uid"),
                "runAsGroup": settings.get("gid"),
                "allowPrivilegeEscalation": settings.get("allow_privilege_escalation", False),
            },
            but=(False,),
        )
        | settings.get("container_security_context", {}),
        "volumeMounts": list(settings["volume_mounts"].values()),
    }
    changed: dict[str, Any] = settings.get("extra_container_config", {})
    return _filled(made | changed)


def _resources(settings: Mapping[str, Any]) -> dict[str, Any]:
    def amounts(cpu: str, memory: str, others: str) -> dict[str, Any]:
        found = {}
        if cpu in settings:
            found["cpu"] = f"{settings[cpu]:g}"
        if memory in settings:
            found["memory"] = quantities.of_hub(settings[memory])
        extended: dict[str, Any] = settings.get(others, {})
        return found | extended

    made = {
        "requests": amounts("cpu_guarantee", "mem_guarantee", "extra_resource_guarantees"),
        "limits": amounts("cpu_limit", "mem_limit", "extra_resource_limits"),
    }
    return _filled(made)


def _affinity(terms: list[dict[str, Any]]) -> dict[str, Any]:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    return {"nodeAffinity": {required: {"nodeSelectorTerms": terms}}}


def _filled(made: Mapping[str, Any], *, but: tuple[object, ...] = ()) -> dict[str, Any]:
    """What has a value; nothing, empty lists and the like are left out, ``but`` for some."""
    return {key: value for key, value in made.items() if value or value in but}


def claim_templates(choices: Choices) -> list[dict[str, Any]]:
    """The ResourceClaimTemplates that Pods with a GPU name: none, but with ``sharing = "dra"``."""
    return [
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaimTemplate",
            "metadata": {"name": sidecar.claim_template_name(entry)},
            "spec": {
                "spec": {"devices": {"requests": [sidecar.device_request(choices.gpu, entry)]}}
            },
        }
        for entry in sidecar.claimed(choices.gpu)
    ]

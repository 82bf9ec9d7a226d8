"""The spawn dialog: what each choice of a user changes.

KubeSpawner merges the dictionaries of an override into its settings and replaces everything else, lists
too. So all that is here is dictionaries down to what is ours.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from vizproxy.kubernetes import quantities, sidecar
from vizproxy.kubernetes.choices import Sharing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vizproxy.kubernetes.choices import Choices, Cpu, GpuType, Memory, OtherImage

NO_GPU: Final = "none"


def profile(choices: Choices) -> dict[str, Any]:
    """The entry of KubeSpawner's ``profile_list``; options without a choice are left out."""
    options = {
        "cpu": _option("Cores", _cpu(choices)),
        "memory": _option("Memory", _memory(choices)),
        "image": _option("Image", _images(choices), choices.other_image),
        "gpu": _option("GPU", _gpus(choices)),
    }
    made: dict[str, Any] = {
        "slug": choices.profile.name,
        "display_name": escape(choices.profile.title),
        "description": escape(choices.profile.description),
        "profile_options": {name: option for name, option in options.items() if option},
    }
    return made


def _option(
    title: str, entries: Iterable[tuple[str, str, dict[str, Any]]], other: OtherImage | None = None
) -> dict[str, Any]:
    choices: dict[str, dict[str, Any]] = {
        name: {"display_name": escape(text), "kubespawner_override": override}
        for name, text, override in entries
    }
    if not choices:
        return {}
    next(iter(choices.values()))["default"] = True
    made: dict[str, Any] = {"display_name": title, "choices": choices}
    if other is not None:
        made["unlisted_choice"] = {
            "enabled": True,
            "display_name": escape(other.title),
            "display_name_in_choices": f"{escape(other.title)} …",
            "validation_regex": f"^(?:{other.pattern})$",
            "validation_message": escape(other.hint or f"It has to match {other.pattern}"),
            "kubespawner_override": {"image": "{value}"},
        }
    return made


def _cpu(choices: Choices) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for entry in choices.cpu:
        override: dict[str, Any] = {"cpu_limit": quantities.cores(entry.limit)}
        override["cpu_guarantee"] = quantities.cores(entry.request or entry.limit)
        yield (
            entry.limit,
            entry.title or quantities.cores_text(entry.limit),
            override | _repeated("cpu", entry, choices),
        )


def _memory(choices: Choices) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for entry in choices.memory:
        override: dict[str, Any] = {"mem_limit": quantities.memory(entry.limit)}
        override["mem_guarantee"] = quantities.memory(entry.request or entry.limit)
        yield (
            entry.limit,
            entry.title or quantities.memory_text(entry.limit),
            override | _repeated("memory", entry, choices),
        )


def _repeated(name: str, entry: Cpu | Memory, choices: Choices) -> dict[str, Any]:
    """The amount once more, for Pods with a claim.

    A claim can only be named in ``extra_container_config.resources``, by which KubeSpawner replaces the
    resources that it has made of the other settings.
    """
    if choices.gpu.sharing is not Sharing.DRA or not choices.gpu.types:
        return {}
    amounts = {"limits": {name: entry.limit}, "requests": {name: entry.request or entry.limit}}
    return {"extra_container_config": {"resources": amounts}}


def _images(choices: Choices) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for entry in choices.images:
        yield entry.name, entry.title or entry.image, {"image": entry.image}


def _gpus(choices: Choices) -> Iterable[tuple[str, str, dict[str, Any]]]:
    gpu = choices.gpu
    if not gpu.types:
        return
    entries = [
        (entry.name, entry.title or entry.name, _with(entry, choices)) for entry in gpu.types
    ]
    if not gpu.required:
        entries.insert(0, (NO_GPU, gpu.none_title, _of_both(choices, None)))
    # The first is proposed.
    yield from sorted(entries, key=lambda entry: entry[0] != gpu.default)


def _with(entry: GpuType, choices: Choices) -> dict[str, Any]:
    """What a GPU changes: where the Pod runs, what it asks for, what both containers see."""
    gpu = choices.gpu
    override = _of_both(choices, entry)
    config: dict[str, Any] = {}
    if gpu.runtime_class and gpu.sharing is not Sharing.DRA:
        config["runtimeClassName"] = gpu.runtime_class
    if gpu.sharing is Sharing.DRA:
        claim = {
            "name": sidecar.CLAIM,
            "resourceClaimTemplateName": sidecar.claim_template_name(entry),
        }
        config["resourceClaims"] = [claim]
        claims = [{"name": sidecar.CLAIM}]
        override["extra_container_config"] = {"resources": {"claims": claims}}
        own = override[place(choices)][sidecar.NAME]
        own["resources"] = {"claims": claims}
    else:
        override["extra_resource_limits"] = {entry.resource: str(entry.count)}
        override["extra_resource_guarantees"] = {entry.resource: str(entry.count)}
    if config:
        override["extra_pod_config"] = config
    if entry.tolerations:
        override["tolerations"] = {
            f"{sidecar.NAME}-{number}": tolerated.as_manifest()
            for number, tolerated in enumerate(entry.tolerations)
        }
    return override | _nodes(entry)


def _of_both(choices: Choices, entry: GpuType | None) -> dict[str, Any]:
    """The variables of both containers."""
    return {
        "environment": sidecar.gpu_variables(choices.gpu, entry, sidecar=False),
        place(choices): {sidecar.NAME: {"env": sidecar.environment(choices, entry)}},
    }


def place(choices: Choices) -> str:
    """The setting of KubeSpawner that holds the sidecar."""
    return "init_containers" if choices.sidecar.native else "extra_containers"


def _nodes(entry: GpuType) -> dict[str, Any]:
    """Which nodes have the GPU.

    A label with one value becomes a node selector: KubeSpawner merges it with a site's, and Kubernetes
    asks for all of them. Terms of a node affinity are alternatives to a site's.
    """
    single = {key: value for key, value in entry.labels.items() if isinstance(value, str)}
    several = [
        {"key": key, "operator": "In", "values": list(values)}
        for key, values in entry.labels.items()
        if not isinstance(values, str)
    ]
    made: dict[str, Any] = {"node_selector": single} if single else {}
    if several:
        made["node_affinity_required"] = [{"matchExpressions": several}]
    return made

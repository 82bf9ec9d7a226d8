"""Writing the configuration as files that an admin can read, keep and hand to a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import yaml

from vizproxy import __version__
from vizproxy.kubernetes import builder, network, sidecar
from vizproxy.kubernetes import pod as pods
from vizproxy.kubernetes.reading import checked

if TYPE_CHECKING:
    from vizproxy.kubernetes.choices import Choices

_WIDTH: Final = 92
"""Up to how many characters a literal stays on one line."""


class Format(StrEnum):
    """What can be printed."""

    KUBESPAWNER = "kubespawner"
    Z2JH = "z2jh"
    POD = "pod"
    NETWORKPOLICY = "networkpolicy"
    CLAIMS = "claims"


def render(choices: Choices, form: Format, chosen: Mapping[str, str]) -> str:
    """Write a file. ``chosen`` are the options of the Pod's user, by name.

    Raises:
        ConfigError: the choices make no sense, or do not have what was chosen.
    """
    choices = checked(choices)
    if form is Format.POD:
        return _documents(form, [pods.pod(choices, chosen)])
    writers: dict[Format, Callable[[Choices], str]] = {
        Format.KUBESPAWNER: _kubespawner,
        Format.Z2JH: _z2jh,
        Format.NETWORKPOLICY: _networkpolicy,
        Format.CLAIMS: lambda given: _documents(form, pods.claim_templates(given)),
    }
    return writers[form](choices)


def _head(form: Format) -> str:
    return f"Made by `vizproxy kubernetes render --format {form}`, vizproxy {__version__}."


# ------------------------------------------------------------------------------ KubeSpawner, z2jh


def _kubespawner(choices: Choices) -> str:
    """Python that joins our settings into ``c``; it leaves no names behind but its one function."""
    source = resources.files("vizproxy.kubernetes").joinpath("merge.py").read_text("utf-8")
    body = source[source.index("\nimport ") + 1 :]
    indented = "".join(f"    {line}" if line.strip() else line for line in body.splitlines(True))
    return (
        f"# {_head(Format.KUBESPAWNER)}\n"
        "# It puts a desktop beside each notebook, and joins what is set above: so it comes last.\n"
        f"{_image_note(choices)}{_claims_note(choices)}"
        "def _with_desktop(config, ours):\n"
        '    """Join our settings of KubeSpawner with those that are there already."""\n\n'
        f"{indented}\n"
        "    merge(config, ours)\n\n\n"
        f"_with_desktop(c, {_literal(builder.kubespawner(choices))})\n"
    )


def _image_note(choices: Choices) -> str:
    if "/" in choices.sidecar.image:
        return ""
    return (
        f"# The nodes have to have the image {choices.sidecar.image}: its name has no registry.\n"
    )


def _claims_note(choices: Choices) -> str:
    if not sidecar.claimed(choices.gpu):
        return ""
    return (
        "# Pods with a GPU name a ResourceClaimTemplate, which has to be in their namespace:\n"
        "#   vizproxy kubernetes render --format claims … | kubectl apply --namespace … -f -\n"
    )


def _literal(value: object, indent: int = 0) -> str:
    """A value as Python writes it, over several lines where one is too short."""
    if not isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    inner = indent + 4
    if isinstance(value, dict):
        parts = [f"{_literal(key)}: {_literal(one, inner)}" for key, one in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [_literal(one, inner) for one in value]
        opening, closing = "[", "]"
    line = f"{opening}{', '.join(parts)}{closing}"
    if "\n" not in line and indent + len(line) <= _WIDTH:
        return line
    lines = "".join(f"{' ' * inner}{part},\n" for part in parts)
    return f"{opening}\n{lines}{' ' * indent}{closing}"


def _z2jh(choices: Choices) -> str:
    """Values of the chart: the hub's configuration, and images to pull before."""
    values: dict[str, Any] = {"hub": {"extraConfig": {"vizproxy": _kubespawner(choices)}}}
    images = {sidecar.NAME: choices.sidecar.image}
    images |= {f"{sidecar.NAME}-{entry.name}": entry.image for entry in choices.images}
    pulled = {name: _named(image) for name, image in images.items()}
    values["prePuller"] = {"extraImages": pulled}
    return f"# {_head(Format.Z2JH)}\n{_yaml(values)}"


def _named(image: str) -> dict[str, str]:
    """An image's name and tag; a digest counts as a tag, as the chart joins both by a colon."""
    name, found, tag = image.rpartition(":")
    if not found or "/" in tag:  # the colon is a port's
        return {"name": image, "tag": "latest"}
    return {"name": name, "tag": tag}


def _networkpolicy(choices: Choices) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in choices.network.clients.items())
    note = (
        "# It admits Pods of this namespace with the labels of hub and proxy. Where the chart has not\n"
        f"# set them, their Pods need them first: {labels}\n"
    )
    return note + _documents(Format.NETWORKPOLICY, [network.policy(choices)])


# ----------------------------------------------------------------------------------------- YAML


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, and no anchors."""

    def ignore_aliases(self, _: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _yaml(*documents: Mapping[str, Any]) -> str:
    return yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
    )


def _documents(form: Format, documents: list[dict[str, Any]]) -> str:
    if not documents:
        return f"# {_head(form)}\n# There are none: gpu.sharing is not 'dra', or there is no GPU.\n"
    return f"# {_head(form)}\n{_yaml(*documents)}"

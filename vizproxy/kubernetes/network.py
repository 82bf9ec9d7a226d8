"""Who may connect to the Pods of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vizproxy.kubernetes import sidecar
from vizproxy.kubernetes.pod import COMPONENT

if TYPE_CHECKING:
    from vizproxy.kubernetes.choices import Choices

_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""The label with its name that Kubernetes gives each namespace."""

_MAY_CONNECT: Final = {"hub.jupyter.org/network-access-singleuser": "true"}
"""What the chart zero-to-jupyterhub labels hub and proxy by, for its own policies."""


def policy(choices: Choices) -> dict[str, Any]:
    """A NetworkPolicy: only the hub and its proxy reach notebooks, and only Prometheus the metrics.

    The desktop itself needs no way in: it is served on a unix socket. What Pods may connect to is left
    to a site's own policies, as policies add up.
    """
    ingress: list[dict[str, Any]] = [
        {
            "from": [{"podSelector": {"matchLabels": dict(_MAY_CONNECT)}}],
            "ports": [{"port": "notebook-port", "protocol": "TCP"}],
        }
    ]
    if choices.metrics.port is not None:
        ingress.append(from_prometheus(choices))
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": sidecar.NAME},
        "spec": {
            "podSelector": {"matchLabels": {"component": COMPONENT}},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }


def from_prometheus(choices: Choices) -> dict[str, Any]:
    """The rule that lets Prometheus read the metrics."""
    return {
        "from": [
            {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: choices.metrics.namespace}}}
        ],
        "ports": [{"port": sidecar.METRICS_PORT, "protocol": "TCP"}],
    }

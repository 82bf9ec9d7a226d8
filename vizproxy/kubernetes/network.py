"""Who may connect to the Pods of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vizproxy.kubernetes import sidecar
from vizproxy.kubernetes.pod import COMPONENT

if TYPE_CHECKING:
    from vizproxy.kubernetes.choices import Choices


def policy(choices: Choices) -> dict[str, Any]:
    """A NetworkPolicy: only the hub and its proxy reach notebooks, and only Prometheus the metrics.

    The desktop itself needs no way in: it is served on a unix socket. What Pods may connect to is left
    to a site's own policies, as policies add up. So it goes with those of the chart, too.
    """
    ingress: list[dict[str, Any]] = [
        {
            "from": [{"podSelector": {"matchLabels": dict(choices.network.clients)}}],
            "ports": [{"port": "notebook-port", "protocol": "TCP"}],
        }
    ]
    if choices.metrics.port is not None:
        ingress.append(
            {
                "from": [{"namespaceSelector": {"matchLabels": _named(choices.metrics.namespace)}}],
                # By its number: not all networks know the names of a native sidecar's ports.
                "ports": [{"port": choices.metrics.port, "protocol": "TCP"}],
            }
        )
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


def _named(namespace: str) -> dict[str, str]:
    """The label with its name that Kubernetes gives each namespace."""
    return {"kubernetes.io/metadata.name": namespace}

"""On which node a Pod may run, by the rules of Kubernetes's scheduler that our Pods depend on.

They are the node selector, required node affinity, taints with the effects NoSchedule and NoExecute,
and extended resources. Nodes here are empty and never short of processors or memory.
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ and taint-and-toleration/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes.utils.quantity import parse_quantity

Json = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A node: labels, taints as ``key=value:effect``, and how much it has of extended resources."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    extended: Mapping[str, int] = field(default_factory=dict)


def place(spec: Json, nodes: Iterable[Node]) -> str | None:
    """The name of the first node that a Pod of this specification may run on; None if there is none."""
    return next((node.name for node in nodes if _fits(spec, node)), None)


def _fits(spec: Json, node: Node) -> bool:
    return _is_selected(spec, node) and _is_tolerated(spec, node) and _is_enough(spec, node)


def _is_selected(spec: Json, node: Node) -> bool:
    if any(node.labels.get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return False
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(
        _matches(term, node.labels) for term in required["nodeSelectorTerms"]
    )


def _matches(term: Json, labels: Mapping[str, str]) -> bool:
    """Whether labels are as a term says: by all of its expressions; a term without any matches none."""
    expressions = term.get("matchExpressions", [])
    return bool(expressions) and all(_holds(one, labels) for one in expressions)


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"the operator {other} is not known here")


def _is_tolerated(spec: Json, node: Node) -> bool:
    tolerations = spec.get("tolerations", [])
    return all(any(_tolerates(one, taint) for one in tolerations) for taint in node.taints)


def _tolerates(toleration: Json, taint: str) -> bool:
    left, _, effect = taint.partition(":")
    key, _, value = left.partition("=")
    if toleration.get("effect") not in {None, "", effect}:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key") in {None, "", key}
    return toleration.get("key") == key and toleration.get("value", "") == value


def _is_enough(spec: Json, node: Node) -> bool:
    sidecars = [one for one in spec.get("initContainers", []) if "restartPolicy" in one]
    asked: dict[str, int] = {}
    for container in [*spec["containers"], *sidecars]:
        for resource, amount in container.get("resources", {}).get("limits", {}).items():
            if "/" in resource:
                asked[resource] = asked.get(resource, 0) + int(parse_quantity(amount))
    return all(amount <= node.extended.get(resource, 0) for resource, amount in asked.items())

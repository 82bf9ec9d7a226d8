"""Whether Kubernetes would take an object: the models of its API, and what it asks of a Pod besides.

The models are those of its Python client. Since version 37 they are pydantic's, which refuse unknown
keys and wrong types.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from typing import Any

from kubernetes.client.models import V1Pod
from kubernetes.utils.quantity import parse_quantity
from pydantic import BaseModel, ValidationError

Json = dict[str, Any]


def problems(manifest: Json, model: type[BaseModel]) -> list[str]:
    """What is wrong with an object of a kind; nothing, if Kubernetes would take it."""
    given = copy.deepcopy(manifest)
    _with_texts(given)
    try:
        known = model.model_validate(given)
    except ValidationError as error:
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    told = known.model_dump(by_alias=True, exclude_none=True, mode="json")
    return _renamed(given, told)


def problems_of_pod(manifest: Json) -> list[str]:
    """What is wrong with a Pod: names that occur twice, and mounted volumes that are not there."""
    if found := problems(manifest, V1Pod):
        return found
    spec = manifest["spec"]
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    volumes = _names(spec.get("volumes", []))
    found = [f"two volumes are called {name}" for name in _twice(volumes)]
    found += [f"two containers are called {name}" for name in _twice(_names(containers))]
    for one in containers:
        mounts = one.get("volumeMounts", [])
        missing = set(_names(mounts)) - set(volumes)
        places = [mount["mountPath"] for mount in mounts]
        found += [f"{one['name']} mounts {name}, which is no volume" for name in missing]
        found += [f"{one['name']} mounts two volumes at {path}" for path in _twice(places)]
        found += [f"{one['name']} has {name} twice" for name in _twice(_names(one.get("env", [])))]
    return found


def _names(objects: Iterable[Json]) -> list[str]:
    return [one["name"] for one in objects]


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _with_texts(given: Any) -> None:
    """Make texts of amounts of resources: Kubernetes takes numbers too, the models don't say so."""
    if isinstance(given, list):
        for one in given:
            _with_texts(one)
    elif isinstance(given, dict):
        for key, value in given.items():
            if key in {"limits", "requests"} and isinstance(value, dict):
                for name, amount in value.items():
                    parse_quantity(amount)
                    value[name] = str(amount)
            else:
                _with_texts(value)


def _renamed(given: Any, told: Any, place: str = "") -> list[str]:
    """The keys that the models take by their names in Python, which Kubernetes doesn't."""
    if isinstance(given, list):
        pairs = enumerate(zip(given, told, strict=True))
        return [found for n, (a, b) in pairs for found in _renamed(a, b, f"{place}.{n}")]
    if not isinstance(given, dict):
        return []
    found = []
    for key, value in given.items():
        if key in told:
            found += _renamed(value, told[key], f"{place}.{key}")
        elif value is not None:
            found.append(f"{place}.{key}: is not what Kubernetes calls it".removeprefix("."))
    return found

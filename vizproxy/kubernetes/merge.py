"""Joining our settings of KubeSpawner with those that a site has already.

What ``vizproxy kubernetes render`` prints contains this file, from its first import on, so that a hub
needs nothing of vizproxy. Therefore it stands for itself, and keeps to what Python 3.9 knows.
"""

import copy
import inspect
from typing import Any

KEYED = ("extra_containers", "init_containers", "tolerations", "volume_mounts", "volumes")
"""Settings that KubeSpawner takes as a list or as a dictionary, whose values it sorts by their keys.
Only dictionaries can be joined, with one another and with what a choice in the spawn dialog changes."""


def merge(config: Any, settings: dict[str, Any]) -> None:
    """Join ``settings`` into ``c.KubeSpawner`` of the hub's configuration, ``c``.

    Of two entries of the same name ours counts; all else that is there stays. Lists become dictionaries
    in the order that they had, and a list in a profile that is there what has the same effect on one.
    """
    section = config.KubeSpawner
    settings = copy.deepcopy(settings)
    _take_over(config, settings)
    _check_user(section, settings)
    profiles = settings.pop("profile_list", [])
    chosen = {name for profile in profiles for override in _overrides(profile) for name in override}
    keys = {}
    for name in KEYED:
        if name in settings or name in chosen:
            section[name] = _as_dictionary(_value(section, name))
            keys[name] = list(section[name])
    for name, ours in settings.items():
        section[name] = joined(_value(section, name), ours)
    nodes = list(_as_dictionary(_value(section, "node_affinity_required")).values())
    for profile in profiles:
        _narrow(profile, nodes)
    kept = {name: before for name, before in keys.items() if name in settings}
    section["profile_list"] = _with_profiles(_value(section, "profile_list"), profiles, kept)


def _take_over(config: Any, settings: dict[str, Any]) -> None:
    """Begin with what is set for all spawners, whose place the section of KubeSpawner would take."""
    general = config.get("Spawner", {})
    for name in settings:
        if name in general and name not in config.KubeSpawner:
            config.KubeSpawner[name] = copy.deepcopy(general[name])


def _check_user(section: Any, settings: dict[str, Any]) -> None:
    """Users of their own would all become the one that the sidecar has."""
    if isinstance(settings.get("uid"), int) and callable(_value(section, "uid")):
        why = (
            "KubeSpawner.uid is a function, and notebook.uid, also the sidecar's user, is a number"
        )
        raise TypeError(f"cannot put a desktop beside each notebook: {why}")


def _value(section: Any, name: str) -> Any:
    """What the configuration has, be it a value or what is to be added to KubeSpawner's own."""
    value: Any = section.get(name)
    if hasattr(value, "get_value"):  # a copy, as it keeps what it gives, and more may be added yet
        value = copy.deepcopy(value).get_value({} if "update" in value.to_dict() else [])
    return value


def _as_dictionary(value: Any) -> dict[str, Any]:
    """The entries of a list by their names, with numbers before them that keep their order."""
    if not isinstance(value, (list, tuple)):
        return dict(value or {})
    width = len(str(len(value)))
    return {f"{n:0{width}}-{_name(one)}": one for n, one in enumerate(value)}


def _name(entry: Any) -> str:
    """What an entry is called, be it a dictionary or an object of the Kubernetes client."""
    found = entry.get("name") if isinstance(entry, dict) else getattr(entry, "name", None)
    return str(found or "site")


def joined(theirs: Any, ours: Any) -> Any:
    """Both, if they are dictionaries; a value that is asked for at each spawn still is."""
    if callable(theirs):
        return _at_each_spawn(theirs, lambda found: joined(found, ours))
    if not isinstance(ours, dict):
        return ours
    made = dict(theirs or {})
    for name, value in ours.items():
        both_are = isinstance(made.get(name), dict) and isinstance(value, dict)
        made[name] = joined(made[name], value) if both_are else value
    return made


def _at_each_spawn(asked: Any, then: Any) -> Any:
    """A function that asks a site's, which may be asynchronous, and goes on with what that returns."""

    async def made(spawner: Any) -> Any:
        found = asked(spawner)
        return then(await found if inspect.isawaitable(found) else found)

    return made


def _narrow(profile: dict[str, Any], terms: list[Any]) -> None:
    """Have the nodes of our GPUs satisfy one of the site's terms as well, if it has any."""
    for override in _overrides(profile):
        if terms and "node_affinity_required" in override:
            (ours,) = override["node_affinity_required"]
            override["node_affinity_required"] = [_both(term, ours) for term in terms]


def _both(term: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A term that nodes match which match two; all expressions of a term have to hold."""
    expressions = [*term.get("matchExpressions", []), *other["matchExpressions"]]
    return {**term, "matchExpressions": expressions}


def _with_profiles(theirs: Any, ours: list[Any], kept: dict[str, list[str]]) -> Any:
    """The profiles of the site and then ours; ``kept`` are the keys of what a list there replaces."""
    if callable(theirs):
        return _at_each_spawn(theirs, lambda found: _with_profiles(found, ours, kept))
    if isinstance(theirs, dict):
        theirs = [theirs[key] for key in sorted(theirs)]
    slugs = {profile["slug"] for profile in ours}
    made = copy.deepcopy([one for one in theirs or [] if one.get("slug") not in slugs])
    for override in (one for profile in made for one in _overrides(profile)):
        for name, before in kept.items():
            if name in override:
                override[name] = _in_place_of(before, override[name])
    return made + copy.deepcopy(ours)


def _in_place_of(before: list[str], value: Any) -> Any:
    """What an override with a list does, as a dictionary; None takes an entry away."""
    if callable(value):
        return lambda spawner: _in_place_of(before, value(spawner))
    if isinstance(value, (list, tuple)):
        return {**dict.fromkeys(before), **_as_dictionary(value)}
    return value


def _overrides(profile: dict[str, Any]) -> Any:
    """What a profile and its choices change."""
    yield profile.get("kubespawner_override", {})
    for option in profile.get("profile_options", {}).values():
        for choice in [*option.get("choices", {}).values(), option.get("unlisted_choice", {})]:
            yield choice.get("kubespawner_override", {})

# Made by `vizproxy kubernetes render --format kubespawner`, vizproxy 0.1.0.
# It puts a desktop beside each notebook, and joins what is set above: so it comes last.
def _with_desktop(config, ours):
    """Join our settings of KubeSpawner with those that are there already."""

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

    merge(config, ours)


_with_desktop(c, {
    "extra_containers": {
        "vizproxy": {
            "name": "vizproxy",
            "image": "registry.example.org/vizproxy-sidecar:0.1.0",
            "env": [
                {"name": "VIZPROXY_METRICS_LISTEN", "value": "0.0.0.0:9464"},
                {"name": "VIZPROXY_DISPLAY_SIZE", "value": "1920x1080"},
                {"name": "VIZPROXY_LOG_FORMAT", "value": "json"},
                {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"},
            ],
            "ports": [{"name": "metrics", "containerPort": 9464}],
            "resources": {
                "requests": {"cpu": "200m", "memory": "384Mi"},
                "limits": {"cpu": "4", "memory": "2Gi"},
            },
            "securityContext": {
                "runAsUser": 1000,
                "runAsNonRoot": True,
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumeMounts": [
                {"name": "vizproxy", "mountPath": "/run/vizproxy"},
                {"name": "vizproxy-tmp", "mountPath": "/tmp"},
                {"name": "vizproxy-x11", "mountPath": "/tmp/.X11-unix"},
            ],
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "livenessProbe": {
                "exec": {"command": ["vizproxy", "ping"]},
                "timeoutSeconds": 10,
                "initialDelaySeconds": 30,
                "periodSeconds": 30,
                "failureThreshold": 8,
            },
        },
    },
    "volumes": {
        "vizproxy": {"name": "vizproxy", "emptyDir": {"sizeLimit": "1Gi"}},
        "vizproxy-x11": {"name": "vizproxy-x11", "emptyDir": {"sizeLimit": "16Mi"}},
        "vizproxy-tmp": {"name": "vizproxy-tmp", "emptyDir": {"sizeLimit": "1Gi"}},
    },
    "volume_mounts": {
        "vizproxy": {"name": "vizproxy", "mountPath": "/run/vizproxy", "readOnly": True},
        "vizproxy-x11": {"name": "vizproxy-x11", "mountPath": "/tmp/.X11-unix"},
    },
    "environment": {"VIZPROXY_SOCKET": "/run/vizproxy/desktop/http.sock"},
    "uid": 1000,
    "container_security_context": {
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "allow_privilege_escalation": False,
    "extra_annotations": {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9464",
        "prometheus.io/path": "/metrics",
    },
    "profile_list": [
        {
            "slug": "vizproxy",
            "display_name": "Desktop",
            "description": "JupyterLab with a desktop for graphical programs",
            "profile_options": {
                "cpu": {
                    "display_name": "Cores",
                    "choices": {
                        "4": {
                            "display_name": "4 cores",
                            "kubespawner_override": {"cpu_limit": 4.0, "cpu_guarantee": 1.0},
                            "default": True,
                        },
                        "16": {
                            "display_name": "16 cores",
                            "kubespawner_override": {"cpu_limit": 16.0, "cpu_guarantee": 16.0},
                        },
                    },
                },
                "memory": {
                    "display_name": "Memory",
                    "choices": {
                        "8Gi": {
                            "display_name": "8 GiB",
                            "kubespawner_override": {"mem_limit": "8G", "mem_guarantee": "2G"},
                            "default": True,
                        },
                        "64Gi": {
                            "display_name": "64 GiB",
                            "kubespawner_override": {"mem_limit": "64G", "mem_guarantee": "64G"},
                        },
                    },
                },
                "image": {
                    "display_name": "Image",
                    "choices": {
                        "lab": {
                            "display_name": "JupyterLab",
                            "kubespawner_override": {"image": "registry.example.org/vizproxy-notebook:0.1.0"},
                            "default": True,
                        },
                        "volume": {
                            "display_name": "Volumes: Voreen and ParaView",
                            "kubespawner_override": {"image": "registry.example.org/volume:2026"},
                        },
                    },
                },
                "gpu": {
                    "display_name": "GPU",
                    "choices": {
                        "none": {
                            "display_name": "No GPU: the desktop draws in software",
                            "kubespawner_override": {
                                "environment": {"NVIDIA_VISIBLE_DEVICES": "void"},
                                "extra_containers": {
                                    "vizproxy": {
                                        "env": [
                                            {
                                                "name": "VIZPROXY_METRICS_LISTEN",
                                                "value": "0.0.0.0:9464",
                                            },
                                            {
                                                "name": "VIZPROXY_DISPLAY_SIZE",
                                                "value": "1920x1080",
                                            },
                                            {"name": "VIZPROXY_LOG_FORMAT", "value": "json"},
                                            {
                                                "name": "NVIDIA_VISIBLE_DEVICES",
                                                "value": "void",
                                            },
                                        ],
                                    },
                                },
                            },
                            "default": True,
                        },
                        "a40-8q": {
                            "display_name": "NVIDIA A40-8Q: a vGPU with 8 GiB",
                            "kubespawner_override": {
                                "environment": {
                                    "NVIDIA_DRIVER_CAPABILITIES": "compute,graphics,utility,display",
                                },
                                "extra_containers": {
                                    "vizproxy": {
                                        "env": [
                                            {
                                                "name": "VIZPROXY_METRICS_LISTEN",
                                                "value": "0.0.0.0:9464",
                                            },
                                            {
                                                "name": "VIZPROXY_DISPLAY_SIZE",
                                                "value": "1920x1080",
                                            },
                                            {"name": "VIZPROXY_LOG_FORMAT", "value": "json"},
                                            {
                                                "name": "NVIDIA_DRIVER_CAPABILITIES",
                                                "value": "compute,graphics,utility,display",
                                            },
                                            {
                                                "name": "NVIDIA_VISIBLE_DEVICES",
                                                "value": "all",
                                            },
                                        ],
                                    },
                                },
                                "extra_resource_limits": {"nvidia.com/gpu": "1"},
                                "extra_resource_guarantees": {"nvidia.com/gpu": "1"},
                                "extra_pod_config": {"runtimeClassName": "nvidia"},
                                "tolerations": {
                                    "vizproxy-0": {
                                        "key": "nvidia.com/gpu",
                                        "operator": "Exists",
                                        "effect": "NoSchedule",
                                    },
                                },
                                "node_selector": {"nvidia.com/gpu.product": "NVIDIA-A40-8Q"},
                            },
                        },
                        "l40s": {
                            "display_name": "NVIDIA L40S: a whole GPU, 48 GiB",
                            "kubespawner_override": {
                                "environment": {
                                    "NVIDIA_DRIVER_CAPABILITIES": "compute,graphics,utility,display",
                                },
                                "extra_containers": {
                                    "vizproxy": {
                                        "env": [
                                            {
                                                "name": "VIZPROXY_METRICS_LISTEN",
                                                "value": "0.0.0.0:9464",
                                            },
                                            {
                                                "name": "VIZPROXY_DISPLAY_SIZE",
                                                "value": "1920x1080",
                                            },
                                            {"name": "VIZPROXY_LOG_FORMAT", "value": "json"},
                                            {
                                                "name": "NVIDIA_DRIVER_CAPABILITIES",
                                                "value": "compute,graphics,utility,display",
                                            },
                                            {
                                                "name": "NVIDIA_VISIBLE_DEVICES",
                                                "value": "all",
                                            },
                                        ],
                                    },
                                },
                                "extra_resource_limits": {"nvidia.com/gpu": "1"},
                                "extra_resource_guarantees": {"nvidia.com/gpu": "1"},
                                "extra_pod_config": {"runtimeClassName": "nvidia"},
                                "tolerations": {
                                    "vizproxy-0": {
                                        "key": "nvidia.com/gpu",
                                        "operator": "Exists",
                                        "effect": "NoSchedule",
                                    },
                                    "vizproxy-1": {
                                        "key": "whole-gpu",
                                        "operator": "Equal",
                                        "value": "yes",
                                        "effect": "NoSchedule",
                                    },
                                },
                                "node_affinity_required": [
                                    {
                                        "matchExpressions": [
                                            {
                                                "key": "nvidia.com/gpu.product",
                                                "operator": "In",
                                                "values": ["NVIDIA-L40S", "NVIDIA-L40S-SHARED"],
                                            },
                                        ],
                                    },
                                ],
                            },
                        },
                    },
                },
            },
        },
    ],
})

"""The sidecar's container, and what both containers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vizproxy.kubernetes.choices import ASSIGNED, Sharing

if TYPE_CHECKING:
    from vizproxy.kubernetes.choices import Amount, Choices, Gpu, GpuType

NAME: Final = "vizproxy"
"""The container, the volume and the entry of the dialog are called so."""

SHARED: Final = "vizproxy"
X11: Final = "vizproxy-x11"
TEMPORARY: Final = "vizproxy-tmp"
"""The volumes: runtime directory, X sockets, and the sidecar's own /tmp."""

RUNTIME_DIRECTORY: Final = "/run/vizproxy/desktop"
SOCKET: Final = f"{RUNTIME_DIRECTORY}/http.sock"

CLAIM: Final = "vizproxy-gpu"
"""What a Pod calls its claim of a GPU."""

METRICS_PORT: Final = "metrics"
"""The name of the port that a PodMonitor looks for."""

_SHARED_AT: Final = {"name": SHARED, "mountPath": "/run/vizproxy"}
_X11_AT: Final = {"name": X11, "mountPath": "/tmp/.X11-unix"}  # noqa: S108 - a path of the Pod's
_TEMPORARY_AT: Final = {"name": TEMPORARY, "mountPath": "/tmp"}  # noqa: S108


def volumes() -> dict[str, Any]:
    """The Pod's volumes, by name. Their limits keep a runaway log off the node's disk."""
    return {
        SHARED: {"name": SHARED, "emptyDir": {"sizeLimit": "1Gi"}},
        X11: {"name": X11, "emptyDir": {"sizeLimit": "16Mi"}},
        TEMPORARY: {"name": TEMPORARY, "emptyDir": {"sizeLimit": "1Gi"}},
    }


def notebook_mounts() -> dict[str, Any]:
    """What the notebook's container sees of them.

    It may connect to sockets in the runtime directory and not put files there. In that of the X sockets
    it may, for X servers of its own.
    """
    return {SHARED: _SHARED_AT | {"readOnly": True}, X11: dict(_X11_AT)}


def container(choices: Choices) -> dict[str, Any]:
    """The sidecar's container without a GPU."""
    sidecar = choices.sidecar
    made: dict[str, Any] = {"name": NAME, "image": sidecar.image}
    if sidecar.pull_policy is not None:
        made["imagePullPolicy"] = sidecar.pull_policy
    made["env"] = environment(choices, None)
    if choices.metrics.port is not None:
        made["ports"] = [{"name": METRICS_PORT, "containerPort": choices.metrics.port}]
    made["resources"] = _resources(sidecar.cpu, sidecar.memory)
    made["securityContext"] = _security(choices)
    made["volumeMounts"] = [dict(_SHARED_AT), dict(_TEMPORARY_AT), dict(_X11_AT)]
    made["terminationMessagePolicy"] = "FallbackToLogsOnError"
    return made | _lifecycle(choices)


def _lifecycle(choices: Choices) -> dict[str, Any]:
    # Neither a readiness nor a startup probe: KubeSpawner waits until all containers are ready, and a
    # notebook without a desktop is better than none. Restarting the container ends the user's programs,
    # so it happens only to a daemon that has been silent for minutes.
    ping = {"exec": {"command": [NAME, "ping"]}, "timeoutSeconds": 10}
    made: dict[str, Any] = {
        "livenessProbe": ping
        | {"initialDelaySeconds": 30, "periodSeconds": 30, "failureThreshold": 8}
    }
    if choices.sidecar.native:
        made["restartPolicy"] = "Always"
        if choices.sidecar.start_first:
            made["startupProbe"] = ping | {"periodSeconds": 1, "failureThreshold": 60}
    return made


def environment(choices: Choices, gpu: GpuType | None) -> list[dict[str, str]]:
    """The sidecar's variables; all of them, since a list replaces a list."""
    variables: dict[str, str] = {}
    if choices.metrics.port is not None:
        variables["VIZPROXY_METRICS_LISTEN"] = f"0.0.0.0:{choices.metrics.port}"
    variables |= choices.sidecar.environment | gpu_variables(choices.gpu, gpu, sidecar=True)
    return [{"name": name, "value": value} for name, value in variables.items()]


def gpu_variables(gpu: Gpu, chosen: GpuType | None, *, sidecar: bool) -> dict[str, str]:
    """What tells the NVIDIA container toolkit which GPUs a container sees, and what of the driver.

    The notebook's own GPUs are named by the device plugin. ``void`` hides all of them
    (https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html):
    images may name ``all``, which where the NVIDIA runtime is a node's default would be others' too.
    """
    if not gpu.types:
        return {}
    if chosen is None or (sidecar and gpu.sharing is Sharing.NONE):
        return {"NVIDIA_VISIBLE_DEVICES": "void"}
    shown = {"NVIDIA_DRIVER_CAPABILITIES": gpu.capabilities}
    if gpu.sharing is Sharing.DRA:  # the claim brings the devices
        return shown | {"NVIDIA_VISIBLE_DEVICES": "void"}
    return shown | ({"NVIDIA_VISIBLE_DEVICES": gpu.visible_devices} if sidecar else {})


def _resources(cpu: Amount, memory: Amount) -> dict[str, Any]:
    made: dict[str, Any] = {"requests": {"cpu": cpu.request, "memory": memory.request}}
    amounts = (("cpu", cpu.limit), ("memory", memory.limit))
    limits = {name: limit for name, limit in amounts if limit is not None}
    return made | ({"limits": limits} if limits else {})


def _security(choices: Choices) -> dict[str, Any]:
    return {
        **user(choices),
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def user(choices: Choices) -> dict[str, int]:
    """The user of a container, unless the platform assigns one."""
    made: dict[str, int] = {}
    if choices.notebook.uid != ASSIGNED:
        made["runAsUser"] = int(choices.notebook.uid)
    if choices.notebook.gid is not None:
        made["runAsGroup"] = choices.notebook.gid
    return made


# ---------------------------------------------------------------------------- claims of a GPU


def claimed(gpu: Gpu) -> tuple[GpuType, ...]:
    """The types of GPUs that Pods claim."""
    return gpu.types if gpu.sharing is Sharing.DRA else ()


def claim_template_name(entry: GpuType) -> str:
    """The name of the ResourceClaimTemplate for a type of GPU."""
    return f"{NAME}-{entry.name}"


def device_request(gpu: Gpu, entry: GpuType) -> dict[str, Any]:
    """What a claim asks for (resource.k8s.io/v1, DeviceRequest)."""
    exactly: dict[str, Any] = {"deviceClassName": gpu.device_class, "count": entry.count}
    if entry.selector:
        exactly["selectors"] = [{"cel": {"expression": entry.selector}}]
    return {"name": "gpu", "exactly": exactly}

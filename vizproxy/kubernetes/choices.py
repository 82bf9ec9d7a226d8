"""What an admin chooses; everything else of the configuration follows from it.

The choices are read from TOML or made in Python (:mod:`vizproxy.kubernetes.reading`, which says what is
wrong with them). Amounts of cores and memory are Kubernetes quantities: ``500m``, ``2Gi``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct, field

from vizproxy import __version__

ASSIGNED = "assigned"
"""A user id that the platform assigns, as OpenShift does: the same to all containers of a Pod."""


class Sharing(StrEnum):
    """How the sidecar gets the GPU that the notebook's container has asked for."""

    RUNTIME = "runtime"
    """By the NVIDIA runtime class: it shows GPUs to containers that name them in a variable."""
    DRA = "dra"
    """By a claim that both containers name (dynamic resource allocation, Kubernetes 1.34)."""
    NONE = "none"
    """Not at all: programs compute on the GPU, the desktop draws in software."""


class _Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frozen; a key that is none of these is an error."""


class Amount(_Choice, frozen=True, kw_only=True):
    """What a container is sure to get, and what it gets at most."""

    request: str
    limit: str | None = None


class Sidecar(_Choice, frozen=True, kw_only=True):
    """The container with the desktop."""

    image: str = f"vizproxy-sidecar:{__version__}"
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    cpu: Amount = Amount(request="200m", limit="4")
    memory: Amount = Amount(request="384Mi", limit="2Gi")
    environment: dict[str, str] = field(default_factory=dict)
    """More variables, such as VIZPROXY_DISPLAY_SIZE; KubeSpawner fills in ``{username}`` and others."""
    native: bool = False
    """A sidecar in the sense of Kubernetes 1.29: it starts before the notebook and ends after it."""
    start_first: bool = False
    """With ``native``: the notebook waits until the desktop answers. A desktop that never does then
    keeps the server from starting, which it otherwise cannot."""


class Notebook(_Choice, frozen=True, kw_only=True):
    """The container with the notebook, and what it has in common with the sidecar."""

    uid: int | Literal["assigned"] = 1000
    """The user of both containers: only who has the same may use the desktop."""
    gid: int | None = None
    restricted: bool = True
    """Take all capabilities from the notebook's container too, and let it not run as root. Otherwise
    whom it starts as is KubeSpawner's ``uid``, as the site has it."""
    environment: dict[str, str] = field(default_factory=dict)


class Cpu(_Choice, frozen=True, kw_only=True):
    """An entry of the dialog: cores of the notebook's container."""

    limit: str
    request: str | None = None
    title: str = ""


class Memory(_Choice, frozen=True, kw_only=True):
    """An entry of the dialog: memory of the notebook's container."""

    limit: str
    request: str | None = None
    title: str = ""


class Image(_Choice, frozen=True, kw_only=True):
    """An entry of the dialog: the notebook's image."""

    name: str
    image: str
    title: str = ""


class OtherImage(_Choice, frozen=True, kw_only=True):
    """A field of the dialog for an image that is not listed."""

    pattern: str
    """The regular expression that a name has to match, from its first to its last character."""
    title: str = "Another image"
    hint: str = ""
    """What the dialog says of a name that does not match."""


class Toleration(_Choice, frozen=True, kw_only=True):
    """A taint of nodes that does not keep a Pod away."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = "NoSchedule"
    """Without one, all effects of the taint are tolerated."""

    def as_manifest(self) -> dict[str, str]:
        """As a Pod has it."""
        made = {
            "key": self.key,
            "operator": self.operator,
            "value": self.value,
            "effect": self.effect,
        }
        return {key: value for key, value in made.items() if value is not None}


class GpuType(_Choice, frozen=True, kw_only=True):
    """An entry of the dialog: a GPU or vGPU, and the nodes that have it."""

    name: str
    title: str = ""
    labels: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Labels of the nodes, each with the value or values that will do, such as
    ``nvidia.com/gpu.product`` of gpu-feature-discovery."""
    resource: str = "nvidia.com/gpu"
    """What the device plugin calls it; a MIG slice is ``nvidia.com/mig-1g.10gb``, say."""
    count: int = 1
    selector: str = ""
    """With ``dra``: the CEL expression that a device has to satisfy."""
    tolerations: tuple[Toleration, ...] = (Toleration(key="nvidia.com/gpu"),)


class Gpu(_Choice, frozen=True, kw_only=True):
    """Which GPUs there are, and how the two containers share one."""

    sharing: Sharing = Sharing.RUNTIME
    types: tuple[GpuType, ...] = field(name="type", default=())
    default: str = "none"
    """What the dialog proposes: the name of a type, or ``none``."""
    required: bool = False
    """Leave out the entry ``none``."""
    runtime_class: str | None = "nvidia"
    """The RuntimeClass of Pods with a GPU; empty if containers get the NVIDIA runtime anyway."""
    visible_devices: str = "all"
    """With ``runtime``: what of the node's GPUs the sidecar sees. The notebook's own one is among them,
    but so may be others' where a node has several: there, share by ``dra``."""
    capabilities: str = "compute,graphics,utility,display"
    device_class: str = "gpu.nvidia.com"
    """With ``dra``: the DeviceClass of the claims."""
    none_title: str = "No GPU: the desktop draws in software"


class Profile(_Choice, frozen=True, kw_only=True):
    """The entry of the spawn dialog that has these options. Its ``name`` is its own, a ``slug``."""

    name: str = "vizproxy"
    title: str = "Desktop"
    description: str = "JupyterLab with a desktop for graphical programs"


class Metrics(_Choice, frozen=True, kw_only=True):
    """Whether Prometheus may ask the sidecars."""

    port: int | None = None
    """The TCP port of the metrics; unset, there is none."""
    annotations: bool = True
    """With a port: annotate Pods for a Prometheus that finds targets by ``prometheus.io/scrape``."""
    namespace: str = "monitoring"
    """The namespace from which the network policy admits Prometheus."""


class Network(_Choice, frozen=True, kw_only=True):
    """Who may connect to notebooks, by the network policy."""

    clients: dict[str, str] = field(
        default_factory=lambda: {"hub.jupyter.org/network-access-singleuser": "true"}
    )
    """The labels of the hub's and the proxy's Pods, as the chart zero-to-jupyterhub sets them. Other
    hubs have to be given them."""


class Choices(_Choice, frozen=True, kw_only=True):
    """All of it. The first of several entries is what the dialog proposes."""

    sidecar: Sidecar = Sidecar()
    notebook: Notebook = Notebook()
    cpu: tuple[Cpu, ...] = ()
    memory: tuple[Memory, ...] = ()
    images: tuple[Image, ...] = field(name="image", default=())
    other_image: OtherImage | None = None
    gpu: Gpu = Gpu()
    profile: Profile = Profile()
    metrics: Metrics = Metrics()
    network: Network = Network()

"""What is known about a machine, as values that never change and can be written to a file.

A :class:`Fact` is a value or the reason for which it is not known, so whoever looks at facts never has
to guess why something is missing. Amounts are in bytes, times in seconds, modes of files as octal text
(``0666``), PCI addresses as the kernel writes them (``0000:3b:00.0``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from vizproxy.compatibility import Side

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A value, or the reason why it is not known. Made by :func:`known` and :func:`unknown`."""

    value: T | None = None
    reason: str = ""

    def get(self, default: T) -> T:
        """The value, or ``default`` if it is not known."""
        return default if self.value is None else self.value


def known(value: T) -> Fact[T]:
    """A fact that has a value."""
    return Fact(value)


def unknown(reason: str) -> Fact[Any]:
    """A fact that could not be found out, with the reason, fit for the middle of a sentence."""
    return Fact(None, reason)


# ---------------------------------------------------------------------------------------- GPUs


class Virtualization(StrEnum):
    """How a GPU came to this machine (``nvmlGpuVirtualizationMode_t``)."""

    NONE = "none"
    PASSTHROUGH = "passthrough"
    VGPU = "vgpu"
    HOST_VGPU = "host vgpu"
    HOST_VSGA = "host vsga"


class ProcessKind(StrEnum):
    """What a process does on a GPU, as NVML lists it."""

    GRAPHICS = "graphics"
    COMPUTE = "compute"


@dataclass(frozen=True, slots=True)
class Framebuffer:
    """A GPU's memory, in bytes."""

    total: int
    used: int


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process on a GPU. Its PID may be one of another namespace; ``framebuffer`` is in bytes."""

    pid: int
    kind: ProcessKind
    framebuffer: int | None = None


@dataclass(frozen=True, slots=True)
class Licence:
    """The vGPU software licence of a guest.

    ``detail`` is what the driver says of it, such as when it expires; empty if nothing.
    """

    product: str
    licensed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MigDevice:
    """A slice of a GPU in MIG mode (multi-instance GPU)."""

    name: Fact[str]
    uuid: Fact[str]
    framebuffer: Fact[Framebuffer]


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as NVML knows it.

    ``minor`` is the number of its device node, ``utilisation`` the percentage of the last moments in
    which it was busy, ``licence`` unknown where none is needed. ``mig`` says whether MIG mode is on.
    """

    name: Fact[str]
    uuid: Fact[str]
    address: Fact[str]
    minor: Fact[int]
    virtualization: Fact[Virtualization]
    licence: Fact[Licence]
    framebuffer: Fact[Framebuffer]
    processes: Fact[tuple[GpuProcess, ...]]
    utilisation: Fact[int]
    encoder_sessions: Fact[int]
    compute_mode: Fact[str]
    mig: Fact[bool]
    mig_devices: Fact[tuple[MigDevice, ...]]


@dataclass(frozen=True, slots=True)
class Nvml:
    """What NVML (NVIDIA's management library) tells: its driver's version and the GPUs.

    Where there is no NVIDIA driver, ``gpus`` is unknown, not empty.
    """

    driver: Fact[str]
    gpus: Fact[tuple[Gpu, ...]]


# --------------------------------------------------------------------------------------- files


@dataclass(frozen=True, slots=True)
class Node:
    """A device node; ``usable`` if this process may read and write it."""

    path: str
    mode: str
    uid: int
    gid: int
    usable: bool


@dataclass(frozen=True, slots=True)
class DriNode:
    """A DRM device node (``/dev/dri/card0``, ``/dev/dri/renderD128``).

    ``driver`` is the kernel's driver for it, ``address`` its PCI address.
    """

    node: Node
    driver: Fact[str]
    address: Fact[str]


@dataclass(frozen=True, slots=True)
class KernelGpu:
    """A GPU as ``/proc/driver/nvidia/gpus`` has it. A container may see those of others there."""

    address: str
    model: str
    minor: int


@dataclass(frozen=True, slots=True)
class Library:
    """A library or module, with the driver version that it is of; empty if it does not tell."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class VirtualGLInstall:
    """An installation of VirtualGL: where its libraries or its script are, and its version."""

    place: str
    version: Fact[str]


@dataclass(frozen=True, slots=True)
class Files:
    """What files tell of GPUs and drivers.

    ``kernel_driver`` is the version of NVIDIA's kernel module; ``x_drivers`` the names of Xorg's
    drivers (``dummy``); ``x_modules`` NVIDIA's two modules for Xorg; ``gl_libraries`` NVIDIA's client
    libraries; ``egl_vendors`` the names of the files by which EGL finds its drivers.
    """

    kernel_driver: Fact[str]
    kernel_gpus: Fact[tuple[KernelGpu, ...]]
    nvidia_nodes: Fact[tuple[Node, ...]]
    dri_nodes: Fact[tuple[DriNode, ...]]
    x_drivers: Fact[tuple[str, ...]]
    x_modules: Fact[tuple[Library, ...]]
    gl_libraries: Fact[tuple[Library, ...]]
    egl_vendors: Fact[tuple[str, ...]]
    virtualgl: Fact[VirtualGLInstall]


# -------------------------------------------------------------------------------------- system


@dataclass(frozen=True, slots=True)
class Space:
    """Room in a file system, in bytes."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class SysvMemory:
    """System V shared memory of this IPC namespace: its limits, and how many segments there are."""

    max_segment: int
    max_segments: int
    segments: int


@dataclass(frozen=True, slots=True)
class Place:
    """A file or directory that is there; ``writable`` for this process."""

    path: str
    mode: str
    uid: int
    writable: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """A resource limit (``ulimit``); None is no limit."""

    soft: int | None
    hard: int | None


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the desktop, by its name in the configuration, and where it is."""

    name: str
    path: Fact[str]


@dataclass(frozen=True, slots=True)
class Jupyter:
    """How vizproxy is wired into the Jupyter of this environment.

    The versions are those of installed packages. ``enabled`` says whether a file enables vizproxy's
    server extension; ``command`` where a login shell's PATH has ``vizproxy``.
    """

    server: Fact[str]
    proxy: Fact[str]
    lab: Fact[str]
    enabled: Fact[bool]
    command: Fact[str]


@dataclass(frozen=True, slots=True)
class System:
    """Limits and places. ``driver_capabilities`` and ``visible_devices`` are NVIDIA's variables.

    ``open_files`` and ``processes`` are limits of this process; ``x_sockets`` is ``/tmp/.X11-unix``;
    ``runtime_dir`` vizproxy's own directory, or the nearest one above it that is there.
    """

    name: Fact[str]
    uid: int
    container: Fact[bool]
    driver_capabilities: Fact[str]
    visible_devices: Fact[str]
    programs: tuple[Program, ...]
    shared_memory: Fact[Space]
    sysv_memory: Fact[SysvMemory]
    x_sockets: Fact[Place]
    runtime_dir: Fact[Place]
    runtime_space: Fact[Space]
    temporary_space: Fact[Space]
    open_files: Fact[Limit]
    processes: Fact[Limit]
    jupyter: Fact[Jupyter]


# ------------------------------------------------------------------------------------- desktop


@dataclass(frozen=True, slots=True)
class XDisplay:
    """An X server of the running desktop, as a client of it sees it.

    ``dpms`` says whether it may put the screen to sleep; ``shares_memory`` whether MIT-SHM works from
    here, which needs one IPC namespace.
    """

    name: str
    dpms: Fact[bool]
    shares_memory: Fact[bool]


@dataclass(frozen=True, slots=True)
class RunningDesktop:
    """The desktop that answers on vizproxy's socket: its state, summary, plan, X servers and cookie.

    ``version`` is its vizproxy's, and ``beside`` that of the one which asked it.
    """

    state: str
    summary: str
    plan: str
    displays: tuple[XDisplay, ...]
    cookie: Fact[Place]
    version: Side | None = None
    beside: Side | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """All facts. ``desktop`` is unknown where none answers or nobody asked."""

    nvml: Nvml
    files: Files
    system: System
    desktop: Fact[RunningDesktop]

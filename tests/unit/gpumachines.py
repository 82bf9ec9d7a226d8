"""Machines with GPUs, made up by hand: what is not told of one is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from vizproxy.facts.model import (
    DriNode,
    Files,
    Gpu,
    Library,
    Machine,
    Node,
    Nvml,
    System,
    known,
    unknown,
)

VERSION = "550.127.05"
MODULES = (
    Library("/usr/lib/xorg/modules/drivers/nvidia_drv.so", VERSION),
    Library("/usr/lib/xorg/modules/extensions/libglxserver_nvidia.so", VERSION),
)
LIBRARIES = (
    Library(f"/usr/lib/x86_64-linux-gnu/libEGL_nvidia.so.{VERSION}", VERSION),
    Library(f"/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.{VERSION}", VERSION),
)
NODES = ("nvidia0", "nvidiactl", "nvidia-modeset")


def _facts(model: type[Any], told: dict[str, Any], **plain: Any) -> Any:
    of_fact = [f.name for f in fields(model) if f.name not in plain]
    values = {n: known(told[n]) if n in told else unknown("nobody knows") for n in of_fact}
    assert set(told) <= set(of_fact)
    return model(**values, **plain)


def gpu(name: str = "NVIDIA A40", minor: int = 0, **told: Any) -> Gpu:
    """A GPU as NVML tells of it."""
    address = f"0000:{0x3B + minor:02x}:00.0"
    made: Gpu = _facts(Gpu, {"name": name, "minor": minor, "address": address, **told})
    return made


def node(name: str, *, usable: bool = True, mode: str = "0666", gid: int = 0) -> Node:
    return Node(f"/dev/{name}", mode, 0, gid, usable)


def dri(name: str, driver: str = "i915", address: str = "0000:00:02.0", **more: Any) -> DriNode:
    return DriNode(node(f"dri/{name}", gid=105, **more), known(driver), known(address))


def machine(
    gpus: Sequence[Gpu] | None = None, *, system: dict[str, Any] | None = None, **files: Any
) -> Machine:
    """A machine: GPUs as NVML tells them, and facts about files by their names."""
    nvml: dict[str, Any] = {} if gpus is None else {"gpus": tuple(gpus), "driver": VERSION}
    return Machine(
        nvml=_facts(Nvml, nvml),
        files=_facts(Files, files),
        system=_facts(System, {"container": False, **(system or {})}, uid=1000, programs=()),
        desktop=unknown("nobody asked"),
    )


def nvidia(*gpus: Gpu, nodes: Sequence[Node | str] = NODES, **more: Any) -> Machine:
    """A machine with all that NVIDIA's driver needs, but for what is told."""
    files: dict[str, Any] = {
        "nvidia_nodes": tuple(node(n) if isinstance(n, str) else n for n in nodes),
        "kernel_driver": VERSION,
        "x_modules": MODULES,
        "gl_libraries": LIBRARIES,
        "egl_vendors": ("10_nvidia.json", "50_mesa.json"),
    }
    return machine(gpus or (gpu(),), **(files | more))

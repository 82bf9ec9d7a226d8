"""Looking around on the machine for what a rendering plan needs.

Done once, before anything is started, and by looking at files alone: what is not there, or may not be
looked at, counts as missing. Nothing here raises.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from vizproxy import virtualgl
from vizproxy.config import Config, GpuDriver
from vizproxy.display.plan import Facts

_X_MODULES: Final = ("modules", "modules/drivers", "modules/extensions")
_OTHER_X_MODULES: Final = (
    "usr/lib64/xorg",  # Fedora, RHEL
    "usr/lib/xorg",  # Debian, Arch; the NVIDIA container toolkit puts the driver there
)
_PACKAGED_X_MODULES: Final = ("usr/lib/*/nvidia/xorg", "usr/lib/nvidia", "usr/lib64/nvidia/xorg")
"""Where distributions' packages have NVIDIA's modules; they tell Xorg so in its xorg.conf.d."""

_PCI_ADDRESS: Final = re.compile(
    r"(?P<domain>[0-9a-f]+):(?P<bus>[0-9a-f]{2}):(?P<device>[0-9a-f]{2})\.(?P<function>[0-7])"
)
_MINOR: Final = re.compile(r"^Device Minor:\s*(\d+)\s*$", re.MULTILINE)


def look(config: Config, environ: Mapping[str, str], *, root: Path = Path("/")) -> Facts:
    """Look for GPUs, their X driver and VirtualGL. ``root`` is where the file system begins."""
    display = config.display
    nodes = _gpu_nodes(root)
    return Facts(
        gpu_nodes=tuple(nodes.values()),
        render_nodes=_render_nodes(root),
        gpu_bus_id=_bus_id(root, nodes.keys()),
        x_driver=display.gpu_driver is GpuDriver.NVIDIA or _has_x_driver(config, root),
        virtualgl=virtualgl.find(display.virtualgl_dir, environ, root=root) is not None,
        virtualgl_dir=display.virtualgl_dir,
        gpu_driver=display.gpu_driver,
    )


def xorg_bus_id(address: str) -> str:
    """Write a PCI address as xorg.conf wants it: ``0000:3b:00.0`` is ``PCI:59@0:0:0``.

    The kernel and NVIDIA's tools count in hexadecimal, xorg.conf in decimal. Empty for what is no
    address.
    """
    found = _PCI_ADDRESS.fullmatch(address.lower())
    if found is None:
        return ""
    part = {name: int(text, 16) for name, text in found.groupdict().items()}
    return f"PCI:{part['bus']}@{part['domain']}:{part['device']}:{part['function']}"


def _gpu_nodes(root: Path) -> dict[int, str]:
    """The device nodes of NVIDIA GPUs, by their minor numbers."""
    numbered = ((node.name.removeprefix("nvidia"), str(node)) for node in root.glob("dev/nvidia*"))
    return {int(number): node for number, node in sorted(numbered) if number.isdecimal()}


def _render_nodes(root: Path) -> tuple[str, ...]:
    nodes = (str(node) for node in root.glob("dev/dri/renderD*"))
    return tuple(sorted(node for node in nodes if os.access(node, os.R_OK | os.W_OK)))


def _bus_id(root: Path, minors: Collection[int]) -> str:
    """Where the first GPU is whose device node is here: a container may see all in /proc."""
    for directory in sorted(root.glob("proc/driver/nvidia/gpus/*")):
        try:
            text = (directory / "information").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        minor = _MINOR.search(text)
        if minor is not None and int(minor[1]) in minors:
            return xorg_bus_id(directory.name)
    return ""


def _has_x_driver(config: Config, root: Path) -> bool:
    """Whether Xorg can load NVIDIA's driver and its GLX: without the latter, it is Mesa's."""
    directories = list(_module_directories(config, root))
    return all(
        any(next(directory.glob(name), None) for directory in directories)
        for name in ("nvidia_drv.so", "libglxserver_nvidia.so*")
    )


def _module_directories(config: Config, root: Path) -> Iterator[Path]:
    beside = Path(config.programs.xorg).parent  # modules lie beside the server, in Debian's layout
    for home in (root / str(beside).lstrip("/"), *(root / place for place in _OTHER_X_MODULES)):
        for modules in _X_MODULES:
            yield home / modules
    for pattern in _PACKAGED_X_MODULES:
        yield from root.glob(pattern)

"""A GPU that programs may be able to draw on, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from vizproxy.display.plan import ChosenGpu, Lack
from vizproxy.facts.model import DriNode, Files, Node
from vizproxy.virtualgl import EGL_DISPLAY

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A GPU, why nothing can draw on it, and else why no X server can, or no program by EGL."""

    gpu: ChosenGpu
    obstacles: tuple[Lack, ...] = ()
    x_lacks: tuple[Lack, ...] = ()
    egl_lacks: tuple[Lack, ...] = ()


def is_card(node: DriNode) -> bool:
    """Whether a DRM device node is a GPU's card node (``/dev/dri/card0``)."""
    return PurePath(node.node.path).name.rstrip("0123456789") == "card"


def egl_display(address: str, files: Files) -> str:
    """VirtualGL's name of the GPU at an address for EGL: its card node, else the first GPU.

    How EGL counts GPUs cannot be told without asking it.
    """
    for node in files.dri_nodes.get(()):
        if address and is_card(node) and node.node.usable and node.address.value == address:
            return node.node.path
    return EGL_DISPLAY


def unusable(node: Node) -> Lack:
    """What there is to say of a device node that this process may not open."""
    of_group = node.mode[-2:-1] in {"6", "7"} and node.gid != 0
    remedy = f"the group {node.gid} for this user (in Kubernetes, supplementalGroups)"
    return Lack(
        f"{node.path} may not be opened (mode {node.mode}, owner {node.uid}:{node.gid})",
        remedy if of_group else f"the mode 0666 for {node.path}",
    )


def each_once(items: Iterable[T]) -> tuple[T, ...]:
    """The items without repetitions, in their order."""
    return tuple(dict.fromkeys(items))

"""GPUs of other makers than NVIDIA, by their DRM device nodes. Pure.

A GPU has a *card* node, for an X server, and a *render* node, for programs that draw without one. A
card without a render node (a server's management chip, say) shows pictures and draws none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vizproxy.config import GpuDriver
from vizproxy.display.candidates import Candidate, is_card, unusable
from vizproxy.display.plan import ChosenGpu, Lack
from vizproxy.facts.model import DriNode, Files, Machine
from vizproxy.virtualgl import EGL_DISPLAY

_NVIDIA: Final = frozenset({"nvidia", "nvidia-drm"})
_NO_GPU: Final = frozenset({"vgem", "vkms"})
"""Drivers of the kernel's that have nodes and no hardware."""

_PARAVIRTUAL: Final = frozenset(
    {
        *("virtio_gpu", "virtio-pci", "virtio-mmio"),  # by its own name, or by that of its bus
        *("vmwgfx", "vboxvideo", "qxl", "bochs-drm", "cirrus", "cirrus-qemu", "hyperv_drm"),
        *("simple-framebuffer", "simpledrm", "efi-framebuffer", "ofdrm"),
    }
)
"""Drivers of screens that a hypervisor or the firmware makes up. Some have a render node and may reach
the host's GPU; whether they do cannot be told from here."""

_PACKAGES: Final = {
    GpuDriver.AMDGPU: "xserver-xorg-video-amdgpu",
    GpuDriver.MODESETTING: "xserver-xorg-core",
}
"""The Debian package of each of Xorg's drivers."""


def candidates(machine: Machine, driver: GpuDriver) -> Iterator[Candidate]:
    """The GPUs that are here. A driver that the configuration names is taken without looking.

    What may be none, such as a hypervisor's screen, is one if such a driver is named.
    """
    named = driver in _PACKAGES
    others = frozenset() if driver is GpuDriver.MODESETTING else _NVIDIA
    not_ours = _NO_GPU | others | (frozenset() if named else _PARAVIRTUAL)
    ours = [n for n in machine.files.dri_nodes.get(()) if n.driver.get("") not in not_ours]
    cards = [node for node in ours if is_card(node)]
    renders = [node for node in ours if not is_card(node)]
    for render in renders:
        card = _partner(render, cards, renders)
        yield _candidate(machine.files, driver if named else None, card, render)
    if named and not renders:
        for card in cards:
            yield _candidate(machine.files, driver, card, None)


def _partner(render: DriNode, cards: list[DriNode], renders: list[DriNode]) -> DriNode | None:
    """The card node of a render node's GPU: by the address, and where there is none by the order."""
    if render.address.value is not None:
        same = (card for card in cards if card.address.value == render.address.value)
        return next(same, None)
    unplaced = [card for card in cards if card.address.value is None]
    place = [other for other in renders if other.address.value is None].index(render)
    return unplaced[place] if place < len(unplaced) else None


def _candidate(
    files: Files, named: GpuDriver | None, card: DriNode | None, render: DriNode | None
) -> Candidate:
    shown = card or render
    assert shown is not None  # noqa: S101 - one of them is what made it a candidate
    driver = named or _driver(files, shown)
    kernel = shown.driver.get("")
    gpu = ChosenGpu(
        driver,
        node=shown.node.path,
        name=f"{kernel} GPU" if kernel else "",
        address=shown.address.get(""),
        egl_display=card.node.path if card is not None and card.node.usable else EGL_DISPLAY,
    )
    egl_lacks = tuple(_egl_lacks(files, render))
    closed = [node.node for node in (render, card) if node is not None and not node.node.usable]
    if len(closed) == sum(node is not None for node in (render, card)):
        return Candidate(gpu, obstacles=tuple(unusable(node) for node in closed[:1]))
    x_lacks = tuple(_x_lacks(files, driver, card, look=named is None))
    return Candidate(gpu, x_lacks=x_lacks, egl_lacks=egl_lacks)


def _driver(files: Files, node: DriNode) -> GpuDriver:
    amd = node.driver.value == "amdgpu" and "amdgpu" in files.x_drivers.get(())
    return GpuDriver.AMDGPU if amd else GpuDriver.MODESETTING


def _x_lacks(
    files: Files, driver: GpuDriver, card: DriNode | None, *, look: bool
) -> Iterator[Lack]:
    if card is None:
        yield Lack(
            "the GPU's card node (/dev/dri/card0) is not there", "giving it to the container"
        )
    elif not card.node.usable:
        yield unusable(card.node)
    drivers = files.x_drivers.value
    if look and drivers is not None and driver.value not in drivers:
        yield Lack(
            f"Xorg's driver {driver.value!r} is not installed", f"installing {_PACKAGES[driver]}"
        )


def _egl_lacks(files: Files, render: DriNode | None) -> Iterator[Lack]:
    if render is None:
        yield Lack("the GPU has no render node (/dev/dri/renderD128)", "giving it to the container")
    elif not render.node.usable:
        yield unusable(render.node)
    vendors = files.egl_vendors.value
    if vendors is not None and not any("mesa" in vendor for vendor in vendors):
        yield Lack("Mesa's EGL is not installed", "installing libegl-mesa0")

"""What files tell of GPUs: device nodes, kernel driver, Xorg's modules, client libraries, VirtualGL.

Only looked at: nothing here opens a device. ``root`` is where the file system begins; paths are told
as they are written on the machine itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from vizproxy import virtualgl
from vizproxy.config import Config
from vizproxy.facts.calls import DriverCalls
from vizproxy.facts.model import (
    DriNode,
    Fact,
    Files,
    KernelGpu,
    Library,
    Node,
    VirtualGLInstall,
    unknown,
)
from vizproxy.facts.reading import (
    MODULE_BYTES,
    NotKnownError,
    data,
    fact,
    names,
    names_or_none,
    octal,
    seen_from,
    text,
    text_or_none,
    within,
)

T = TypeVar("T")

_TRIPLET: Final = f"{os.uname().machine}-linux-gnu"

_X_HOMES: Final = (
    "/usr/lib64/xorg",  # Fedora, RHEL
    "/usr/lib/xorg",  # Debian, Arch; most hosts whose driver came from NVIDIA's installer
    f"/usr/lib/{_TRIPLET}/xorg",
    "/usr/X11R6/lib",
    "/usr/X11R6/lib64",
)
_X_MODULES: Final = (
    "modules",
    "modules/drivers",
    "modules/extensions",
    "modules/updates/drivers",
    "modules/updates/extensions",
)
_PACKAGED_X_MODULES: Final = (
    f"/usr/lib/{_TRIPLET}/nvidia/xorg",  # Ubuntu
    "/usr/lib/nvidia",  # Debian, by its alternatives
    "/usr/lib/nvidia/current",
    "/usr/lib/nvidia/xorg",
    "/usr/lib64/nvidia/xorg",
)
"""Where distributions' packages have NVIDIA's modules; they tell Xorg so in its xorg.conf.d. NVIDIA's
container toolkit mounts modules under the paths that they have on the host, so that all of these may
occur in any container (internal/discover/graphics.go in github.com/NVIDIA/nvidia-container-toolkit).
"""

_LIBRARY_PLACES: Final = (
    f"/usr/lib/{_TRIPLET}",
    f"/usr/lib/{_TRIPLET}/nvidia/current",  # Debian, by its alternatives
    "/usr/lib64",
    "/usr/lib64/nvidia",
    "/usr/lib",
    "/usr/lib/nvidia",
    "/usr/local/lib",
    "/usr/local/nvidia/lib64",  # where Google's and others' device plugins mount them
)
_EGL_VENDORS: Final = ("/usr/share/glvnd/egl_vendor.d", "/etc/glvnd/egl_vendor.d")

_X_DRIVER: Final = "_drv.so"
_NVIDIA_X_MODULE: Final = re.compile(r"nvidia_drv\.so|libglxserver_nvidia\.so(\.[0-9.]+)?")
_GL_LIBRARY: Final = re.compile(r"lib(GLX|EGL)_nvidia\.so(\.[0-9.]+)?")
_VERSIONED: Final = re.compile(r"\.so\.(\d+\.\d+(?:\.\d+)*)$")
_MODULE_VERSION: Final = re.compile(
    rb"NVIDIA (?:dlloader )?(?:X Driver|GLX Module) +(\d+\.\d+(?:\.\d+)*)"
)
"""Written by the modules into Xorg's log: ``NVIDIA dlloader X Driver  470.82.00  Thu Oct 14 …``."""

_KERNEL_VERSION: Final = re.compile(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)*)\b", re.MULTILINE)
_VERSION: Final = re.compile(r"\d+\.\d+(?:\.\d+)*")
_INFORMATION: Final = re.compile(r"^(Model|Device Minor):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_PCI_ADDRESS: Final = re.compile(r"[0-9a-f]+:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_UEVENT: Final = re.compile(r"^(DRIVER|PCI_SLOT_NAME)=(\S+)$", re.MULTILINE)
_NVIDIA_NODE: Final = re.compile(r"nvidia(\d+|ctl|-.+)")
_DRI_NODE: Final = re.compile(r"(card|renderD)\d+")
_DIGITS: Final = re.compile(r"(\d+)")
_SCRIPT_VERSION: Final = re.compile(r"VirtualGL v(\d+\.\d+[0-9a-z.]*)")
_FAKER_VERSION: Final = re.compile(rb"\0(\d+\.\d+[0-9a-z.]*)\0VirtualGL\0")


def read(
    config: Config,
    environ: Mapping[str, str],
    root: Path = Path("/"),
    calls: DriverCalls | None = None,
    disk: DriverCalls | None = None,
) -> Files:
    """Look at all of it. Never raises.

    What NVIDIA's kernel driver answers itself is asked by ``calls``: with a GPU in trouble, even
    reading a file in /proc may hang. The rest is read by ``disk``: libraries may lie on a network.
    """

    def driver(look: Callable[[], T]) -> Fact[T]:
        return _in_time(asked, look, "NVIDIA's kernel driver")

    def files(look: Callable[[], T]) -> Fact[T]:
        return _in_time(read_by, look, "a file system")

    asked, read_by = calls or DriverCalls(), disk or DriverCalls(name="file system")
    directories = tuple(_module_directories(config, root))
    return Files(
        kernel_driver=driver(lambda: _kernel_driver(root)),
        kernel_gpus=driver(lambda: _kernel_gpus(root)),
        nvidia_nodes=files(lambda: _nodes(root, "/dev", _NVIDIA_NODE)),
        dri_nodes=files(lambda: _dri_nodes(root)),
        x_drivers=files(lambda: _x_drivers(directories)),
        x_modules=files(lambda: _libraries(root, directories, _NVIDIA_X_MODULE)),
        gl_libraries=files(lambda: _libraries(root, _library_places(environ, root), _GL_LIBRARY)),
        egl_vendors=files(lambda: _egl_vendors(root)),
        virtualgl=files(lambda: _virtualgl(config, environ, root)),
    )


def _in_time(calls: DriverCalls, look: Callable[[], T], who: str) -> Fact[T]:
    try:
        return calls.wait(lambda: fact(look))
    except TimeoutError:
        return unknown(f"{who} has not answered in time")


# ------------------------------------------------------------------------------- the kernel's


def _kernel_driver(root: Path) -> str:
    told = text_or_none(root / "sys/module/nvidia/version")
    if told is not None and _VERSION.fullmatch(told.strip()):
        return told.strip()
    try:
        banner = text(root / "proc/driver/nvidia/version")
    except FileNotFoundError:
        raise NotKnownError("NVIDIA's kernel driver is not loaded") from None
    found = _KERNEL_VERSION.search(banner)
    if found is None:
        raise NotKnownError("/proc/driver/nvidia/version has no version in it")
    return found[1]


def _kernel_gpus(root: Path) -> tuple[KernelGpu, ...]:
    directory = root / "proc/driver/nvidia/gpus"
    found = (_kernel_gpu(directory / address) for address in names(directory))
    return tuple(gpu for gpu in found if gpu is not None)


def _kernel_gpu(directory: Path) -> KernelGpu | None:
    fields = dict(_INFORMATION.findall(text_or_none(directory / "information") or ""))
    minor = fields.get("Device Minor", "")
    if not (minor.isascii() and minor.isdecimal()):
        return None
    return KernelGpu(directory.name.lower(), fields.get("Model", ""), int(minor[:9]))


def _nodes(root: Path, directory: str, pattern: re.Pattern[str]) -> tuple[Node, ...]:
    """The device nodes in a directory; of what is called so, directories are none."""
    place = within(root, directory)
    matching = sorted(filter(pattern.fullmatch, names(place)), key=_natural)
    found = (_node(root, place / name) for name in matching)
    return tuple(node for node in found if node is not None)


def _node(root: Path, path: Path) -> Node | None:
    try:
        status = path.stat()
        if path.is_dir():
            return None
        usable = os.access(path, os.R_OK | os.W_OK)
    except OSError:  # it is gone, or a link that leads nowhere
        return None
    mode = octal(status.st_mode)
    return Node(seen_from(root, path), mode, status.st_uid, status.st_gid, usable)


def _dri_nodes(root: Path) -> tuple[DriNode, ...]:
    return tuple(_dri_node(root, node) for node in _nodes(root, "/dev/dri", _DRI_NODE))


def _dri_node(root: Path, node: Node) -> DriNode:
    device = root / "sys/class/drm" / Path(node.path).name / "device"
    # A virtual GPU's device hangs below the one on the bus: virtio0 below 0000:00:02.0.
    above = _uevent(device / ".." / "uevent")
    own = _uevent(device / "uevent")

    def address() -> str:
        told = own.get("PCI_SLOT_NAME") or above.get("PCI_SLOT_NAME", "")
        if not _PCI_ADDRESS.fullmatch(told):
            raise NotKnownError("the kernel tells no PCI address for it")
        return told

    def driver() -> str:
        if "DRIVER" not in own:
            raise NotKnownError("the kernel tells no driver for it")
        return own["DRIVER"]

    return DriNode(node, fact(driver), fact(address))


def _uevent(path: Path) -> dict[str, str]:
    return dict(_UEVENT.findall(text_or_none(path) or ""))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which nvidia10 comes after nvidia9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)]


# --------------------------------------------------------------------- modules and libraries


def _module_directories(config: Config, root: Path) -> Iterator[Path]:
    xorg = Path(config.programs.xorg)
    homes = list(_X_HOMES)
    if xorg.is_absolute():  # modules lie beside the server, in Debian's layout
        homes.insert(0, str(xorg.parent))
    for home in dict.fromkeys(homes):
        for modules in _X_MODULES:
            yield within(root, home) / modules
    for place in _PACKAGED_X_MODULES:
        yield within(root, place)


def _library_places(environ: Mapping[str, str], root: Path) -> Iterator[Path]:
    told = environ.get("LD_LIBRARY_PATH", "").split(":")
    for place in dict.fromkeys([*(p for p in told if p.startswith("/")), *_LIBRARY_PLACES]):
        yield within(root, place)


def _x_drivers(directories: Iterable[Path]) -> tuple[str, ...]:
    found = {
        name.removesuffix(_X_DRIVER)
        for directory in directories
        for name in names_or_none(directory)
        if name.endswith(_X_DRIVER) and os.access(directory / name, os.R_OK)
    }
    return tuple(sorted(found))


def _libraries(
    root: Path, directories: Iterable[Path], pattern: re.Pattern[str]
) -> tuple[Library, ...]:
    """Those whose names match, each file once, however many links lead to it."""
    found: dict[str, Library] = {}
    for directory in directories:
        for name in filter(pattern.fullmatch, names_or_none(directory)):
            path = directory / name
            file = os.path.realpath(path)
            if file not in found and os.path.isfile(file) and os.access(file, os.R_OK):  # noqa: PTH113 - raises never
                found[file] = Library(seen_from(root, path), _version_of(Path(file)))
    return tuple(found.values())


def _version_of(file: Path) -> str:
    """The driver version in a file's name, or else in the file itself; empty if there is none."""
    named = _VERSIONED.search(file.name)
    if named is not None:
        return named[1]
    try:
        inside = _MODULE_VERSION.search(data(file, MODULE_BYTES))
    except OSError:
        return ""
    return inside[1].decode("ascii") if inside is not None else ""


def _egl_vendors(root: Path) -> tuple[str, ...]:
    listed = {name for place in _EGL_VENDORS for name in names_or_none(within(root, place))}
    return tuple(sorted(name for name in listed if name.endswith(".json")))


def _virtualgl(config: Config, environ: Mapping[str, str], root: Path) -> VirtualGLInstall:
    configured = config.display.virtualgl_dir
    found = virtualgl.find(configured, environ, root=root)
    if found is None:
        raise NotKnownError(virtualgl.missing(configured))
    place = found.libraries or found.vglrun
    assert place is not None  # noqa: S101 - one of the two is what was found
    version = fact(lambda: _virtualgl_version(found))
    return VirtualGLInstall(seen_from(root, place), version)


def _virtualgl_version(found: virtualgl.VirtualGL) -> str:
    if found.vglrun is not None:
        told = _SCRIPT_VERSION.search(text_or_none(found.vglrun) or "")
        if told is not None:
            return told[1]
    if found.libraries is not None:
        faker = data(found.libraries / virtualgl.FAKERS[-1], MODULE_BYTES)
        inside = _FAKER_VERSION.search(faker)
        if inside is not None:
            return inside[1].decode("ascii")
    raise NotKnownError("its files do not tell")

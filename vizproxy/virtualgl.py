"""VirtualGL: where it is, and how a program is started through it.

VirtualGL is preloaded into a program. It sends the program's OpenGL to a *3D X server* (``:1``) or to a
GPU through EGL (``egl0``), reads every finished frame back and draws it into the program's window on
the desktop. Its script ``vglrun`` sets the environment for that and then execs the program, so PID,
signals and exit code are the program's own. Where there are only the libraries, we set the same.

The daemon looks for VirtualGL to choose a plan; the runner looks for it again, since it starts the
program in another container.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from vizproxy import libraries
from vizproxy.errors import MissingProgramError

DEFAULT_DIRECTORY: Final = Path("opt/VirtualGL")
"""Where its own packages install it, from the root."""

FAKERS: Final = ("libdlfaker.so", "libvglfaker.so")
"""What is preloaded, in this order: the first one lets the second take over what uses ``dlopen``."""

DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # The desktop is on this machine. VirtualGL would guess so, too, but for a session that came
        # through ssh vglrun may take the ssh client for the place to send compressed frames to.
        "VGL_COMPRESS": "proxy",
        # Else Ctrl-Shift-F9 is taken from the program, for a dialog that can break its picture.
        "VGL_GUI": "none",
    }
)
"""Settings that are right for a local 2D X server, where the user has not chosen otherwise."""

PUBLISHED: Final = "VirtualGL"
"""The directory of a VirtualGL that the desktop has published, in all that it has."""

NEEDED: Final = "needed"
"""What its libraries need may lie there: each library in a directory of its own, called as it is."""

EGL_DISPLAY: Final = "egl0"
"""The first GPU, as EGL counts them. A GPU's device node (``/dev/dri/card1``) names that one."""

_AS_VGLRUN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "VGL_ISACTIVE": "1",
        "GEOPROBE_USEGLX": "1",
        "PROMAGIC_USEGLX": "1",
        "VBOX_CROGL_FORCE_SUPPORTED": "1",
    }
)
_ANY_FAKER: Final = re.compile(r"lib(dlfaker|gefaker|vglfaker[^./]*)\.so")
_LIBRARY_PLACES: Final = ("lib64", "lib/*-linux-gnu", "lib")
_PREFIXES: Final = (Path("usr"), Path("usr/local"))


@dataclass(frozen=True, slots=True)
class VirtualGL:
    """An installation: the script, the directory of the libraries, or both.

    ``needed`` are directories of libraries that these need and this container lacks.
    """

    vglrun: Path | None
    libraries: Path | None
    needed: tuple[Path, ...] = ()

    def command(self, display: str, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line that draws on ``display`` (``:1``, ``egl0``) what ``argv`` draws."""
        if self.vglrun is None:
            return tuple(argv)
        return (str(self.vglrun), "-d", display, "--", *argv)

    def environment(self, display: str, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment for :meth:`command`, made from the one that the program would have."""
        env = {**DEFAULTS, **without(environ)}
        if self.libraries is not None:
            # vglrun would add an empty entry if there was none before, and that means the working
            # directory. It also finds a tree this way that was moved after it was built.
            path = _prepended(str(self.libraries), env.get("LD_LIBRARY_PATH", ""))
            others = [str(place) for place in self.needed if str(place) not in path.split(":")]
            env["LD_LIBRARY_PATH"] = ":".join([path, *others])
        if self.vglrun is None:
            own = env.get("LD_PRELOAD")
            env["LD_PRELOAD"] = ":".join([*FAKERS, own] if own else FAKERS)
            env |= {"VGL_DISPLAY": display, **_AS_VGLRUN}
        return env


def without(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which VirtualGL is not preloaded.

    A program that was itself started through VirtualGL, such as a terminal, hands its own on.
    """
    env = {name: value for name, value in environ.items() if name != "VGL_ISACTIVE"}
    if "LD_PRELOAD" in env:
        entries = [entry for entry in re.split(r"[:\s]+", env["LD_PRELOAD"]) if entry]
        others = [entry for entry in entries if not _ANY_FAKER.fullmatch(Path(entry).name)]
        if others != entries:
            env["LD_PRELOAD"] = ":".join(others)
            if not others:
                del env["LD_PRELOAD"]
    return env


def find(
    configured: Path | None,
    environ: Mapping[str, str],
    *,
    share: Path | None = None,
    root: Path = Path("/"),
) -> VirtualGL | None:
    """Find VirtualGL: in the configured directory, or else where it usually is.

    That is /opt/VirtualGL, then the ``vglrun`` on the PATH, then libraries among the system's, then
    what the desktop has published in ``share``. Blocks for some milliseconds if it comes to the last.
    """
    if configured is not None:
        return _in_tree(configured)
    if found := _in_tree(root / DEFAULT_DIRECTORY):
        return found
    script = shutil.which("vglrun", path=environ.get("PATH", ""))
    if script is not None:
        # A link into the tree may be all that is on the PATH.
        tree = Path(script).resolve().parent.parent
        return VirtualGL(Path(script), _libraries_in(tree))
    for prefix in _PREFIXES:
        if directory := _libraries_in(root / prefix):
            return VirtualGL(None, directory)
    return None if share is None else _published(share / PUBLISHED, environ)


def _published(tree: Path, environ: Mapping[str, str]) -> VirtualGL | None:
    """What the desktop has published, if programs of this container can load it.

    Its script is for people: it may need a shell that is not here, and does nothing that we do not.
    """
    directory = _libraries_in(tree)
    if directory is None:
        return None
    own = tuple(Path(entry) for entry in environ.get("LD_LIBRARY_PATH", "").split(":") if entry)
    added: tuple[Path, ...] = ()
    while True:
        found = libraries.needed(directory / FAKERS[-1], (*own, *added))
        if found is None:
            return None
        missing = [name for name, place in found.items() if place is None]
        if not missing:
            return VirtualGL(None, directory, added)
        places = tuple(tree / NEEDED / name for name in missing)
        if not all((place / place.name).is_file() and place not in added for place in places):
            return None
        added += places  # which may need others in turn


def display_here(display: str) -> str:
    """What to draw on here, as told by a daemon that may be in another container.

    A GPU's device node may be missing in this one, although the GPU is not: then it is the first.
    """
    usable = not display.startswith("/") or os.access(display, os.R_OK | os.W_OK)
    return display if usable else EGL_DISPLAY


def get(
    configured: Path | None, environ: Mapping[str, str], *, share: Path | None = None
) -> VirtualGL:
    """Find VirtualGL where a program is about to be started through it.

    Raises:
        MissingProgramError: it is not here.
    """
    found = find(configured, environ, share=share)
    if found is None:
        raise MissingProgramError(
            "draw through VirtualGL",
            missing(configured),
            "installing it in the container of the program, too, display.virtualgl_dir, or "
            "`--plan software`",
        )
    return found


def missing(configured: Path | None) -> str:
    """Say, for the middle of a sentence, that VirtualGL was not found."""
    return (
        "VirtualGL is not installed" if configured is None else f"VirtualGL is not in {configured}"
    )


def _in_tree(tree: Path) -> VirtualGL | None:
    script = tree / "bin" / "vglrun"
    directory = _libraries_in(tree)
    runnable = os.path.isfile(script) and os.access(script, os.X_OK)  # noqa: PTH113 - raises never
    if not runnable and directory is None:
        return None
    return VirtualGL(script if runnable else None, directory)


def _libraries_in(tree: Path) -> Path | None:
    for place in _LIBRARY_PLACES:
        for directory in sorted(glob.glob(place, root_dir=tree)):  # noqa: PTH207 - raises never
            for candidate in (tree / directory, tree / directory / "VirtualGL"):
                if all(os.access(candidate / name, os.R_OK) for name in FAKERS):
                    return candidate
    return None


def _prepended(entry: str, path: str) -> str:
    entries = [other for other in path.split(":") if other]
    return path if entry in entries else ":".join([entry, *entries])

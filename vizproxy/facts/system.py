"""What the system gives us: programs, memory that processes share, room on disks, limits.

``root`` is where the file system begins; paths are told as they are written on the machine itself.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import psutil

from vizproxy.config import Config
from vizproxy.config.model import Programs
from vizproxy.facts import jupyter
from vizproxy.facts.model import (
    Fact,
    Limit,
    Place,
    Program,
    Space,
    System,
    SysvMemory,
    known,
    unknown,
)
from vizproxy.facts.reading import (
    NotKnownError,
    fact,
    octal,
    plain,
    seen_from,
    text,
    text_or_none,
    within,
)

DRIVER_CAPABILITIES: Final = "NVIDIA_DRIVER_CAPABILITIES"
VISIBLE_DEVICES: Final = "NVIDIA_VISIBLE_DEVICES"

_X_SOCKETS: Final = "/tmp/.X11-unix"  # noqa: S108 - where every X client looks
_TEMPORARY: Final = "/tmp"  # noqa: S108 - where X servers have their locks
_SEGMENTS_BYTES: Final = 4 * 1024 * 1024
"""Room for the kernel's table of 32768 segments, of some 120 bytes each."""

_OS_NAME: Final = re.compile(r"""^PRETTY_NAME=["']?(.*?)["']?\s*$""", re.MULTILINE)
_CONTAINER_MARKS: Final = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
_CONTAINER_VARIABLES: Final = ("container", "KUBERNETES_SERVICE_HOST")
_CONTAINER_GROUP: Final = re.compile(r"kubepods|docker|containerd|libpod|crio|lxc")
_OVERLAY_ROOT: Final = re.compile(r"^\S+ / (overlay|fuse\.fuse-overlayfs) ", re.MULTILINE)


def read(config: Config, environ: Mapping[str, str], root: Path = Path("/")) -> System:
    """Look at all of it. Never raises. Blocks for as long as a file system does."""
    return System(
        name=fact(lambda: _name(root)),
        uid=os.geteuid(),
        container=fact(lambda: _container(environ, root)),
        driver_capabilities=_variable(environ, DRIVER_CAPABILITIES),
        visible_devices=_variable(environ, VISIBLE_DEVICES),
        programs=tuple(_programs(config, environ, root)),
        shared_memory=fact(lambda: _space(root / "dev/shm")),
        sysv_memory=fact(lambda: _sysv_memory(root)),
        x_sockets=fact(lambda: _directory(root, within(root, _X_SOCKETS))),
        runtime_dir=fact(lambda: _directory(root, _nearest(root, config))),
        runtime_space=fact(lambda: _space(_nearest(root, config))),
        temporary_space=fact(lambda: _space(within(root, _TEMPORARY))),
        open_files=fact(lambda: _limit(resource.RLIMIT_NOFILE)),
        processes=fact(lambda: _limit(resource.RLIMIT_NPROC)),
        jupyter=jupyter.read(environ, root),
    )


def not_read(reason: str, environ: Mapping[str, str]) -> System:
    """What is known where nothing can be looked at, for ``reason``."""
    nothing = unknown(reason)
    told: dict[str, Any] = {
        "uid": os.geteuid(),
        "driver_capabilities": _variable(environ, DRIVER_CAPABILITIES),
        "visible_devices": _variable(environ, VISIBLE_DEVICES),
        "programs": tuple(Program(part.name, nothing) for part in fields(Programs)),
    }
    return System(**(dict.fromkeys((part.name for part in fields(System)), nothing) | told))


def _name(root: Path) -> str:
    for place in ("etc/os-release", "usr/lib/os-release"):
        found = _OS_NAME.search(text_or_none(root / place) or "")
        if found is not None and found[1]:
            return found[1]
    raise NotKnownError("/etc/os-release does not tell")


def _container(environ: Mapping[str, str], root: Path) -> bool:
    """Whether there is any sign of a container: runtimes leave different ones."""
    if any(environ.get(name) for name in _CONTAINER_VARIABLES):
        return True
    if any(os.path.lexists(within(root, mark)) for mark in _CONTAINER_MARKS):
        return True
    groups = text_or_none(root / "proc/1/cgroup") or ""
    mounts = text_or_none(root / "proc/mounts") or ""
    return bool(_CONTAINER_GROUP.search(groups) or _OVERLAY_ROOT.search(mounts))


def _variable(environ: Mapping[str, str], name: str) -> Fact[str]:
    value = environ.get(name)
    return unknown(f"{name} is not set") if value is None else known(plain(value))


def _programs(config: Config, environ: Mapping[str, str], root: Path) -> Iterator[Program]:
    """Each program of the desktop. An absolute path and those of PATH are taken from ``root``."""
    own = environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(str(within(root, place)) for place in own if place.startswith("/"))
    for part in fields(Programs):
        program: str = getattr(config.programs, part.name)
        wanted = str(within(root, program)) if program.startswith("/") else program
        found = shutil.which(wanted, path=path)
        if found is None:
            yield Program(part.name, unknown(_why_no(program, os.path.lexists(wanted))))
        else:
            yield Program(part.name, known(seen_from(root, found)))


def _why_no(program: str, there: bool) -> str:
    what = plain(program)
    if not program.startswith("/"):
        return f"{what} is not on PATH"
    return f"{what} cannot be executed" if there else f"{what} is not there"


def _space(path: Path) -> Space:
    """The room in the file system of ``path``; free is what is so without privileges."""
    usage = psutil.disk_usage(str(path))
    return Space(usage.total, usage.free)


def _sysv_memory(root: Path) -> SysvMemory:
    kernel = root / "proc/sys/kernel"
    try:
        largest, most = (int(text(kernel / name)) for name in ("shmmax", "shmmni"))
        table = text(root / "proc/sysvipc/shm", _SEGMENTS_BYTES)
    except FileNotFoundError:
        raise NotKnownError("this kernel has no System V shared memory") from None
    except ValueError:
        raise NotKnownError("the kernel's limits on it are no numbers") from None
    return SysvMemory(largest, most, max(0, len(table.splitlines()) - 1))  # below column names


def _directory(root: Path, path: Path) -> Place:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise NotKnownError(f"{seen_from(root, path)} is not there") from None
    if not path.is_dir():
        raise NotKnownError(f"{seen_from(root, path)} is not a directory")
    writable = os.access(path, os.W_OK | os.X_OK)
    return Place(seen_from(root, path), octal(status.st_mode), status.st_uid, writable)


def _nearest(root: Path, config: Config) -> Path:
    """The runtime directory, or the nearest one above it that is there."""
    wanted = within(root, config.runtime.dir.absolute())
    return next((path for path in (wanted, *wanted.parents) if os.path.lexists(path)), root)


def _limit(kind: int) -> Limit:
    soft, hard = (None if n == resource.RLIM_INFINITY else n for n in resource.getrlimit(kind))
    return Limit(soft, hard)

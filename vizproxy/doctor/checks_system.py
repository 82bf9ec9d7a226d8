"""Checks of what any desktop needs, with or without a GPU: programs, memory, places, limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vizproxy.amounts import amount_text
from vizproxy.config import GpuDriver
from vizproxy.display.files import PACKAGES
from vizproxy.display.plan import RenderingPlan
from vizproxy.doctor.case import Case
from vizproxy.doctor.check import Verdict, fine, lesser, wrong
from vizproxy.doctor.words import are, bits, listed
from vizproxy.facts.model import Limit, Place, Program, Space, SysvMemory

_MIB: Final = 1024**2
_BYTES_PER_PIXEL: Final = 4
_LITTLE_SHM: Final = 16 * _MIB
_USUAL_SHM: Final = 64 * _MIB
_LITTLE_DISK: Final = 64 * _MIB
_NO_DISK: Final = 4 * _MIB
_FEW_SEGMENTS: Final = 200
"""x11vnc takes some fifty, and each program that shows pictures some."""
_FEW_FILES: Final = 1024
_FEW_PROCESSES: Final = 256
_SHM: Final = "/dev/shm"  # noqa: S108 - where it is
_X_SOCKETS: Final = "/tmp/.X11-unix"  # noqa: S108 - where every X client looks
_NO_START: Final = "the desktop cannot start"
_X_DRIVERS: Final = {
    GpuDriver.DUMMY: "xserver-xorg-video-dummy",
    GpuDriver.AMDGPU: "xserver-xorg-video-amdgpu",
    GpuDriver.MODESETTING: "xserver-xorg-core",
}
"""The Debian package of each driver of Xorg's own."""


def programs(case: Case) -> Iterator[Verdict]:
    """Are the programs there that make up the desktop, and Xorg's drivers?"""
    wanted = case.machine.system.programs
    missing = [program for program in wanted if program.path.value is None]
    if case.served:
        yield fine(_here(case, missing))
        return
    if missing:
        settings = case.config.programs
        names = [f"{getattr(settings, p.name, p.name)} (programs.{p.name})" for p in missing]
        yield wrong(
            f"{listed(names)} {are(len(names))} not installed",
            _NO_START,
            f"`apt-get install {' '.join(PACKAGES.get(p.name, p.name) for p in missing)}`, or set "
            "other paths in the configuration",
        )
    lacking = _lacking_x_drivers(case)
    if lacking:
        yield wrong(
            f"Xorg has no driver {listed(lacking, 'or')}",
            _NO_START,
            f"`apt-get install {' '.join(_X_DRIVERS[driver] for driver in lacking)}`",
        )
    if not missing and not lacking:
        yield fine(_paths(case))


def _here(case: Case, missing: list[Program]) -> str:
    """What to say of the programs where a desktop runs that has its own."""
    if not missing:
        return _paths(case)
    names = listed(getattr(case.config.programs, p.name, p.name) for p in missing)
    return f"{names} {are(len(missing))} not here, and need not be: the desktop runs elsewhere"


def _paths(case: Case) -> str:
    return ", ".join(program.path.get("") for program in case.machine.system.programs)


def _lacking_x_drivers(case: Case) -> list[GpuDriver]:
    """The drivers that the plan's X servers load and that are not here, NVIDIA's aside."""
    here = case.machine.files.x_drivers.value
    if here is None or not isinstance(case.plan, RenderingPlan):
        return []
    templates = (case.plan.desktop_template, case.plan.gpu_template)
    return [driver for driver in _X_DRIVERS if f"{driver}.conf" in templates and driver not in here]


def shared_memory(case: Case) -> Iterator[Verdict]:
    """Is there shared memory, of both kinds, and do the desktop and we share it?"""
    troubles = [*_posix(case.machine.system.shared_memory.value), *_sysv(case), *_across(case)]
    if troubles:
        yield from troubles
        return
    said = []
    shm = case.machine.system.shared_memory.value
    if shm is not None:
        said.append(f"{_SHM} has {amount_text(shm.total)}")
    sysv = case.machine.system.sysv_memory.value
    if sysv is not None:
        said.append(f"{sysv.segments} of {sysv.max_segments} System V segments are taken")
    little = shm is not None and shm.total <= _USUAL_SHM
    yield fine(
        "; ".join(said) or "nothing is known of it",
        "browsers and programs that compute in parallel want more than a container's usual 64 MiB "
        "(an emptyDir with `medium: Memory` on /dev/shm)"
        if little
        else "",
    )


def _posix(shm: Space | None) -> Iterator[Verdict]:
    if shm is not None and shm.free < _LITTLE_SHM:
        yield lesser(
            f"{_SHM} has {amount_text(shm.free)} left of {amount_text(shm.total)}",
            "programs that share memory by it, such as browsers, crash or will not start",
            "mount an emptyDir with `medium: Memory` on /dev/shm (docker: `--shm-size=1g`), or end "
            "what fills it",
        )


def _sysv(case: Case) -> Iterator[Verdict]:
    sysv = case.machine.system.sysv_memory.value
    if sysv is None:
        return
    remedy = "see `ipcs -m` for whose they are, and remove what nobody has attached (`ipcrm -m ID`)"
    slow = "pictures go through the X socket instead, which is slow"
    if sysv.segments >= sysv.max_segments:
        yield wrong(_taken(sysv), "the VNC server cannot read the screen", remedy)
    elif sysv.max_segments - sysv.segments < _FEW_SEGMENTS:
        yield lesser(_taken(sysv), f"when all are, {slow}", remedy)
    size = case.plan.size if isinstance(case.plan, RenderingPlan) else case.config.display.size
    picture = size.width * size.height * _BYTES_PER_PIXEL
    if sysv.max_segment < picture:
        yield lesser(
            f"a System V segment may have {amount_text(sysv.max_segment)}, and a picture of the "
            f"desktop is {amount_text(picture)}",
            slow,
            f"raise kernel.shmmax to {picture} or more (securityContext.sysctls of the Pod, or "
            "docker's `--sysctl`)",
        )


def _taken(sysv: SysvMemory) -> str:
    return f"{sysv.segments} of {sysv.max_segments} System V segments are taken"


def _across(case: Case) -> Iterator[Verdict]:
    desktop = case.machine.desktop.value
    if desktop is None:
        return
    apart = [display.name for display in desktop.displays if display.shares_memory.value is False]
    if apart:
        yield lesser(
            f"we and the X server {listed(apart)} have no shared memory in common",
            "programs that are started here send every picture through the X socket, which is slow",
            "run them in the desktop's IPC namespace: containers of one Pod have that, docker's need "
            "`--ipc=container:NAME`",
        )


def x_sockets(case: Case) -> Iterator[Verdict]:
    """Can X servers listen where every X client looks?"""
    place = case.machine.system.x_sockets.value
    running = case.machine.desktop.value is not None
    if place is None:
        if running:
            yield lesser(
                f"{_X_SOCKETS} is not here, although a desktop runs",
                "programs that are started here may not find the desktop",
                f"mount the desktop's {_X_SOCKETS} here: an emptyDir that both containers mount",
            )
        else:
            yield fine(f"{_X_SOCKETS} is not here yet: the desktop makes it when it starts")
    elif not place.writable and not case.served:
        yield wrong(
            f"{_X_SOCKETS} may not be written: mode {place.mode}, owner {place.uid}",
            "no X server of ours can listen there",
            f"make its mode 1777 (`chmod 1777 {_X_SOCKETS}`), or mount an emptyDir on it",
        )
    elif (
        bits(place.mode) & 0o1000 == 0
        and bits(place.mode) & 0o022
        and not case.in_container  # Kubernetes makes volumes so, each for one Pod
    ):
        yield lesser(
            f"{_X_SOCKETS} has the mode {place.mode}, without the sticky bit",
            "other users of this machine could put a server of theirs in place of yours",
            f"`chmod 1777 {_X_SOCKETS}`",
        )
    else:
        yield fine(f"{place.path}, mode {place.mode}")


def disk(case: Case) -> Iterator[Verdict]:
    """Is there room, and may we write?"""
    system = case.machine.system
    place = system.runtime_dir.value
    troubles = [] if place is None else list(_unfit_directory(case, place))
    room = {"/tmp": system.temporary_space.value}  # noqa: S108 - a name, for people
    own = "the runtime directory" if place is None else place.path
    if system.runtime_space.value != room["/tmp"]:  # noqa: S108 - else it lies in the same volume
        room = {own: system.runtime_space.value, **room}
    for name, space in room.items():
        troubles += _full(name, space)
    if troubles:
        yield from troubles
        return
    left = [f"{amount_text(space.free)} on {name}" for name, space in room.items() if space]
    yield fine(f"free: {', '.join(left)}" if left else "nothing is known of it")


def _unfit_directory(case: Case, place: Place) -> Iterator[Verdict]:
    own = case.machine.system.uid
    desktop = case.machine.desktop.value
    cookie = None if desktop is None else desktop.cookie.value  # it is the desktop's own user's
    trusted = {own, 0} if cookie is None else {own, 0, cookie.uid}
    other_dir = "use a directory of your own (runtime.dir, or --runtime-dir)"
    if not place.writable and not case.served:
        yield wrong(f"{place.path} may not be written by us (uid {own})", _NO_START, other_dir)
    elif place.uid not in trusted and bits(place.mode) & 0o1000 == 0:
        yield wrong(
            f"{place.path} belongs to another user (uid {place.uid})",
            "they could take the desktop's sockets and cookie away and put their own there",
            other_dir,
        )


def _full(name: str, space: Space | None) -> Iterator[Verdict]:
    if space is None or space.free >= _LITTLE_DISK:
        return
    what = f"{name} has {amount_text(space.free)} left of {amount_text(space.total)}"
    remedy = f"make room on {name}, or let a larger volume be mounted there"
    if space.free < _NO_DISK:
        yield wrong(what, "the desktop cannot write its files, and programs fail to save", remedy)
    else:
        yield lesser(what, "programs that save something may soon fail", remedy)


def limits(case: Case) -> Iterator[Verdict]:
    """Do the limits on files and processes allow for a desktop with programs?"""
    system = case.machine.system
    files, processes = system.open_files.value, system.processes.value
    few_files = _below(files, _FEW_FILES)
    few_processes = _below(processes, _FEW_PROCESSES)
    if few_files is not None:
        yield lesser(
            f"a process may open {few_files} files",
            "programs with many windows or data files, and viewers beyond the first, may be refused",
            f"raise it to {_FEW_FILES} or more: `ulimit -n`, docker's `--ulimit nofile=`, or the "
            "container runtime's limit on the node",
        )
    if few_processes is not None:
        yield lesser(
            f"we may have {few_processes} processes and threads",
            "programs that compute with many threads fail to start",
            f"raise it to {_FEW_PROCESSES} or more: `ulimit -u`, docker's `--ulimit nproc=`, or the "
            "kubelet's podPidsLimit",
        )
    if few_files is None and few_processes is None:
        yield fine(f"open files {_number(files)}, processes {_number(processes)}")


def _below(limit: Limit | None, least: int) -> int | None:
    """The limit if it is lower than that."""
    if limit is None or limit.soft is None or limit.soft >= least:
        return None
    return limit.soft


def _number(limit: Limit | None) -> str:
    if limit is None:
        return "not known"
    return "unlimited" if limit.soft is None else f"{limit.soft}"

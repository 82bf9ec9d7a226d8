"""What the system gives us, in made-up trees and on this machine."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.factual import config, make, told
from vizproxy.config import Runtime
from vizproxy.facts.model import Limit, Place, Program, SysvMemory, known, unknown
from vizproxy.facts.system import not_read, read

UID = os.geteuid()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12"\n', known("Debian GNU/Linux 12")),
        (b"PRETTY_NAME=Alpine\n", known("Alpine")),
        (b"\xff\xfe\0", unknown("/etc/os-release does not tell")),
    ],
)
def test_the_name_of_the_system(tmp_path: Path, content: bytes, name: object) -> None:
    make(tmp_path, "etc/os-release", content=content)
    assert read(config(), {}, tmp_path).name == name


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (".dockerenv", b""),
        ("run/.containerenv", b""),
        ("proc/1/cgroup", b"0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-1.scope\n"),
        ("proc/mounts", b"overlay / overlay rw,relatime 0 0\nproc /proc proc rw 0 0\n"),
    ],
)
def test_signs_of_a_container(tmp_path: Path, path: str, content: bytes) -> None:
    assert read(config(), {}, tmp_path).container == known(False)
    make(tmp_path, path, content=content)
    assert read(config(), {}, tmp_path).container == known(True)


def test_no_container(tmp_path: Path) -> None:
    make(tmp_path, "proc/1/cgroup", content=b"0::/init.scope\n")
    make(
        tmp_path, "proc/mounts", content=b"/dev/sda1 / ext4 rw 0 0\noverlay /var/x overlay rw 0 0\n"
    )
    assert read(config(), {"container": ""}, tmp_path).container == known(False)
    assert read(config(), {"container": "podman"}, tmp_path).container == known(True)


def test_nvidias_variables(tmp_path: Path) -> None:
    system = read(config(), {"NVIDIA_VISIBLE_DEVICES": "all"}, tmp_path)
    assert system.visible_devices == known("all")
    assert system.driver_capabilities == unknown("NVIDIA_DRIVER_CAPABILITIES is not set")


def test_an_empty_variable_is_set(tmp_path: Path) -> None:
    system = read(config(), {"NVIDIA_DRIVER_CAPABILITIES": ""}, tmp_path)
    assert system.driver_capabilities == known("")


def test_programs(tmp_path: Path) -> None:
    make(tmp_path, "usr/lib/xorg/Xorg", "usr/bin/openbox", "usr/bin/setpriv")
    (tmp_path / "usr/lib/xorg/Xorg").chmod(0o755)
    (tmp_path / "usr/bin/openbox").chmod(0o755)
    system = read(config(), {"PATH": ":relative:/bin:/usr/bin"}, tmp_path)
    assert system.programs == (
        Program("xorg", known("/usr/lib/xorg/Xorg")),
        Program("window_manager", known("/usr/bin/openbox")),
        Program("x11vnc", unknown("x11vnc is not on PATH")),
        Program("setpriv", unknown("setpriv is not on PATH")),
    )


@pytest.mark.parametrize(("there", "why"), [(True, "cannot be executed"), (False, "is not there")])
def test_a_program_by_its_path(tmp_path: Path, there: bool, why: str) -> None:
    if there:
        make(tmp_path, "opt/Xorg")
    xorg, *_ = read(config(xorg="/opt/Xorg"), {}, tmp_path).programs
    assert xorg == Program("xorg", unknown(f"/opt/Xorg {why}"))


def test_shared_memory_of_system_v(tmp_path: Path) -> None:
    make(tmp_path, "proc/sys/kernel/shmmax", content=b"18446744073692774399\n")
    make(tmp_path, "proc/sys/kernel/shmmni", content=b"4096\n")
    make(tmp_path, "proc/sysvipc/shm", content=b" key shmid perms\n  0  1  600\n  0  2  600\n")
    found = read(config(), {}, tmp_path).sysv_memory
    assert found == known(SysvMemory(18446744073692774399, 4096, 2))


def test_a_kernel_without_shared_memory_of_system_v(tmp_path: Path) -> None:
    found = read(config(), {}, tmp_path).sysv_memory
    assert found == unknown("this kernel has no System V shared memory")
    make(tmp_path, "proc/sys/kernel/shmmax", content=b"much")
    found = read(config(), {}, tmp_path).sysv_memory
    assert found == unknown("the kernel's limits on it are no numbers")


def test_where_x_servers_listen(tmp_path: Path) -> None:
    assert read(config(), {}, tmp_path).x_sockets == unknown("/tmp/.X11-unix is not there")
    make(tmp_path, "tmp/.X11-unix")
    assert read(config(), {}, tmp_path).x_sockets == unknown("/tmp/.X11-unix is not a directory")
    (tmp_path / "tmp/.X11-unix").unlink()
    (tmp_path / "tmp/.X11-unix").mkdir()
    (tmp_path / "tmp/.X11-unix").chmod(0o1777)
    found = read(config(), {}, tmp_path).x_sockets
    assert found == known(Place("/tmp/.X11-unix", "1777", UID, writable=True))


def test_the_runtime_directory_or_what_is_above_it(tmp_path: Path) -> None:
    (tmp_path / "run/user").mkdir(parents=True)
    (tmp_path / "run/user").chmod(0o755)
    above = read(config(), {}, tmp_path)
    assert above.runtime_dir == known(Place("/run/user", "0755", UID, writable=True))
    assert above.runtime_space.value is not None
    (tmp_path / "run/user/1000/vizproxy").mkdir(parents=True)
    (tmp_path / "run/user/1000/vizproxy").chmod(0o700)
    own = read(config(), {}, tmp_path).runtime_dir
    assert own == known(Place("/run/user/1000/vizproxy", "0700", UID, writable=True))


def test_room_and_limits() -> None:
    system = read(config(), os.environ)
    for space in (system.shared_memory, system.temporary_space, system.runtime_space):
        assert space.value is not None
        assert 0 <= space.value.free <= space.value.total
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    assert system.open_files == known(
        Limit(None if soft == unlimited else soft, None if hard == unlimited else hard)
    )


def test_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, resource.RLIM_INFINITY))
    assert read(config(), {}, tmp_path).processes == known(Limit(1024, None))


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    found = read(config(), {}, tmp_path).shared_memory
    assert found == unknown(f"{tmp_path}/dev/shm cannot be read: no such file or directory")


def test_a_relative_runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir(mode=0o700)
    relative = replace(config(), runtime=Runtime(Path("here")))
    assert read(relative, {}).runtime_dir.get(Place("", "", 0, writable=False)).path == str(
        tmp_path / "here"
    )


def test_nothing_that_can_be_looked_at() -> None:
    system = not_read("a file system hangs", {"NVIDIA_VISIBLE_DEVICES": "all"})
    assert told(system)
    assert (system.uid, system.visible_devices) == (UID, known("all"))
    assert system.runtime_space == unknown("a file system hangs")
    assert system.programs[0] == Program("xorg", unknown("a file system hangs"))


def test_this_machine() -> None:
    system = read(config(), os.environ)
    assert told(system)
    assert system.name.value

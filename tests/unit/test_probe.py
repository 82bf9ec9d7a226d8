"""All facts about a machine at once, however odd its files are."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.factual import config, make, told
from vizproxy.facts import files, jupyter, system
from vizproxy.facts.calls import DriverCalls
from vizproxy.facts.model import Machine, known, unknown
from vizproxy.facts.nvml import NVML
from vizproxy.facts.probe import probe

LOOKED_AT = (
    *("dev", "dev/nvidia0", "dev/nvidiactl", "dev/dri", "dev/dri/card0", "dev/shm"),
    *("sys/module/nvidia/version", "sys/class/drm/card0", "sys/class/drm/card0/device/uevent"),
    *("proc", "proc/driver/nvidia/version", "proc/driver/nvidia/gpus"),
    "proc/driver/nvidia/gpus/0000:3b:00.0/information",
    *("proc/sys/kernel/shmmax", "proc/sys/kernel/shmmni", "proc/sysvipc/shm"),
    *("proc/1/cgroup", "proc/mounts", "etc/os-release", "etc/profile", "tmp", "tmp/.X11-unix"),
    *("usr/lib/xorg/Xorg", "usr/lib/xorg/modules/drivers", "usr/bin/openbox"),
    "usr/lib/xorg/modules/drivers/nvidia_drv.so",
    "usr/lib/nvidia/libglxserver_nvidia.so",
    *("usr/lib64/libEGL_nvidia.so.0", "usr/share/glvnd/egl_vendor.d"),
    *("opt/VirtualGL", "opt/VirtualGL/bin/vglrun", "opt/VirtualGL/lib64"),
    *("opt/VirtualGL/lib64/libdlfaker.so", "opt/VirtualGL/lib64/libvglfaker.so"),
    *("run/user/1000/vizproxy", "home/.jupyter/jupyter_server_config.json"),
)
CONTENTS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            b"NVRM version: NVIDIA UNIX Kernel Module  5\n",
            b"Model: \xff\nDevice Minor: 99999999999999999999999\n",
            b"DRIVER=\nPCI_SLOT_NAME=nonsense\n",
            b"PRETTY_NAME=\n" * 3,
            b"9" * 5000,
        ]
    ),
)
KINDS = st.sampled_from(["file", "closed", "directory", "pipe", "nowhere", "loop", "huge", "dozen"])


def put(path: Path, kind: str, content: bytes) -> None:
    """Put something of a kind at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in {"file", "closed"}:
        path.write_bytes(content)
        path.chmod(0o755 if kind == "file" else 0)
    elif kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "nowhere":
        path.symlink_to("not-there")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "huge":
        path.touch(0o755)
        os.truncate(path, 2**33)
    else:
        path.mkdir()
        for name in ("card0", "\udcff", "a\nb.json", "nvidia_drv.so", "0000:3b:00.0"):
            (path / name).touch()


@settings(max_examples=40)
@given(
    there=st.dictionaries(
        st.sampled_from(LOOKED_AT), st.tuples(KINDS, CONTENTS), min_size=1, max_size=12
    )
)
def test_it_never_raises(there: dict[str, tuple[str, bytes]]) -> None:
    """Nor does it wait for a pipe, or read a file to an end that it does not have."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, (kind, content) in there.items():
            with suppress(OSError):  # something else is above it
                put(root / path, kind, content)
        odd = {"PATH": "/usr/bin:/\udcff", "NVIDIA_VISIBLE_DEVICES": "\udcff"}
        environ = {**odd, "HOME": str(root / "home"), "LD_LIBRARY_PATH": "/dev"}
        found = (
            files.read(config(), environ, root),
            system.read(config(xorg="/\udcff"), environ, root),
            jupyter.read(environ, root, root),
        )
    assert told(found)
    assert msgspec.json.encode(found), "it can be recorded"


def test_all_of_this_machine() -> None:
    machine = probe(config(), os.environ, library=NVML)
    assert isinstance(machine, Machine)
    assert told(machine)
    assert machine.desktop == unknown("nobody asked it")


def test_a_file_system_that_hangs(tmp_path: Path) -> None:
    """What else there is to know is known: what the kernel's driver says comes from memory."""
    make(tmp_path, "usr/share/glvnd/egl_vendor.d/50_mesa.json")
    version = tmp_path / "sys/module/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text("550.127.05\n")
    answered = threading.Event()
    disk = DriverCalls(0.05)
    with pytest.raises(TimeoutError):
        disk.wait(answered.wait)
    begun = time.monotonic()
    machine = probe(config(), {}, root=tmp_path, disk=disk)
    answered.set()
    assert time.monotonic() - begun < 5
    assert machine.system == system.not_read("a file system has not answered in time", {})
    assert machine.files.egl_vendors == unknown("a file system has not answered in time")
    assert machine.files.kernel_driver == known("550.127.05")
    assert told(machine)


def test_a_driver_that_hangs(tmp_path: Path) -> None:
    answered = threading.Event()
    calls = DriverCalls(0.05)
    with pytest.raises(TimeoutError):
        calls.wait(answered.wait)
    begun = time.monotonic()
    machine = probe(config(), {}, root=tmp_path, calls=calls)
    answered.set()
    assert time.monotonic() - begun < 5
    assert machine.nvml.gpus.value is None
    assert machine.files.kernel_driver.value is None
    assert machine.system.uid == os.geteuid()
    assert told(machine)

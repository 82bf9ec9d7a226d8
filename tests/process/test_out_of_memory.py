"""A real lack of memory: the kernel kills a child, and the desktop says so."""

import asyncio
import contextlib
import errno
import os
import sys
from pathlib import Path

import pytest

from tests.broker.desk import Desk
from tests.process.scripts import write_script
from tests.support import eventually, part, running_daemon
from vizproxy.cgroups import find

LIMIT = 600 * 1024**2
"""Room for the desktop, which takes some 250 MiB, and not for what takes all that it gets."""

TAKES_ALL_MEMORY = """
echo 1000 > /proc/self/oom_score_adj
exec tail /dev/zero
"""

IN_CGROUP = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'

VIZPROXY = (sys.executable, "-m", "vizproxy.cli.main")

LIMITS = {1: "memory.limit_in_bytes", 2: "memory.max"}


def make_cgroup():
    """A cgroup below this process's own, or on version 2 below the nearest that may have some."""
    groups, mounts = (Path(f"/proc/self/{name}").read_text() for name in ("cgroup", "mountinfo"))
    place = find(groups, mounts)
    if place is None:
        pytest.skip("no cgroup with the memory controller is mounted here")
    parents = (
        [place.directory, *place.directory.parents] if place.version == 2 else [place.directory]
    )
    for parent in parents:
        made = parent / f"vizproxy-test-{os.getpid()}"
        try:
            made.mkdir()
        except OSError:
            break
        try:
            (made / LIMITS[place.version]).write_text(str(LIMIT))
        except OSError:
            made.rmdir()
        else:
            return made
    pytest.skip("this kernel lets us make no cgroup with a limit on memory (root may)")


@pytest.fixture
async def cgroup():
    made = make_cgroup()
    try:
        yield made
    finally:

        async def removed():
            try:
                made.rmdir()
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                return False
            return True

        await eventually(removed)


def in_cgroup(cgroup, *command):
    return ("/bin/sh", "-c", IN_CGROUP, "sh", str(cgroup), *command)


async def test_a_child_that_the_kernel_kills_for_lack_of_memory_is_named(tmp_path, cgroup):
    hog = write_script(tmp_path / "wm", TAKES_ALL_MEMORY)
    running = running_daemon(
        tmp_path,
        wait=False,
        command=in_cgroup(cgroup, *VIZPROXY),
        VIZPROXY_PROGRAMS_WINDOW_MANAGER=str(hog),
        VIZPROXY_SUPERVISION_MAX_FAILURES="2",
        VIZPROXY_SUPERVISION_BACKOFF_INITIAL="0.02",
    )
    async with running as daemon, daemon.connected() as session:
        status = await daemon.until(lambda s: part(s, "wm")["state"] == "fatal", limit=60)
        reason = part(status, "wm")["reason"]
        assert reason.startswith("was killed by SIGKILL, it seems by the kernel for lack of memory")
        assert "600 MiB" in reason
        assert "resources.limits.memory" in reason
        assert f"gave up after 2 failures: {reason}" in daemon.log.read_text()
        async with session.get("metrics") as response:
            metrics = await response.text()
        assert 'component_restarts_total{cause="out_of_memory",component="wm"} 1.0' in metrics

        # and a kill that has nothing to do with memory is none for lack of it
        with contextlib.suppress(ProcessLookupError):
            os.kill((await daemon.pids())["x11vnc"], 9)
        await daemon.until(lambda s: part(s, "x11vnc")["restarts"] == 1)
        killed = [line for line in daemon.log.read_text().splitlines() if "x11vnc" in line]
        assert any(line.endswith("-> backoff: was killed by SIGKILL") for line in killed)


@pytest.mark.parametrize("through_shell", [False, True])
async def test_an_app_that_the_kernel_kills_in_its_own_container_is_named(
    daemon, tmp_path, cgroup, through_shell
):
    hog = write_script(tmp_path / "hog", TAKES_ALL_MEMORY)
    program = ("sh", "-c", f"{hog}; exit $?") if through_shell else (str(hog),)
    run = (*VIZPROXY, "run", "--detach", f"--http-socket={daemon.socket}", "--", *program)
    process = await asyncio.create_subprocess_exec(
        *in_cgroup(cgroup, *run), stdout=asyncio.subprocess.PIPE
    )
    name, _ = await process.communicate()
    assert process.returncode == 0
    notice = await Desk(daemon).notice("failed", name.decode().strip(), limit=30)
    assert "was killed by SIGKILL, it seems by the kernel for lack of memory" in notice["text"]
    assert "600 MiB" in notice["text"]
    assert ("exited with status 137" in notice["text"]) == through_shell

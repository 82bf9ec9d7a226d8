"""What the window manager may do: nothing to other processes, and start none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support import Daemon, window_on
from vizproxy.display import confined

TRY = """
import os, subprocess, sys, threading
def tried(act):
    try:
        act()
    except PermissionError:
        print("refused")
    else:
        print("done")
tried(os.fork)
tried(lambda: subprocess.run(["true"]))
tried(lambda: os.kill(os.getppid(), 0))
tried(lambda: os.kill(int(sys.argv[1]), 0))
tried(lambda: os.kill(-1, 0))
tried(lambda: os.kill(-os.getpgid(0), 0))
tried(lambda: os.kill(os.getpid(), 0))
threading.Thread(target=lambda: tried(lambda: None)).start()
"""


def test_it_starts_no_process_and_signals_none_of_its_parents() -> None:
    with subprocess.Popen(("sleep", "60")) as sibling:
        command = (sys.executable, "-I", "-S", confined.__file__, sys.executable, "-c", TRY)
        ended = subprocess.run(
            (*command, str(sibling.pid)), capture_output=True, text=True, check=True
        )
        sibling.kill()
    assert ended.stdout.split() == ["refused"] * 6 + ["done"] * 2
    assert ended.stderr == ""


async def test_the_window_manager_is_confined(daemon: Daemon) -> None:
    pids = await daemon.pids()
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pids['wm']}/status").read_text().splitlines()
    )
    before = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    assert int(status["Seccomp_filters"]) == int(before["Seccomp_filters"]) + 1
    assert psutil.Process(pids["wm"]).name() == "openbox"
    assert psutil.Process(pids["wm"]).ppid() == daemon.pid != os.getpid()
    async with window_on(daemon, "--managed"):
        pass

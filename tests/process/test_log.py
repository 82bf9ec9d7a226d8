"""The log of a real daemon, as a program reads it."""

import json
import os
import re
import signal
import sys
from typing import Any

from tests.process.scripts import IS_REAL, write_script
from tests.support import part, program_on, running_daemon
from vizproxy.logs import FIELDS

CHATTERS = f"i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo line $i; done; {IS_REAL}"
COMPONENTS = {"xorg", "wm", "x11vnc", "websockify"}


async def test_the_log_tells_who_died_and_whose_lease_it_is(tmp_path):
    log = tmp_path / "daemon.log"
    environ: dict[str, Any] = {
        "VIZPROXY_LOG_FILE": str(log),
        "VIZPROXY_LOG_FORMAT": "json",
        "VIZPROXY_LOG_LEVEL": "debug",
        "VIZPROXY_PROGRAMS_X11VNC": str(write_script(tmp_path / "x11vnc", CHATTERS)),
    }
    async with running_daemon(tmp_path / "d", **environ) as daemon:
        pids = await daemon.pids()
        os.kill(pids["x11vnc"], signal.SIGKILL)
        await daemon.until(lambda s: part(s, "x11vnc")["restarts"] == 1 and s["state"] == "ready")
        socket = ("--http-socket", str(daemon.directory / "http.sock"))
        run = (sys.executable, "-m", "vizproxy.cli.main", "run", *socket, "--", "true")
        async with program_on(daemon, *run) as program:
            assert await program.rest() == ""
        await daemon.until(lambda s: "the lease of true-1 has ended" in log.read_text())
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    usual = {"time", "level", "logger", "message"}
    assert all(usual <= entry.keys() <= usual | set(FIELDS) for entry in entries)
    assert {e["component"] for e in entries if "component" in e} == COMPONENTS

    (death,) = [e for e in entries if "was killed by SIGKILL" in e["message"]]
    assert (death["component"], death["pid"]) == ("x11vnc", pids["x11vnc"])
    assert (death["level"], death["state"]) == ("warning", "backoff")
    assert {e.get("lease") for e in entries if "lease" in e["message"]} == {"true-1"}

    output = [e for e in entries if e["logger"] == "vizproxy.supervise.output"]
    assert all(e["level"] == "debug" and "pid" in e for e in output)
    said = [e["pid"] for e in output if re.fullmatch(r"line \d+", e["message"])]
    left_out = [int(e["message"].split()[0]) for e in output if "left out" in e["message"]]
    assert len(set(said)) == 2, "both runs"
    assert len(said) < 2000 <= len(said) + sum(left_out)

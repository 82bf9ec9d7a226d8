"""What apps use of CPU and memory, told from their own side, is what the kernel counts."""

from __future__ import annotations

import sys

import psutil
import pytest

from tests.broker.desk import MIB, Desk, Json
from tests.broker.test_api_events import WISH, lease_socket

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHILD = "import time\nwhile time.process_time() < 0.4: pass\ninput()"
PARENT = f"""
import subprocess, sys
kept = bytearray({64 * MIB})
for place in range(0, len(kept), 4096):
    kept[place] = 1
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdin=subprocess.PIPE)
print(child.pid, flush=True)
input()
"""
"""A program that takes 64 MiB, and its child, which uses 0.4 s of CPU time."""


def used(app: Json) -> tuple[float, int]:
    return app["cpu_seconds"] or 0.0, app["resident_bytes"] or 0


async def test_cpu_time_and_memory_of_all_processes(desk: Desk) -> None:
    argv = (sys.executable, "-c", PARENT)
    async with desk.running(*argv, options=("--name", "burner")) as program:
        both = [psutil.Process(int(await program.line())), psutil.Process(program.process.pid)]

        def agrees(app: Json) -> bool:
            cpu_seconds = sum(sum(process.cpu_times()[:2]) for process in both)
            resident = sum(process.memory_info().rss for process in both)
            told = used(app)
            return abs(told[0] - cpu_seconds) < 0.1 and abs(told[1] - resident) < 4 * MIB

        app = await desk.app("burner", lambda app: used(app)[0] >= 0.4 and agrees(app), limit=20)
        assert used(app)[1] >= 64 * MIB
        both[0].kill()


async def test_a_side_that_does_not_tell_or_tells_more(desk: Desk) -> None:
    async with lease_socket(desk) as socket:
        await socket.send_json(WISH)
        assert (await socket.receive_json(timeout=5))["type"] == "granted"
        app = await desk.app("by hand")
        assert (app["cpu_seconds"], app["resident_bytes"]) == (None, None)
        await socket.send_json({"type": "weather", "sky": "blue"})
        use = {"type": "use", "cpu_seconds": 1.25, "resident_bytes": 4096, "threads": 7}
        await socket.send_json(use)
        await desk.app("by hand", lambda app: used(app) == (1.25, 4096))

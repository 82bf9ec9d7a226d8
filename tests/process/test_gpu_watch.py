"""A GPU whose driver throws, hangs, disappears or reports errors, under a real daemon."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.process.scripts import write_script
from tests.support import Daemon, eventually, running_daemon

COMMAND = (sys.executable, "-m", "tests.process.with_gpu")
IMPATIENT = {"FAKE_GPU_PATIENCE": "0.5"}
"""So that a call that hangs is soon known to do so; a busy machine's may, too."""

USUAL_SECONDS = 5.0
"""How long an answer may take on a busy machine. A call that hangs goes on until a test ends it."""


class Desk:
    """A daemon that draws on a GPU, and the orders for the GPU's driver."""

    def __init__(self, daemon: Daemon, orders: Path) -> None:
        self.daemon = daemon
        self._orders = orders

    def order(self, word: str) -> None:
        new = self._orders.with_suffix(".new")
        new.write_text(word)
        new.replace(self._orders)

    async def condition(self, wanted: str) -> dict[str, Any]:
        """Wait until the GPU is in a condition, while the API answers as usual; its status."""

        async def usual() -> dict[str, Any]:
            async with asyncio.timeout(USUAL_SECONDS):
                async with self.daemon.session() as session, session.get("healthz") as response:
                    assert response.status == 200
                return await self.daemon.status()

        deadline = time.monotonic() + 15
        while True:
            status = await usual()
            if status["gpu"] is not None and status["gpu"]["condition"] == wanted:
                return status
            assert time.monotonic() < deadline, f"{status} {self.daemon.log.read_text()}"
            await asyncio.sleep(0.02)

    async def notices(self) -> list[tuple[str, str]]:
        """What a reader of events is told: levels and kinds."""
        async with (
            self.daemon.session() as session,
            session.ws_connect("/api/v1/events") as socket,
        ):
            snapshot = await socket.receive_json()
            return [(notice["level"], notice["kind"]) for notice in snapshot["notices"]]

    async def told(self, *expected: tuple[str, str]) -> None:
        """Wait until these are the notices, but for the GPU being slow on a busy machine."""
        kinds = {kind for _, kind in expected}

        async def check() -> bool:
            return [notice for notice in await self.notices() if notice[1] in kinds] == [*expected]

        await eventually(check, of=self.daemon.log.read_text)


@asynccontextmanager
async def desk(
    tmp_path: Path, order: str = "fine", *, plan: str = "auto", **more: Any
) -> AsyncIterator[Desk]:
    orders = tmp_path / "orders"
    orders.write_text(order)
    tree = tmp_path / "VirtualGL"
    (tree / "bin").mkdir(parents=True)
    write_script(tree / "bin" / "vglrun", 'exec "$@"')
    environ: dict[str, Any] = {
        "FAKE_GPU": str(orders),
        "VIZPROXY_DISPLAY_GPU_DRIVER": "dummy",
        "VIZPROXY_DISPLAY_VIRTUALGL_DIR": str(tree),
        "VIZPROXY_SUPERVISION_BACKOFF_INITIAL": "10ms",
        **more,
    }
    async with running_daemon(
        tmp_path / "daemon", "--plan", plan, command=COMMAND, **environ
    ) as daemon:
        yield Desk(daemon, orders)


async def test_the_budget_and_the_status_are_those_of_the_gpu(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        status = await here.condition("fine")
        assert (status["gpu"]["name"], status["gpu"]["uuid"]) == ("Tesla T4", "GPU-1")
        assert status["gpu"]["reason"] == ""
        assert status["framebuffer"]["total"] == 4096 * 1024**2
        assert status["warnings"] == []


async def test_a_lost_gpu_restarts_the_3d_server_and_nothing_else(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.condition("fine")
        before = await here.daemon.pids()
        here.order("gone")
        status = await here.condition("lost")
        warning = "the GPU Tesla T4 is lost: NVIDIA's kernel driver is not loaded"
        assert (status["state"], status["picture"]) == ("degraded", True)
        assert status["warnings"] == [warning]
        assert warning in status["summary"]
        await here.daemon.until_component("xorg3d", "ready", after=0)
        after = await here.daemon.pids()
        assert {name for name in before if after[name] != before[name]} == {"xorg3d"}
        assert (await here.daemon.status())["state"] == "degraded", "the GPU is still lost"

        here.order("fine")
        await here.condition("fine")
        status = await here.daemon.ready()
        assert status["warnings"] == []
        await here.told(("error", "gpu_lost"), ("info", "gpu_back"))
        await here.daemon.said(f"{warning}; programs that drew on it have ended")


async def test_a_gpu_that_its_driver_knows_no_more_is_lost(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.condition("fine")
        here.order("vanished")
        status = await here.condition("lost")
        assert status["gpu"]["reason"] == "the driver does not know it any more"
        await here.daemon.until_component("xorg3d", "ready", after=0)


async def test_xids_are_told_and_a_fatal_one_is_a_loss(tmp_path: Path) -> None:
    async with desk(tmp_path, plan="egl") as here:
        await here.condition("fine")
        here.order("xid 31")
        await here.told(("warning", "gpu_xid"))
        await here.condition("fine")
        here.order("xid 79")
        await here.told(("warning", "gpu_xid"), ("error", "gpu_lost"))
        await here.daemon.said(
            "the GPU Tesla T4 is lost: it reported Xid 79 (the GPU has fallen off the bus)"
        )


async def test_a_fatal_xid_restarts_the_3d_server_and_nothing_else(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.condition("fine")
        before = await here.daemon.pids()
        here.order("xid 79")
        await here.told(("error", "gpu_lost"))
        await here.daemon.until_component("xorg3d", "ready", after=0)
        after = await here.daemon.pids()
        assert {name for name in before if after[name] != before[name]} == {"xorg3d"}


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("throw", "the driver reports an unknown error"),
        ("hang", "NVML has not answered within 5 s"),
    ],
)
async def test_a_driver_in_trouble_holds_up_nobody(tmp_path: Path, order: str, reason: str) -> None:
    async with desk(tmp_path, **(IMPATIENT if order == "hang" else {})) as here:
        await here.condition("fine")
        before = await here.daemon.pids()
        here.order(order)
        status = await here.condition("silent")
        assert (status["state"], status["gpu"]["reason"]) == ("ready", reason)
        assert status["warnings"] == [f"the GPU Tesla T4 does not answer: {reason}"]
        here.order("fine")
        await here.condition("fine")
        assert await here.daemon.pids() == before, "what draws on it was left alone"
        here.order(order)
        await here.condition("silent")
        began = time.monotonic()
        assert await here.daemon.end() == 0
        assert time.monotonic() - began < 10, "the end waits for no driver"


async def test_a_call_that_hangs_and_fails_in_the_end_is_no_bug(tmp_path: Path) -> None:
    async with desk(tmp_path, **IMPATIENT) as here:
        await here.condition("fine")
        for _ in range(2):
            here.order("hang")
            await here.condition("silent")
            here.order("gone")
            await here.condition("lost")
            here.order("fine")
            await here.condition("fine")
        assert "a bug in vizproxy" not in here.daemon.log.read_text()
        assert await here.daemon.end() == 0


async def test_a_desktop_that_leaves_the_gpu_is_not_measured_by_it(tmp_path: Path) -> None:
    xorg = write_script(
        tmp_path / "xorg",
        'if mkdir {tried} 2> /dev/null; then exit 1; fi; exec /usr/lib/xorg/Xorg "$@"',
        tried=tmp_path / "tried",
    )
    settings = {
        "VIZPROXY_PROGRAMS_XORG": str(xorg),
        "VIZPROXY_DISPLAY_VIRTUALGL_DIR": str(tmp_path / "nowhere"),
        "VIZPROXY_SUPERVISION_MAX_FAILURES": "1",
    }
    async with desk(tmp_path, **settings) as here:
        status = await here.daemon.until(
            lambda seen: (
                seen["plan"]["name"] == "software"
                and seen["gpu"] is None
                and seen["framebuffer"]["gpu"] is None
            )
        )
        assert status["framebuffer"]["total"] == 2 * 1024**3


async def test_a_driver_that_hangs_from_the_start_holds_up_no_start(tmp_path: Path) -> None:
    async with desk(tmp_path, "hang", **IMPATIENT) as here:
        status = await here.daemon.ready()
        assert status["gpu"] is None, "nobody knows of a GPU that has never answered"
        assert await here.daemon.end() == 0


async def test_the_budget_follows_a_gpu_that_answers_late(tmp_path: Path) -> None:
    async with desk(tmp_path, "hang", **IMPATIENT) as here:
        status = await here.daemon.ready()
        assert status["framebuffer"]["total"] == 2 * 1024**3
        here.order("fine")
        status = await here.daemon.until(lambda seen: seen["framebuffer"]["gpu"] is not None)
        assert status["framebuffer"]["total"] == 4096 * 1024**2

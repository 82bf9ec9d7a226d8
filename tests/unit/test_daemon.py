"""What the daemon does beside its children."""

from __future__ import annotations

import asyncio
import io

from vizproxy.config import load
from vizproxy.daemon import Daemon


async def test_what_runs_in_the_background_has_ended_before_anything_else_does() -> None:
    ends = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # it has something to tidy up
            ends.append("work")

    config = load(file=None, env={}, flags={}).config
    daemon = Daemon(config, {}, out=io.StringIO(), err=io.StringIO(), env_command="vizproxy env")
    async with daemon._in_background("work", work()):
        await asyncio.sleep(0)
    ends.append("all")
    assert ends == ["work", "all"]

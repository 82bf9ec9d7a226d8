"""``vizproxy serve`` where it can: what it prints, and that it is true."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from pathlib import Path

import aiohttp

from tests.cli.running import environment, run
from tests.support import ROOT, eventually, running_daemon
from vizproxy.cli.serve import env_command
from vizproxy.config import load


async def test_what_is_printed_works(tmp_path: Path) -> None:
    directory = tmp_path / "with a space"
    async with running_daemon(directory, "--http", "127.0.0.1:0", "--size", "800x600") as daemon:

        async def printed() -> str | None:
            text = daemon.log.read_text()
            return text if "Ctrl-C" in text else None

        text = await eventually(printed)
        (link,) = re.findall(r"The desktop +(\S+)$", text, re.MULTILINE)
        address, _, token = link.partition("#token=")
        assert token == (daemon.directory / "token").read_text()
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            assert response.status == 200

        ended = run("url", "--runtime-dir", daemon.directory)
        assert (ended.code, ended.out, ended.err) == (0, f"{link}\n", "")

        (command,) = re.findall(r'eval "\$\(.*\)"', text)
        shell = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-ec", f'{command}; echo "$DISPLAY"'),
            env=environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        out, _ = await shell.communicate()
        assert out.decode().strip() == f":{await daemon.display_number()}"

        assert "800x600 pixels" in run("status", "--runtime-dir", daemon.directory).out

        (daemon.directory / "token").unlink()
        ended = run("url", "--runtime-dir", daemon.directory)
        assert ended.code == 73
        assert "token: no such file or directory; try" in ended.sentence()
    assert not daemon.directory.exists()


def test_the_command_that_is_printed(tmp_path: Path) -> None:
    default = load(file=None, env={}, flags={})
    told = load(file=None, env={}, flags={"runtime.dir": str(tmp_path / "a b")})
    assert env_command(default, "/opt/x/vizproxy") == "/opt/x/vizproxy env"
    assert shlex.split(env_command(told, "/opt/x y/vizproxy")) == [
        "/opt/x y/vizproxy",
        "env",
        "--http-socket",
        str(tmp_path / "a b" / "http.sock"),
    ]

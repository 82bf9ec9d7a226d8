"""``vizproxy run`` at a terminal: Ctrl-C, Ctrl-Z, jobs and pipes are the shell's business."""

import asyncio
import contextlib
import fcntl
import os
import re
import termios

import pytest

from tests.broker.desk import RUN
from tests.support import ROOT, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "ready> "


class Terminal:
    """An interactive bash in a terminal, and all that it has shown."""

    def __init__(self, master, process):
        self.master = master
        self.process = process
        self.shown = ""
        self.read_to = 0

    def type(self, text):
        os.write(self.master, text.encode())

    async def until(self, pattern):
        """Wait until something is shown, after what was waited for before."""

        async def check():
            with contextlib.suppress(BlockingIOError):
                self.shown += os.read(self.master, 65536).decode(errors="replace")
            return re.compile(pattern).search(self.shown, self.read_to)

        found = await eventually(check, of=lambda: f"{pattern!r} wanted: {self.shown}")
        self.read_to = found.end()
        return found

    async def do(self, line, pattern):
        self.type(f"{line}\n")
        return await self.until(pattern)


@contextlib.asynccontextmanager
async def terminal_at(desk):
    master, slave = os.openpty()
    os.set_blocking(master, False)

    def adopt_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "--noprofile", "-i"),
        env=desk.environment(PS1=PROMPT, V=" ".join(RUN), TERM="dumb"),
        cwd=ROOT,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=adopt_terminal,
    )
    os.close(slave)
    terminal = Terminal(master, process)
    try:
        await terminal.until(PROMPT)
        yield terminal
        await terminal.do("exit", "exit")
        async with asyncio.timeout(5):
            await process.wait()
    finally:
        os.close(master)  # hangs up
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_ctrl_c(desk):
    async with terminal_at(desk) as terminal:
        terminal.type("$V --name cat cat\n")
        await desk.app("cat", lambda app: app["pids"])
        await terminal.do("echoed", r"echoed\r\nechoed\r\n")
        terminal.type("\x03")
        await terminal.until(PROMPT)
        await terminal.do("echo code=$?", r"code=130\r\n")
        await desk.is_empty(but=terminal.process.pid)


async def test_ctrl_z_and_fg_and_jobs(desk):
    async with terminal_at(desk) as terminal:
        terminal.type("$V --name cat cat\n")
        await desk.app("cat", lambda app: app["pids"])
        await terminal.do("one", r"one\r\none\r\n")
        terminal.type("\x1a")
        await terminal.until("Stopped")
        app = await desk.app("cat")
        assert app["leased"], "a stopped program keeps its lease"
        await terminal.do("jobs -p", str(app["pids"][0]))
        await terminal.do("fg", "cat")
        await terminal.do("two", r"two\r\ntwo\r\n")
        terminal.type("\x04")  # the end of its input
        await terminal.until(PROMPT)
        await terminal.do("echo code=$?", r"code=0\r\n")


@pytest.mark.slow
async def test_background_jobs_and_pipes(desk):
    async with terminal_at(desk) as terminal:
        await terminal.do("$V sleep 77 & echo job=$!", r"job=\d+\r\n")
        app = await desk.app("sleep", lambda app: app["pids"])
        assert f"job={app['pids'][0]}" in terminal.shown
        await terminal.do("kill %1; wait %1; echo code=$?", r"code=143\r\n")
        await terminal.do("$V yes | head -2; echo ${PIPESTATUS[*]}.", r"y\r\ny\r\n141 0\.\r\n")
        await terminal.do("echo in | $V cat | tr i I", r"In\r\n")
        await terminal.do(
            "(exec $V sleep 88) & sleep 0; kill -9 $!; wait $!; echo =$?", r"=137\r\n"
        )


@pytest.mark.slow
async def test_the_terminal_s_size_and_control(desk):
    async with terminal_at(desk) as terminal:
        await terminal.do("stty rows 33 cols 99; $V stty size", r"33 99\r\n")
        await terminal.do("$V bash -c 'read -rp name: x </dev/tty; echo =$x'", "name:")
        await terminal.do("Zoë", r"=Zoë\r\n")

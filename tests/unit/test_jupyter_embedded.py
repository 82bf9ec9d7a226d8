"""The daemon as a child of the Jupyter server, with small programs in its place."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.support import eventually
from vizproxy.jupyter.child import Line, read_line
from vizproxy.jupyter.embedded import EmbeddedDesktop, Pauses, command
from vizproxy.jupyter.explain import Explanation, Phase

QUICK = Pauses(first=0.02, retry=0.05, stable=60.0, slow=15.0, stop=2.0, max_failures=3)

WAITS = """
import signal, sys
print('12:00:00.000 info    vizproxy    here', file=sys.stderr, flush=True)
signal.sigwait({signal.SIGTERM})
"""


class Try:
    """A program that counts how often it was started, and an embedded desktop around it."""

    def __init__(self, directory: Path, program: str, pauses: Pauses = QUICK) -> None:
        self.directory = directory / "run"
        self.count = directory / "count"
        counting = f"open({str(self.count)!r}, 'a').write('x')\n"
        self.started = 0
        self.desktop = EmbeddedDesktop(
            self.directory,
            (sys.executable, "-c", counting + program),
            os.environ,
            started=self._started,
            pauses=pauses,
        )

    def _started(self) -> None:
        self.started += 1

    @property
    def runs(self) -> int:
        return len(self.count.read_text()) if self.count.exists() else 0

    async def explained(self, phase: Phase) -> Explanation:
        async def check() -> Explanation | None:
            explanation = await self.desktop.explain(FileNotFoundError())
            return explanation if explanation.phase is phase else None

        return await eventually(check)

    async def child(self) -> psutil.Process:
        async def check() -> psutil.Process | None:
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if str(self.count) in " ".join(child.cmdline()) and self.runs:
                        return child
            return None

        return await eventually(check)


@contextlib.asynccontextmanager
async def trying(directory: Path, program: str, pauses: Pauses = QUICK) -> AsyncIterator[Try]:
    attempt = Try(directory, program, pauses)
    try:
        yield attempt
    finally:
        await attempt.desktop.stop()


async def test_it_is_started_once_and_ended_politely(tmp_path: Path):
    async with trying(tmp_path, WAITS) as attempt:
        attempt.desktop.start()
        attempt.desktop.wanted()
        child = await attempt.child()
        assert (await attempt.explained(Phase.STARTING)).title == "The desktop is starting"

        async def started() -> bool:
            return attempt.started == 1

        await eventually(started)
    assert not child.is_running()
    assert attempt.runs == 1


async def test_its_socket_is_looked_for_only_while_it_runs(tmp_path: Path):
    async with trying(tmp_path, WAITS, Pauses(first=3600.0)) as attempt:
        desktop = attempt.desktop
        desktop.socket.parent.mkdir()
        desktop.socket.touch()  # so whoever looks finds it
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(desktop.listening(), 0.1)
        desktop.start()
        await asyncio.wait_for(desktop.running(), 10.0)
        await asyncio.wait_for(desktop.listening(), 10.0)
        (await attempt.child()).kill()
        await attempt.explained(Phase.FAILED)
        for waiting in (desktop.running, desktop.listening):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(waiting(), 0.1)


async def test_its_socket_is_awaited(tmp_path: Path):
    async with trying(tmp_path, WAITS) as attempt:
        attempt.desktop.start()
        await attempt.child()
        waiting = asyncio.create_task(attempt.desktop.listening())
        assert not (await asyncio.wait((waiting,), timeout=0.2))[0]
        attempt.desktop.socket.parent.mkdir()
        attempt.desktop.socket.touch()
        await asyncio.wait_for(waiting, 10.0)


async def test_it_has_a_session_of_its_own(tmp_path: Path):
    async with trying(tmp_path, WAITS) as attempt:
        attempt.desktop.start()
        child = await attempt.child()
        assert os.getsid(child.pid) == child.pid


async def test_one_that_is_not_wanted_is_not_started(tmp_path: Path):
    async with trying(tmp_path, WAITS) as attempt:
        pass
    attempt.desktop.wanted()
    assert attempt.runs == 0
    assert (await attempt.desktop.explain(FileNotFoundError())).phase is Phase.ABSENT


async def test_one_that_ignores_the_end_is_killed_with_all_that_it_started(tmp_path: Path):
    program = (
        "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork()\nwhile True: signal.pause()"
    )
    pauses = Pauses(first=0.02, retry=0.05, stop=0.2)
    async with trying(tmp_path, program, pauses) as attempt:
        attempt.desktop.start()
        child = await attempt.child()

        async def forked() -> list[psutil.Process]:
            return child.children()

        (grandchild,) = await eventually(forked)
        attempt.directory.mkdir()
        (attempt.directory / "lock").touch()
    assert not child.is_running()

    async def gone() -> bool:
        return not grandchild.is_running()

    await eventually(gone)
    assert not attempt.directory.exists()


async def test_a_failed_one_is_started_again_until_it_is_hopeless(tmp_path: Path):
    program = (
        "import sys\nprint('12:00:00.000 error   xorg        no screens found', file=sys.stderr)\n"
        "print('vizproxy: cannot go on: why; try <this>', file=sys.stderr)\nsys.exit(70)"
    )
    async with trying(tmp_path, program) as attempt:
        attempt.desktop.start()

        async def given_up() -> Explanation | None:
            explanation = await attempt.desktop.explain(FileNotFoundError())
            return explanation if "cannot be started" in explanation.title else None

        explanation = await eventually(given_up)
        assert attempt.runs == QUICK.max_failures
        assert explanation.phase is Phase.FAILED
        assert explanation.text == "Cannot go on: why."
        assert (explanation.message, explanation.hint) == ("cannot go on: why", "<this>")
        assert "xorg: no screens found" in explanation.output


@pytest.mark.parametrize("status", [2, 69])
async def test_a_hopeless_one_is_tried_again_when_somebody_looks(tmp_path: Path, status: int):
    async with trying(tmp_path, f"raise SystemExit({status})") as attempt:
        attempt.desktop.start()
        explanation = await attempt.explained(Phase.FAILED)
        assert explanation.text == f"The desktop's daemon exited with status {status}."
        assert attempt.runs == 1
        attempt.desktop.wanted()

        async def tried() -> bool:
            return attempt.runs == 2

        await eventually(tried)


async def test_looking_at_a_hopeless_one_often_does_not_start_it_often(tmp_path: Path):
    pauses = Pauses(first=0.02, retry=60.0, stop=2.0)
    async with trying(tmp_path, "raise SystemExit(2)", pauses) as attempt:
        attempt.desktop.start()
        await attempt.explained(Phase.FAILED)
        for _ in range(20):
            attempt.desktop.wanted()
            assert (await attempt.desktop.explain(FileNotFoundError())).phase is Phase.FAILED
        assert attempt.runs == 1


async def test_the_failure_is_told_while_it_is_tried_again(tmp_path: Path):
    """Else the page would say in turn that it starts, and that it cannot be started."""
    program = f"""
import signal
if len(open({str(tmp_path / "count")!r}).read()) > 1:
    signal.pause()
"""
    pauses = Pauses(first=0.02, retry=0.4, stop=2.0)
    async with trying(tmp_path, program + "raise SystemExit(2)", pauses) as attempt:
        attempt.desktop.start()
        await attempt.explained(Phase.FAILED)
        attempt.desktop.wanted()

        async def tried() -> bool:
            assert (await attempt.desktop.explain(FileNotFoundError())).phase is Phase.FAILED
            return attempt.runs == 2

        await eventually(tried)
        await attempt.explained(Phase.STARTING)


async def test_a_program_that_is_not_there(tmp_path: Path):
    desktop = EmbeddedDesktop(
        tmp_path / "run", ("/none/python",), os.environ, setpriv="/none/setpriv", pauses=QUICK
    )
    desktop.start()

    async def failed() -> Explanation | None:
        explanation = await desktop.explain(FileNotFoundError())
        return explanation if explanation.phase is Phase.FAILED else None

    assert "/none/python" in (await eventually(failed)).text
    await desktop.stop()


async def test_a_slow_start_is_called_one(tmp_path: Path):
    pauses = Pauses(slow=0.0, stop=2.0)
    async with trying(tmp_path, WAITS, pauses) as attempt:
        attempt.desktop.start()

        async def told() -> Explanation | None:
            explanation = await attempt.desktop.explain(FileNotFoundError())
            return explanation if explanation.output else None

        explanation = await eventually(told)
        assert explanation.text == "It is taking longer than usual."
        assert explanation.output == ("vizproxy: here",)


async def test_one_that_runs_and_does_not_answer(tmp_path: Path):
    async with trying(tmp_path, WAITS) as attempt:
        attempt.desktop.start()
        await asyncio.wait_for(attempt.desktop.running(), 10.0)
        explanation = await attempt.desktop.explain(TimeoutError())
        assert explanation.title == "The desktop does not answer"


async def test_another_daemons_directory_is_left_alone(tmp_path: Path):
    async with trying(tmp_path, "raise SystemExit(75)") as attempt:
        attempt.directory.mkdir()
        attempt.desktop.start()
        await attempt.explained(Phase.FAILED)
    assert attempt.directory.exists()


SERVER = """
import asyncio, os, sys
from pathlib import Path
from vizproxy.jupyter.embedded import EmbeddedDesktop, Pauses

async def main():
    desktop = EmbeddedDesktop(
        Path(sys.argv[1]), (sys.executable, "-c", sys.argv[2]), os.environ, pauses=Pauses(stop=2)
    )
    desktop.start()
    print("on", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""

CHILD = """
import os, shutil, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.mkdir(sys.argv[1])
signal.sigwait({signal.SIGTERM})
shutil.rmtree(sys.argv[1])
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_it_ends_with_a_server_that_ends_in_any_way(tmp_path: Path, number: signal.Signals):
    directory = tmp_path / "run"
    program = CHILD.replace("sys.argv[1]", repr(str(directory)))
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(directory), program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )

    async def there() -> bool:
        return directory.exists()

    await eventually(there)
    children = psutil.Process(server.pid).children()
    server.send_signal(number)
    assert await asyncio.to_thread(server.wait, 10) != 0

    async def gone() -> bool:
        return not directory.exists() and not any(child.is_running() for child in children)

    await eventually(gone)
    assert server.stdout is not None
    server.stdout.close()


def test_the_daemon_listens_in_its_own_directory_alone(tmp_path: Path):
    words = command(tmp_path)
    assert words[:3] == (sys.executable, "-P", "-m")
    assert words[-2:] == ("--http", "")
    assert str(tmp_path / "http.sock") in words


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (
            "12:03:04.567 info    xorg         starting -> ready",
            Line("xorg: starting -> ready", False),
        ),
        ("12:03:04.567 error   vizproxy     cannot x: y", Line("vizproxy: cannot x: y", True)),
        ('{"level": "warning", "message": "m", "component": "wm"}', Line("wm: m", True)),
        ('{"level": "info", "message": "m"}', Line("vizproxy: m", False)),
        ('{"broken', Line('{"broken', False)),
        ("vizproxy: cannot x: y", Line("vizproxy: cannot x: y", False)),
        ("Traceback (most recent call last):", Line("Traceback (most recent call last):", False)),
    ],
)
def test_lines_of_the_log(raw: str, line: Line):
    assert read_line(raw) == line

"""What processes use, with real processes."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import psutil
import pytest

from tests.support import eventually
from vizproxy.metrics.measurements import Processes, ProcessUse
from vizproxy.metrics.processes import ProcessReader

BURNS = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
"""Uses some hundredths of a second of CPU time."""

IGNORES_ITS_CHILD = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if child := os.fork():
    print(child, flush=True)
    input()
while True:
    pass
"""

NOBODY = 2**22 - 1
"""A PID that no process has."""

TICKS = 0.05
"""The kernel tells four times of a process in whole hundredths of a second: how far accounts differ."""


class Shell:
    """A shell that does what it is told, line by line, and ends when it is told no more."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def do(self, command: str) -> str:
        """Have a command carried out; the line that it prints, if it prints one."""
        print(f"{command}\necho .", file=self._pipe(self.process.stdin), flush=True)
        lines = itertools.takewhile(".\n".__ne__, self._pipe(self.process.stdout))
        return "".join(lines).strip()

    def end(self) -> float:
        """End it; the CPU time that it and those that it has waited for have used, by the kernel."""
        self._pipe(self.process.stdin).close()
        _, status, use = os.wait4(self.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return use.ru_utime + use.ru_stime

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


@contextlib.contextmanager
def shell() -> Iterator[Shell]:
    with subprocess.Popen(
        ["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Shell(process)
        finally:
            process.kill()


@pytest.fixture
def reader() -> ProcessReader:
    return ProcessReader()


def component(reader: ProcessReader, pid: int | None) -> ProcessUse:
    return reader.read({} if pid is None else {"wm": pid}, {}).components["wm"]


def strangers(reader: ProcessReader, **apps: tuple[int, ...]) -> Processes:
    return reader.read({}, apps)


# ------------------------------------------------------------------------------- components


async def test_a_component_is_its_process_with_all_descendants(reader: ProcessReader) -> None:
    def family() -> list[psutil.Process]:
        return psutil.Process(parent.pid).children(recursive=True)

    async def both() -> bool:
        return len(family()) == 2

    with shell() as parent:
        sizes = [component(reader, parent.pid).resident_bytes]
        parent.do("sh -c 'sleep 60; :' >/dev/null &")
        await eventually(both)
        left = family()
        sizes.append(component(reader, parent.pid).resident_bytes)
        assert 0 < sizes[0] < sizes[1]
        for process in left:
            process.kill()
        parent.do("wait")
        sizes.append(component(reader, parent.pid).resident_bytes)
        assert sizes[2] < sizes[1]


def test_what_a_process_has_used_stays_when_it_ends(reader: ProcessReader) -> None:
    with shell() as first, shell() as second:
        first.do(BURNS)
        used = component(reader, first.pid).cpu_seconds
        assert used == pytest.approx(first.end(), abs=TICKS)
        assert used > 0
        assert component(reader, None) == ProcessUse(used, 0)
        second.do(BURNS)  # the component was started anew
        both = component(reader, second.pid).cpu_seconds
        assert both == pytest.approx(used + second.end(), abs=TICKS)


async def test_what_its_children_have_used_counts_once(reader: ProcessReader) -> None:
    with shell() as parent:
        child = parent.do("sh -c 'while :; do :; done' >/dev/null & echo $!")

        async def burnt() -> bool:
            return component(reader, parent.pid).cpu_seconds > 0.15

        await eventually(burnt)
        parent.do(f"kill {child}; wait {child}")
        parent.do(f"sh -c '{BURNS}'")  # nobody has seen that one
        used = component(reader, parent.pid).cpu_seconds
        assert component(reader, parent.pid).cpu_seconds == pytest.approx(used, abs=TICKS)
        assert used == pytest.approx(parent.end(), abs=TICKS)
        assert component(reader, None).cpu_seconds == pytest.approx(used, abs=TICKS)


async def test_children_that_nobody_waits_for_count_as_they_were_seen(
    reader: ProcessReader,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-ISc", IGNORES_ITS_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())

        async def burnt() -> bool:
            read = component(reader, parent.pid)
            return read.cpu_seconds > sum(psutil.Process(parent.pid).cpu_times()[:2]) + 0.15

        async def gone() -> bool:
            return not psutil.pid_exists(child)

        await eventually(burnt)
        before = component(reader, parent.pid).cpu_seconds
        os.kill(child, signal.SIGKILL)
        await eventually(gone)
        after = component(reader, parent.pid).cpu_seconds
        assert before <= after <= before + TICKS


def test_a_process_that_outlives_the_one_that_started_it_still_belongs(
    reader: ProcessReader,
) -> None:
    with shell() as parent, shell() as next_one:
        child = psutil.Process(int(parent.do("sleep 60 >/dev/null & echo $!")))
        component(reader, parent.pid)
        parent.end()
        left = component(reader, None).resident_bytes
        assert 0 < left < component(reader, next_one.pid).resident_bytes
        child.kill()


def test_a_number_that_was_given_to_another_process(reader: ProcessReader) -> None:
    with shell() as first, shell() as second:
        first.do(BURNS)
        used = component(reader, first.pid).cpu_seconds
        first.end()
        family = reader._components["wm"]
        family._members = {second.pid: family._members[first.pid]}  # as if they had the same
        both = component(reader, second.pid).cpu_seconds
        assert both == pytest.approx(used + second.end(), abs=TICKS)


def test_processes_that_come_and_go_all_the_time(reader: ProcessReader) -> None:
    with shell() as parent:
        parent.do("(i=0; while [ $i -lt 30 ]; do sh -c :; i=$((i+1)); done) >/dev/null &")
        readings = [component(reader, parent.pid).cpu_seconds for _ in range(30)]
        assert readings == sorted(readings)
        parent.do("wait")
        assert component(reader, parent.pid).cpu_seconds == pytest.approx(
            parent.end(), abs=2 * TICKS
        )


def test_one_that_cannot_be_read_keeps_what_it_had(
    reader: ProcessReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: psutil.Process) -> AbstractContextManager[None]:
        if process.pid != os.getpid():
            raise psutil.AccessDenied(process.pid)
        return oneshot(process)

    with shell() as one:
        before = component(reader, one.pid)
        oneshot = psutil.Process.oneshot
        monkeypatch.setattr(psutil.Process, "oneshot", refuse)
        assert component(reader, one.pid) == before


def test_one_that_is_not_there(reader: ProcessReader) -> None:
    assert component(reader, NOBODY) == ProcessUse(0.0, 0)


# ------------------------------------------------------------------------ apps without a lease


def test_an_app_without_a_lease_does_not_answer_for_its_children(reader: ProcessReader) -> None:
    strangers(reader)
    with shell() as one:
        one.do(BURNS)
        one.do(f"sh -c '{BURNS}; {BURNS}; {BURNS}'")
        own = sum(psutil.Process(one.pid).cpu_times()[:2])
        read = strangers(reader, xterm=(one.pid, NOBODY))
        assert read.unleased["xterm"].cpu_seconds == pytest.approx(own, abs=TICKS)
        assert read.unleased["xterm"].resident_bytes > 100_000
        assert read.unleased_cpu_seconds == read.unleased["xterm"].cpu_seconds


def test_what_an_app_uses_whose_processes_cannot_be_seen_is_not_known(
    reader: ProcessReader,
) -> None:
    assert strangers(reader, gone=(NOBODY,), nobody=()).unleased == {}


def test_apps_count_while_they_are_there(reader: ProcessReader) -> None:
    """A program that has computed for hours may open a window, close it, and open another one."""
    with shell() as one, shell() as other:
        one.do(BURNS)
        first = strangers(reader, one=(one.pid,), other=(other.pid,))
        whole = first.unleased["one"].cpu_seconds
        assert whole > 0
        assert first.unleased_cpu_seconds == 0
        one.do(BURNS)
        second = strangers(reader, one=(one.pid,), other=(other.pid,))
        used = second.unleased_cpu_seconds
        assert used == pytest.approx(second.unleased["one"].cpu_seconds - whole, abs=TICKS)
        assert used > 0
        assert strangers(reader, other=(other.pid,)).unleased_cpu_seconds == used
        one.do(BURNS)  # it shows no window now, and is nobody's
        again = strangers(reader, again=(one.pid,))
        assert again.unleased["again"].cpu_seconds > second.unleased["one"].cpu_seconds
        assert again.unleased_cpu_seconds == used
        one.do(BURNS)
        last = strangers(reader, again=(one.pid,))
        grown = last.unleased["again"].cpu_seconds - again.unleased["again"].cpu_seconds
        assert last.unleased_cpu_seconds == pytest.approx(used + grown, abs=TICKS)
        one.end()
        assert strangers(reader, again=(one.pid,)).unleased_cpu_seconds == last.unleased_cpu_seconds


def test_what_was_started_since_the_last_reading_counts_from_its_start(
    reader: ProcessReader,
) -> None:
    strangers(reader)
    with shell() as young:
        young.do(BURNS)
        read = strangers(reader, young=(young.pid,))
        assert read.unleased_cpu_seconds == read.unleased["young"].cpu_seconds > 0
    with shell() as late:
        strangers(reader)
        late.do(BURNS)
        assert strangers(reader, late=(late.pid,)).unleased_cpu_seconds == read.unleased_cpu_seconds


def test_an_app_with_the_number_of_one_that_has_ended(reader: ProcessReader) -> None:
    with shell() as first, shell() as second:
        strangers(reader, app=(first.pid,))
        first.end()
        second.do(BURNS)
        members = reader._unleased._members
        reader._unleased._members = {second.pid: members[first.pid]}  # as if they had the same
        read = strangers(reader, app=(second.pid,))
        assert read.unleased_cpu_seconds == read.unleased["app"].cpu_seconds > 0


# ------------------------------------------------------------------------------- the daemon


def test_the_daemon_itself(reader: ProcessReader, tmp_path: Path) -> None:
    own = psutil.Process()
    before = reader.read({}, {}).daemon
    assert before.use.cpu_seconds == pytest.approx(sum(own.cpu_times()[:2]), abs=TICKS)
    assert before.use.resident_bytes == pytest.approx(own.memory_info().rss, rel=0.1)
    assert before.started == own.create_time()
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert before.max_files == (None if most == resource.RLIM_INFINITY else most)
    done = threading.Event()
    waiting = threading.Thread(target=done.wait)
    with (tmp_path / "file").open("w"):
        waiting.start()
        after = reader.read({}, {}).daemon
    done.set()
    waiting.join()
    assert after.open_files == before.open_files + 1
    assert after.threads == before.threads + 1

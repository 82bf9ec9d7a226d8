"""What an app's processes use: told as the kernel counts it, and never less than before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import psutil
import pytest

from vizproxy.runner.tree import MARK_VARIABLE, ProcessTree
from vizproxy.runner.use import Use, UseMeter

MIB = 1024**2
BURNS = "import time\nwhile time.process_time() < 0.1: pass\nprint(flush=True)\ninput()"


class Times(NamedTuple):
    user: float
    system: float


class Memory(NamedTuple):
    rss: int


@dataclass(eq=False)
class Fake:
    """A process, until it is ``gone``. Like psutil's, it is equal to itself alone."""

    cpu: float = 0.0
    rss: int = MIB
    gone: bool = field(default=False)

    def cpu_times(self) -> Times:
        if self.gone:
            raise psutil.NoSuchProcess(1)
        return Times(self.cpu, 0.5)

    def memory_info(self) -> Memory:
        return Memory(self.rss)


def read(meter: UseMeter, *processes: Fake) -> Use:
    return meter.read(cast(Iterable[psutil.Process], processes))


def test_all_processes_are_summed_up() -> None:
    assert read(UseMeter()) == Use(0.0, 0)
    assert read(UseMeter(), Fake(1.25), Fake(2.0, 5)) == Use(4.25, MIB + 5)


def test_what_an_ended_process_has_used_stays() -> None:
    meter, first, second = UseMeter(), Fake(1.0), Fake(2.0)
    assert read(meter, first, second) == Use(4.0, 2 * MIB)
    second.cpu = 3.0
    assert read(meter, second) == Use(5.0, MIB)
    assert read(meter) == Use(5.0, 0)
    successor = Fake(0.0)  # of the same PID, perhaps
    assert read(meter, successor) == Use(5.5, MIB)


def test_one_that_ends_while_it_is_read_keeps_what_it_had_used() -> None:
    meter, process = UseMeter(), Fake(1.0)
    read(meter, process)
    process.gone = True
    assert read(meter, process) == Use(1.5, 0)
    assert read(meter) == Use(1.5, 0)
    unread = Fake(9.0, gone=True)
    assert read(meter, unread) == Use(1.5, 0)


def test_one_that_cannot_be_read_for_once_is_counted_once() -> None:
    meter, process = UseMeter(), Fake(1.0)
    read(meter, process)
    process.gone = True
    read(meter, process)
    process.gone, process.cpu = False, 2.0
    assert read(meter, process) == Use(2.5, MIB)


@pytest.mark.parametrize(
    ("use", "differs"),
    [
        (Use(1.0, MIB), False),
        (Use(1.04, MIB + 5000), False),
        (Use(1.06, MIB), True),
        (Use(1.0, 2 * MIB), True),
        (Use(1.0, 0), True),
    ],
)
def test_what_is_noticeable(use: Use, differs: bool) -> None:
    assert use.differs(Use(1.0, MIB)) is differs


def test_what_a_tree_uses_is_what_the_kernel_counts() -> None:
    mark = f"use {os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", BURNS],
        env={**os.environ, MARK_VARIABLE: mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        tree = ProcessTree(process.pid, mark)
        assert tree.use() == Use(0.0, 0), "nobody has looked"
        tree.look()
        use, kernel = tree.use(), psutil.Process(process.pid)
        assert 0.08 <= use.cpu_seconds <= sum(kernel.cpu_times()[:2]) + 0.01  # in clock ticks
        assert abs(use.resident_bytes - kernel.memory_info().rss) < MIB
        process.kill()
        process.wait()
        tree.look()
        assert tree.use() == Use(use.cpu_seconds, 0)

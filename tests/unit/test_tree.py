"""Which processes belong to an app, with real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support import ROOT
from vizproxy.broker import processes
from vizproxy.runner.tree import MARK_VARIABLE, ProcessTree

MARK = f"a mark of {os.getpid()}"
MARKED = {**os.environ, MARK_VARIABLE: MARK}

# Each tells its PID when it runs, and ends when its standard input does.
WAITS = "echo $$; read _"
FORKS = "sh -c 'echo $$; exec 1>&-; read _' <&3 & exec 3<&-"
"""A launcher: it leaves a process behind, which is nobody's child, and ends."""


@contextlib.contextmanager
def process(script: str, env: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A shell that runs a script, and the PID that the script tells; it ends with the context."""
    with subprocess.Popen(
        ["/bin/sh", "-c", script],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdout is not None
        yield shell, int(shell.stdout.readline())
        assert shell.stdin is not None
        shell.stdin.close()


def test_the_root_and_all_that_are_marked() -> None:
    with (
        process(WAITS, dict(os.environ)) as (_, root),
        process(WAITS, MARKED) as (_, marked),
        process(WAITS, {**os.environ, MARK_VARIABLE: "another"}) as (_, other),
        process(WAITS, dict(os.environ)) as (_, plain),
    ):
        tree = ProcessTree(root, MARK)
        assert tree.look() == {root, marked}
        assert not {other, plain} & tree.look(afresh=True)


def test_a_process_whose_parent_has_ended() -> None:
    # The grandchild reads from descriptor 3: in the background, a shell's own input is closed.
    with process(f"exec 3<&0; {FORKS}", MARKED) as (launcher, left):
        launcher.wait()
        assert left != launcher.pid
        assert ProcessTree(launcher.pid, MARK).look() == {left}


def test_what_comes_later_is_found_and_what_has_ended_is_not() -> None:
    tree = ProcessTree(0, MARK)
    assert tree.look() == frozenset()
    with process(WAITS, MARKED) as (_, first):
        assert tree.look() == {first}
        with process(WAITS, MARKED) as (_, second):
            assert tree.look() == {first, second}
        assert tree.look() == {first}
    assert tree.look() == frozenset()


def test_a_zombie_has_ended() -> None:
    with process(WAITS, MARKED) as (shell, pid):
        tree = ProcessTree(pid, MARK)
        assert tree.look() == {pid}
        shell.kill()
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # its parent has not looked yet
        assert tree.look(afresh=True) == frozenset()


def test_the_number_of_a_root_that_has_ended_may_become_anothers() -> None:
    with process(WAITS, dict(os.environ)) as (_, root):
        tree = ProcessTree(root, MARK)
        assert tree.look() == {root}
    assert tree.look() == frozenset()
    with process(WAITS, dict(os.environ)) as (_, stranger):
        tree.root = stranger  # as if the kernel had given it the same number
        assert tree.look(afresh=True) == frozenset()


def test_the_one_who_looks_is_no_part_of_the_app() -> None:
    script = (
        f"from vizproxy.runner.tree import ProcessTree; print(*ProcessTree(0, {MARK!r}).look())"
    )
    seen = subprocess.run(
        [sys.executable, "-c", script],
        env=MARKED,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.split() == []


def test_a_signal_reaches_every_process() -> None:
    with process(WAITS, dict(os.environ)) as (root, pid), process(WAITS, MARKED) as (marked, _):
        ProcessTree(pid, MARK).signal(signal.SIGTERM)  # nobody has looked before
        assert root.wait() == marked.wait() == -signal.SIGTERM


async def test_the_end_of_any_process_is_noticed() -> None:
    with process(WAITS, MARKED) as (shell, first), process(WAITS, MARKED) as (_, second):
        tree = ProcessTree(first, MARK)
        waiting = asyncio.create_task(tree.any_ended(tree.look()))
        await asyncio.sleep(0)
        assert not waiting.done()
        shell.kill()
        async with asyncio.timeout(5):
            await waiting
        assert shell.wait() == -signal.SIGKILL
        async with asyncio.timeout(5):
            await tree.any_ended({first, second})  # one that has ended long ago


async def test_where_the_kernel_cannot_tell_processes_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(_: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", unknown)
    monkeypatch.setattr("vizproxy.runner.tree._WATCH_SECONDS", 0.0)
    with process(WAITS, MARKED) as (shell, pid):
        waiting = asyncio.create_task(ProcessTree(pid, MARK).any_ended({pid}))
        await asyncio.sleep(0)
        assert not waiting.done()
        shell.kill()
        shell.wait()
        async with asyncio.timeout(5):
            await waiting


@pytest.mark.parametrize("launcher", ['exec env -i sh -c "$0"', 'env -i sh -c "$0"; :'])
def test_one_that_was_started_with_an_environment_of_its_own(launcher: str) -> None:
    """As ``bwrap`` and ``flatpak`` do: known by its parent, not by the mark."""
    with subprocess.Popen(
        ["sh", "-c", f"sh -c {shlex.quote(launcher)} {shlex.quote(WAITS)}; :"],
        env=MARKED,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        assert {running.pid, pid} <= ProcessTree(running.pid, MARK).look()
        running.stdin.close()


def test_what_the_kernel_tells_of_a_process() -> None:
    """The broker's side: PIDs of processes that have gone are left out."""
    own, gone = os.getpid(), 2**22 - 1
    namespace = processes.own_pid_namespace()
    assert namespace.startswith("pid:[")
    assert processes.pid_namespaces((own, gone)) == {own: namespace}
    assert processes.inner_pids((own, gone)) == {own: own}
    assert processes.names((own, gone)).keys() == {own}

"""Cgroups: where a process's accounts of memory are, what they tell, and what that explains."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import eventually
from vizproxy.cgroups import (
    FRESH_SECONDS,
    LOOK_SECONDS,
    PATIENCE_SECONDS,
    Evidence,
    MemoryWatch,
    OwnAccounts,
    Place,
    Reading,
    Shortage,
    find,
    read,
)
from vizproxy.runner.app import ending_reason

GIB = 1024**3
UNLIMITED_V1 = "9223372036854771712\n"

# ------------------------- /proc/self/cgroup and mountinfo: written from documentation, not recorded

SYSTEMD_SESSION = (
    "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice\n",
    (
        "25 30 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n"
        "35 25 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "
        "rw,nsdelegate,memory_recursiveprot\n"
    ),
    (
        "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/"
        "app-org.gnome.Terminal.slice"
    ),
    2,
)

V2_NAMESPACE = (
    "0::/\n",
    (
        "1432 1431 0:176 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro\n"
        "1433 1432 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup "
        "rw,nsdelegate,memory_recursiveprot\n"
    ),
    "/sys/fs/cgroup",
    2,
)

_SCOPE = (
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod4f.slice/cri-containerd-9.scope"
)
V2_HOST_NAMESPACE = (
    f"0::{_SCOPE}\n",
    f"1433 1432 0:30 {_SCOPE} /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n",
    "/sys/fs/cgroup",
    2,
)

_DOCKER = "/docker/1c7c2f4a"
V1_DOCKER = (
    f"12:memory:{_DOCKER}\n11:cpu,cpuacct:{_DOCKER}\n1:name=systemd:{_DOCKER}\n",
    (
        "700 699 0:95 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755\n"
        f"701 700 0:33 {_DOCKER} /sys/fs/cgroup/systemd ro,relatime master:11 - cgroup cgroup "
        "rw,xattr,name=systemd\n"
        f"702 700 0:35 {_DOCKER} /sys/fs/cgroup/cpu,cpuacct ro,relatime master:16 - cgroup cgroup "
        "rw,cpu,cpuacct\n"
        f"703 700 0:40 {_DOCKER} /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n"
    ),
    "/sys/fs/cgroup/memory",
    1,
)

V1_BELOW_DOCKER = (
    f"12:memory:{_DOCKER}/desktop\n",
    V1_DOCKER[1],
    "/sys/fs/cgroup/memory/desktop",
    1,
)

HYBRID = (
    "9:name=systemd:/init.scope\n4:memory:/system.slice/jupyter.service\n1:cpu:/\n0::/system.slice\n",
    (
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    ),
    "/sys/fs/cgroup/memory/system.slice/jupyter.service",
    1,
)

ESCAPED = (
    "0::/a group\n",
    "35 25 0:30 / /mnt/c\\040groups rw shared:9 - cgroup2 cgroup2 rw\n",
    "/mnt/c groups/a group",
    2,
)

MOUNTED_OVER = (
    "0::/one/two\n",
    (
        "35 25 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        "36 35 0:30 /one /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    ),
    "/sys/fs/cgroup/two",
    2,
)

LAYOUTS = {
    "systemd user session": SYSTEMD_SESSION,
    "v2 in a namespace": V2_NAMESPACE,
    "v2 in the host's namespace": V2_HOST_NAMESPACE,
    "v1 in docker": V1_DOCKER,
    "v1 below docker's": V1_BELOW_DOCKER,
    "hybrid": HYBRID,
    "spaces": ESCAPED,
    "mounted over": MOUNTED_OVER,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_where_the_accounts_are(layout: tuple[str, str, str, int]) -> None:
    groups, mounts, directory, version = layout
    assert find(groups, mounts) == Place(Path(directory), version)


@pytest.mark.parametrize(
    ("groups", "mounts"),
    [
        ("", ""),  # no cgroups in this kernel
        ("0::/\n", ""),  # gVisor and the like: not mounted
        ("0::/\n", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"),
        ("1:memory:/docker/1\n", "1 1 0:40 /docker/2 /sys/fs/cgroup/memory ro - cgroup c rw,memory\n"),
        ("1:memory:/docker/12\n", "1 1 0:4 /docker/1 /sys/fs/cgroup/memory ro - cgroup c rw,memory\n"),
        ("0::/../other\n", "35 25 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
        ("0::/\n", "35 25 0:30 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
        ("11:cpu:/\n", "35 25 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"),
    ],
)  # fmt: skip
def test_another_cgroup_is_not_taken_for_ours(groups: str, mounts: str) -> None:
    assert find(groups, mounts) is None


# ---------------------------------------------------------------------------------- what they tell

V2_EVENTS = "low 0\nhigh 0\nmax 812\noom 3\noom_kill 2\noom_group_kill 0\n"


def write(directory: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (directory / name).write_text(content)


@pytest.mark.parametrize(
    ("version", "files", "expected"),
    [
        (2, {"memory.events": V2_EVENTS, "memory.max": "2147483648\n"}, Reading(2, 3, 2 * GIB)),
        (2, {"memory.events": V2_EVENTS, "memory.max": "max\n"}, Reading(2, 3, None)),
        (
            2,
            {
                "memory.events": V2_EVENTS,
                "memory.events.local": "oom 1\noom_kill 1\n",
                "memory.max": "max\n",
            },
            Reading(1, 1, None),
        ),
        (
            1,
            {
                "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
                "memory.limit_in_bytes": "1073741824\n",
            },
            Reading(4, None, GIB),
        ),
        (
            1,
            {
                "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
                "memory.limit_in_bytes": UNLIMITED_V1,
            },
            Reading(0, None, None),
        ),
        # before Linux 4.13
        (
            1,
            {
                "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n",
                "memory.limit_in_bytes": UNLIMITED_V1,
            },
            None,
        ),
        (2, {}, None),  # the root of all cgroups, or a container that hides them
        (2, {"memory.events": "nonsense\n", "memory.max": "max\n"}, None),
        (2, {"memory.events": V2_EVENTS}, None),
    ],
)
def test_what_the_accounts_tell(
    tmp_path: Path, version: int, files: Mapping[str, str], expected: Reading | None
) -> None:
    write(tmp_path, files)
    assert read(Place(tmp_path, version)) == expected


def test_a_process_finds_its_own_accounts(tmp_path: Path) -> None:
    proc, mount = tmp_path / "proc", tmp_path / "cgroup"
    proc.mkdir()
    mount.mkdir()
    mounts = f"35 25 0:30 / {mount} rw - cgroup2 cgroup2 rw\n"
    write(proc, {"cgroup": "0::/\n", "mountinfo": mounts})
    write(mount, {"memory.events": V2_EVENTS, "memory.max": "max\n"})
    own = OwnAccounts(proc)
    assert own() == Reading(2, 3, None)
    write(mount, {"memory.events": "oom 4\noom_kill 3\n"})
    assert own() == Reading(3, 4, None)


@pytest.mark.parametrize("groups", [None, "nonsense\n"])
def test_nothing_is_readable(tmp_path: Path, groups: str | None) -> None:
    if groups is not None:
        write(tmp_path, {"cgroup": groups, "mountinfo": ""})
    assert OwnAccounts(tmp_path)() is None


def test_on_this_machine_reading_does_no_harm() -> None:
    reading = OwnAccounts()()
    assert reading is None or reading.kills >= 0


# ----------------------------------------------------------------------------- what that explains


def v1(kills: int) -> Reading:
    return Reading(kills, None, GIB)


def test_what_was_counted_before_explains_nothing() -> None:
    evidence = Evidence()
    evidence.saw(v1(7), 0)
    evidence.saw(v1(7), 1)
    assert evidence.claim(1) is None


def test_a_kill_explains_one_end() -> None:
    evidence = Evidence()
    evidence.saw(v1(0), 0)
    evidence.saw(v1(1), 1)
    assert evidence.claim(1) == Shortage(GIB, None)
    assert evidence.claim(1) is None
    evidence.saw(v1(3), 2)
    assert [evidence.claim(2) is None for _ in range(3)] == [False, False, True]


def test_a_kill_explains_nothing_that_happens_much_later() -> None:
    evidence = Evidence()
    evidence.saw(v1(0), 0)
    evidence.saw(v1(1), 10)
    evidence.saw(v1(2), 12)
    assert evidence.claim(10 + FRESH_SECONDS + 1) is not None  # the second one
    evidence.saw(v1(3), 20)
    assert evidence.claim(20 + FRESH_SECONDS + 0.1) is None


def test_a_counter_that_begins_anew_explains_nothing() -> None:
    evidence = Evidence()
    evidence.saw(v1(5), 0)
    evidence.saw(v1(0), 1)
    assert evidence.claim(1) is None
    evidence.saw(v1(1), 2)
    assert evidence.claim(2) is not None


@pytest.mark.parametrize(
    ("readings", "reached"),
    [
        ([Reading(0, 0, GIB), Reading(1, 1, GIB)], True),
        ([Reading(0, 0, GIB), Reading(1, 0, GIB)], False),
        ([Reading(0, 0, GIB), Reading(0, 1, GIB), Reading(1, 1, GIB)], True),  # counted in between
        ([Reading(0, None, GIB), Reading(1, None, GIB)], None),
    ],
)
def test_whether_it_was_the_limit(readings: list[Reading], reached: bool | None) -> None:
    evidence = Evidence()
    for now, reading in enumerate(readings):
        evidence.saw(reading, now)
    assert evidence.claim(len(readings)) == Shortage(GIB, reached)


def test_a_limit_that_was_reached_long_ago_explains_nothing() -> None:
    evidence = Evidence()
    evidence.saw(Reading(0, 0, GIB), 0)
    evidence.saw(Reading(0, 1, GIB), 1)
    evidence.saw(Reading(1, 1, GIB), 100)
    assert evidence.claim(100) == Shortage(GIB, reached=False)


@pytest.mark.parametrize(
    ("shortage", "text"),
    [
        (
            Shortage(2 * GIB, reached=True),
            (
                ", it seems by the kernel for lack of memory: the limit of 2 GiB was reached; "
                "try a higher one (in Kubernetes: resources.limits.memory)"
            ),
        ),
        (
            Shortage(2 * GIB, None),
            (
                ", it seems by the kernel for lack of memory (the limit is 2 GiB); "
                "try a higher one (in Kubernetes: resources.limits.memory)"
            ),
        ),
        (
            Shortage(2 * GIB, reached=False),
            ", it seems by the kernel for lack of memory: the machine, or the whole Pod, had none left",
        ),
        (
            Shortage(None, None),
            ", it seems by the kernel for lack of memory: the machine, or the whole Pod, had none left",
        ),
    ],
)
def test_what_people_read(shortage: Shortage, text: str) -> None:
    assert str(shortage) == text


@pytest.mark.parametrize("reached", [True, False, None])
def test_how_an_app_has_ended(reached: bool | None) -> None:
    shortage = Shortage(2 * GIB, reached)
    killed = f"was killed by SIGKILL{shortage}"
    assert ending_reason(-9, shortage) == killed
    by_shell = f"exited with status 137: a program of it {killed}"
    assert ending_reason(137, shortage) == by_shell
    assert len(by_shell) <= 255  # what a runner may tell as a reason
    assert ending_reason(-9, None) == "was killed by SIGKILL"
    assert ending_reason(137, None) == "exited with status 137"


# --------------------------------------------------------------------------------------- the watch


class Accounts:
    """A cgroup's accounts, which a test changes, and how often they were read."""

    def __init__(self, reading: Reading | None) -> None:
        self.reading = reading
        self.now = 0.0
        self.looks = 0
        self.threads: set[int] = set()
        self.readable = threading.Event()
        self.readable.set()

    def __call__(self) -> Reading | None:
        self.threads.add(threading.get_ident())
        self.readable.wait()
        self.looks += 1
        return self.reading


def watching(
    accounts: Accounts, *, pause: float = LOOK_SECONDS, patience: float = PATIENCE_SECONDS
) -> MemoryWatch:
    return MemoryWatch(accounts, clock=lambda: accounts.now, pause=pause, patience=patience)


async def test_the_first_look_is_what_later_ones_are_compared_with() -> None:
    accounts = Accounts(v1(3))
    watch = watching(accounts)
    assert await watch.explain() is None
    accounts.reading = v1(4)
    assert await watch.explain() == Shortage(GIB, None)
    assert await watch.explain() is None
    assert threading.get_ident() not in accounts.threads


async def test_without_accounts_nothing_is_claimed_and_nothing_watched() -> None:
    watch = watching(Accounts(None), pause=0)
    assert await watch.explain() is None
    await watch.watch()


async def test_accounts_that_hang_hold_up_nobody() -> None:
    accounts = Accounts(v1(0))
    watch = watching(accounts, patience=0.01)
    accounts.readable.clear()
    try:
        assert await watch.explain() is None
    finally:
        accounts.readable.set()


async def test_no_thread_no_explanation() -> None:
    def no_thread() -> Reading:
        raise RuntimeError("can't start new thread")

    assert await MemoryWatch(no_thread).explain() is None


async def test_the_watch_tells_when_a_kill_was() -> None:
    accounts = Accounts(v1(0))
    watch = watching(accounts, pause=0)

    async def taken_in() -> None:
        enough = accounts.looks + 3  # one that is under way, one that sees it, and the next

        async def looked() -> bool:
            return accounts.looks >= enough

        await eventually(looked)

    watch_task = asyncio.create_task(watch.watch())
    try:
        await taken_in()
        accounts.reading = v1(1)
        await taken_in()
        accounts.now = FRESH_SECONDS + 1
        assert await watch.explain() is None  # it was long ago
        accounts.reading = v1(2)
        assert await watch.explain() == Shortage(GIB, None)
    finally:
        watch_task.cancel()

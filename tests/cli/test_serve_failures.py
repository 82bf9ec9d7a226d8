"""``vizproxy serve`` where it cannot: one sentence, a telling exit code, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.running import VIZPROXY, Ended, environment, run, run_all, settings, tree
from tests.support import own_plan, running_daemon
from vizproxy.display.files import X11_SOCKETS

USAGE, UNAVAILABLE, CANNOT_CREATE, BUSY = 2, 69, 73, 75


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """No process and no file may remain of what a test runs."""
    assert list(tmp_path.iterdir()) == []
    before = set(psutil.Process().children(recursive=True))  # other tests may share a browser
    yield
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not (tmp_path / "run").exists()


def serve(tmp_path: Path, *arguments: str | Path, **environ: str) -> Ended:
    return run("serve", "--runtime-dir", tmp_path / "run", *arguments, environ=environ)


def problems(ended: Ended) -> list[str]:
    """The problems of a configuration that was refused."""
    assert (ended.code, ended.out) == (USAGE, "")
    first, *lines = ended.err.splitlines()
    assert first.startswith("vizproxy: cannot use the configuration: ")
    return lines


# -------------------------------------------------------------------------------- configuration


def test_a_size_that_cannot_be(tmp_path: Path) -> None:
    start = ("serve", "--runtime-dir", tmp_path / "run")
    for ended in run_all([(*start, f"--size={s}") for s in ("0x0", "99999x1", "800", "-1x600")]):
        (problem,) = problems(ended)
        assert problem.startswith("  display.size (--size): ")
        assert "1600x900" in problem  # an example of what it should look like


def test_a_configuration_file_that_is_not_there(tmp_path: Path) -> None:
    (problem,) = problems(serve(tmp_path, "--config", tmp_path / "none.toml"))
    assert f"{tmp_path}/none.toml: cannot be read: no such file or directory" in problem


def test_a_configuration_file_that_is_a_directory(tmp_path: Path) -> None:
    (problem,) = problems(serve(tmp_path, "--config", tmp_path))
    assert "is a directory" in problem


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_configuration_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "vizproxy.toml"
    file.write_text("")
    file.chmod(0)
    # root may read everything, but for its power to overrule the mode of files
    powerless = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    ended = run("serve", "--config", file, through=powerless)
    (problem,) = problems(ended)
    assert "cannot be read: permission denied" in problem


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[display]\nsize = \n", "is not TOML at line 2"),
        ("[display]\nnonsense = 1\n", "there is no such setting"),
    ],
)
def test_a_configuration_file_that_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "vizproxy.toml"
    file.write_text(text)
    (problem,) = problems(serve(tmp_path, "--config", file))
    assert "vizproxy.toml" in problem
    assert why in problem


def test_a_runtime_directory_whose_path_is_too_long(tmp_path: Path) -> None:
    (problem,) = problems(run("serve", "--runtime-dir", tmp_path / ("x" * 100)))
    assert problem.startswith("  runtime.dir (--runtime-dir): ")
    assert "Linux allows 107" in problem
    assert tree(tmp_path) == []


# ------------------------------------------------------------------------------ what is missing


def test_a_missing_program(tmp_path: Path) -> None:
    ended = serve(tmp_path, **settings(programs__xorg="/nowhere/Xorg"))
    assert ended.code == UNAVAILABLE
    assert ended.sentence() == (
        "cannot start the desktop: /nowhere/Xorg (programs.xorg) is not installed; try "
        "`apt-get install xserver-xorg-core`, or other paths in the configuration"
    )
    assert tree(tmp_path) == []


def test_all_missing_programs_are_told_at_once(tmp_path: Path) -> None:
    ended = serve(
        tmp_path,
        **settings(
            programs__xorg="/nowhere/Xorg",
            programs__window_manager="no-such-wm",
            programs__x11vnc="/dev/null",  # there, but no program
        ),
    )
    assert ended.code == UNAVAILABLE
    assert ended.sentence() == (
        "cannot start the desktop: /nowhere/Xorg (programs.xorg), no-such-wm "
        "(programs.window_manager) and /dev/null (programs.x11vnc) are not installed; try "
        "`apt-get install xserver-xorg-core openbox x11vnc`, or other paths in the configuration"
    )
    assert tree(tmp_path) == []


def test_a_missing_novnc(tmp_path: Path) -> None:
    ended = serve(tmp_path, **settings(web__novnc_dir=str(tmp_path)))
    assert ended.code == UNAVAILABLE
    assert ended.sentence().startswith(f"cannot find noVNC: there is no core/rfb.js in {tmp_path};")
    assert tree(tmp_path) == []


def test_a_plan_that_cannot_be_carried_out(tmp_path: Path) -> None:
    plans = ("virtualgl", "egl")
    nowhere = settings(display__virtualgl_dir=str(tmp_path / "none"))
    start = ("serve", "--runtime-dir", tmp_path / "run")
    commands = [(*start, "--plan", plan) for plan in plans]
    for plan, ended in zip(plans, run_all(commands, environ=nowhere), strict=True):
        assert ended.code == UNAVAILABLE
        assert ended.sentence().startswith(f"cannot use the rendering plan '{plan}': ")
    assert tree(tmp_path) == []


# ------------------------------------------------------------------------------- what is in use


async def test_a_runtime_directory_of_another_daemon(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with running_daemon(tmp_path_factory.mktemp("first"), wait=False) as first:
        await first.ready()
        before = tree(first.directory)
        ended = run("serve", "--runtime-dir", first.directory)
        assert ended.code == BUSY
        assert ended.sentence() == (
            f"cannot use the runtime directory {first.directory}: another vizproxy "
            f"(pid {first.pid}) owns it; try `vizproxy status`, or another --runtime-dir"
        )
        assert tree(first.directory) == before
        assert (await first.status())["state"] == "ready"  # it did not notice

        # and its socket, from another runtime directory
        ended = serve(tmp_path, "--http-socket", first.socket)
        assert ended.code == BUSY
        assert ended.sentence() == (
            f"cannot listen on {first.socket}: another program listens there; "
            "try another --http-socket"
        )
        assert (await first.status())["state"] == "ready"


@pytest.fixture
def taken_display() -> Iterator[int]:
    """The number of a display on which somebody answers."""
    X11_SOCKETS.mkdir(exist_ok=True)
    for number in range(40000, 41000):
        with socket.socket(socket.AF_UNIX) as server:
            path = X11_SOCKETS / f"X{number}"
            try:
                server.bind(str(path))
            except OSError:
                continue
            try:
                server.listen()
                yield number
            finally:
                path.unlink()
            return
    pytest.fail("no display number is free")


def test_a_display_number_that_is_taken(tmp_path: Path, taken_display: int) -> None:
    ended = serve(tmp_path, **settings(display__number=str(taken_display)))
    assert ended.code == BUSY
    assert ended.sentence() == (
        f"cannot start the X server on display :{taken_display}: another X server runs there; "
        "try another display.number, or none for the first free one"
    )
    assert (X11_SOCKETS / f"X{taken_display}").is_socket()
    assert tree(tmp_path) == []


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = serve(tmp_path, "--http", address)
    assert ended.code == BUSY
    assert ended.sentence() == (
        f"cannot listen on {address}: another program listens there; try another --http"
    )
    assert tree(tmp_path) == []


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    ended = serve(tmp_path, "--http", "203.0.113.7:6080")
    assert ended.code == CANNOT_CREATE
    assert ended.sentence() == (
        "cannot listen on 203.0.113.7:6080: this machine does not have that address; try another --http"
    )


# ----------------------------------------------------------------------- what cannot be written


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    ended = serve(tmp_path, **settings(log__file="/dev/full"))
    assert ended.code == CANNOT_CREATE
    assert ended.sentence() == (
        "cannot write the log to /dev/full: no space left on device; try another log.file"
    )
    assert tree(tmp_path) == []


def test_a_log_in_a_directory_that_is_not_there(tmp_path: Path) -> None:
    ended = serve(tmp_path, **settings(log__file=str(tmp_path / "none" / "log")))
    assert ended.code == CANNOT_CREATE
    assert "no such file or directory" in ended.sentence()
    assert tree(tmp_path) == []


@pytest.fixture
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 16 KiB with no room left."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    place = tmp_path_factory.mktemp("full")
    mount = ("mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "tmpfs", str(place))
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(("umount", str(place)), check=True)


def fill(place: Path, leave: int = 0) -> None:
    """Fill a file system but for so many pages of 4 KiB."""
    with (place / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass
        filler.truncate(filler.tell() - leave * 4096)


@pytest.mark.parametrize("leave", [0, 1, 2, 3])
def test_a_runtime_directory_on_a_full_disk(full_disk: Path, leave: int) -> None:
    fill(full_disk, leave)
    ended = run("serve", "--runtime-dir", full_disk / "run")
    assert ended.code == CANNOT_CREATE
    sentence = ended.sentence()
    assert sentence.startswith(f"cannot write {full_disk}/run/")
    assert sentence.endswith(
        ": no space left on device; try another --runtime-dir, or making room there"
    )
    assert tree(full_disk) == ["filler"]


def test_a_runtime_directory_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run("serve", "--runtime-dir", tmp_path / "file" / "run")
    assert ended.code == CANNOT_CREATE
    assert "not a directory" in ended.sentence()
    assert tree(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["reg", "dir"])
def test_a_socket_path_at_which_something_else_is(tmp_path: Path, name: str) -> None:
    file, directory = tmp_path / "reg", tmp_path / "dir"
    file.write_text("precious")
    directory.mkdir()
    ended = serve(tmp_path, "--http-socket", tmp_path / name)
    assert ended.code == CANNOT_CREATE
    assert ended.sentence() == (
        f"cannot listen on {tmp_path / name}: there is something else of that name; "
        "try another --http-socket"
    )
    assert tree(tmp_path) == ["dir", "reg"]
    assert file.read_text() == "precious"


def test_a_home_directory_is_not_taken_for_a_runtime_directory(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("precious")
    ended = run("serve", "--runtime-dir", tmp_path)
    assert ended.code == CANNOT_CREATE
    assert ended.sentence() == (
        f"cannot use {tmp_path} as the runtime directory: token in it was not made by vizproxy; "
        "try another --runtime-dir"
    )
    assert tree(tmp_path) == ["token"]
    assert (tmp_path / "token").read_text() == "precious"


# ------------------------------------------------------------------------- when nobody can read


def test_an_output_that_cannot_be_written_does_not_end_the_desktop(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = subprocess.Popen(
            (*VIZPROXY, "serve", "--runtime-dir", str(tmp_path / "run")),
            env=environment(**own_plan()),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "cannot print where the desktop is" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=20)
    assert "the desktop has ended" in rest
    assert "Traceback" not in "".join(seen) + rest
    assert process.returncode == 0

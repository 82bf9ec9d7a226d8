"""The runtime directory: who may own it, and what is left of it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vizproxy.errors import BusyError, FileSystemError
from vizproxy.runtime import (
    MAX_SOCKET_PATH_BYTES,
    Layout,
    check_socket_path,
    leaving_word,
    owned,
    write_private,
)

NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def make_all(layout: Layout) -> None:
    """Make every file that a daemon makes."""
    for path in layout.made_by_daemon():
        path.write_text("made by a daemon")
    (layout.home / "deep" / "er").mkdir(parents=True)
    (layout.home / "deep" / "er" / "file").write_text("")


def test_it_is_made_for_the_user_alone_and_removed_with_all_that_a_daemon_makes(
    tmp_path: Path,
) -> None:
    root = tmp_path / "new" / "run"
    with owned(root) as layout:
        assert mode(root) == 0o700
        assert mode(layout.lock) == 0o600
        assert layout.lock.read_text() == f"vizproxy {os.getpid()}\n"
        make_all(layout)
    assert not root.exists()


def test_one_that_was_there_is_kept_with_what_is_not_ours(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir(mode=0o700)
    (root / "theirs").write_text("keep me")
    with owned(root) as layout:
        assert mode(root) == 0o700
        make_all(layout)
    assert [path.name for path in root.iterdir()] == ["theirs"]


def test_one_that_was_made_here_is_kept_when_something_else_is_in_it(tmp_path: Path) -> None:
    with owned(tmp_path / "run"):
        (tmp_path / "run" / "theirs").write_text("keep me")
    assert (tmp_path / "run" / "theirs").read_text() == "keep me"


def test_it_is_cleaned_when_the_daemon_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with owned(tmp_path / "run") as layout:
            make_all(layout)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_daemon_left_is_removed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    make_all(layout)
    # the kernel has released it, the file is still there
    layout.lock.write_text("vizproxy 4194304\n")
    with owned(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {"lock", "displays"}
        assert layout.lock.read_text() == f"vizproxy {os.getpid()}\n"


def test_a_lock_file_of_somebody_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("precious")
    with pytest.raises(FileSystemError, match="lock in it was not made by"), owned(tmp_path):
        pytest.fail("it was taken")
    assert (tmp_path / "lock").read_text() == "precious"


@pytest.mark.parametrize("name", ["token", ".vizproxy-home/documents"])
def test_files_of_somebody_else_are_not_taken_for_leftovers(tmp_path: Path, name: str) -> None:
    """``--runtime-dir ~`` must not remove ``~/token``, say."""
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("precious")
    with (
        pytest.raises(FileSystemError, match=f"{name.partition('/')[0]} in it was not made by"),
        owned(tmp_path),
    ):
        pytest.fail("it was taken")
    assert file.read_text() == "precious"
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("others", [0o1777, 0o755])
def test_a_directory_in_use_that_others_can_enter_is_refused(tmp_path: Path, others: int) -> None:
    """``--runtime-dir /tmp`` must not close /tmp to everybody else."""
    (tmp_path / "theirs").write_text("")
    tmp_path.chmod(others)
    with pytest.raises(FileSystemError, match="others can enter it"), owned(tmp_path):
        pytest.fail("it was taken")
    assert mode(tmp_path) == others


def test_an_empty_one_with_such_a_mode_is_closed(tmp_path: Path) -> None:
    """A container's own tmpfs looks like that."""
    tmp_path.chmod(0o1777)
    with owned(tmp_path):
        assert mode(tmp_path) == 0o700


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    with pytest.raises(FileSystemError, match="symbolic link"), owned(tmp_path / "run"):
        pytest.fail("it was followed")
    assert list((tmp_path / "real").iterdir()) == []


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(FileSystemError, match="not a directory"), owned(tmp_path / "run"):
        pytest.fail("it was used")
    with pytest.raises(FileSystemError, match="not a directory"), owned(tmp_path / "run" / "in"):
        pytest.fail("it was used")
    assert (tmp_path / "run").read_text() == "a file"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir(mode=0o777)
    os.chown(root, NOBODY, NOBODY)
    with pytest.raises(FileSystemError, match=f"it belongs to uid {NOBODY}"), owned(root):
        pytest.fail("it was used")
    assert list(root.iterdir()) == []


def test_a_lock_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    root = tmp_path / "run"
    root.mkdir(mode=0o700)
    (root / "lock").symlink_to(victim)
    with pytest.raises(FileSystemError, match="cannot make"), owned(root):
        pytest.fail("it was followed")
    assert victim.read_text() == "precious"


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    root = tmp_path / "run"
    with owned(root) as layout:
        layout.token.write_text("secret")
        with (
            pytest.raises(BusyError, match=rf"another vizproxy \(pid {os.getpid()}\) owns it"),
            owned(root),
        ):
            pytest.fail("it was taken twice")
        assert layout.token.read_text() == "secret"  # nothing of the first owner's was touched
        assert layout.lock.exists()
    assert not root.exists()


def test_the_lock_ends_with_the_process_however_that_ends(tmp_path: Path) -> None:
    root = tmp_path / "run"
    code = (
        "import os, signal, sys; from pathlib import Path; from vizproxy.runtime import owned\n"
        "with owned(Path(sys.argv[1])) as layout:\n"
        "    layout.token.write_text('left')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, root], check=False)
    assert ended.returncode == -9
    assert (root / "token").exists()
    with owned(root) as layout:
        assert not layout.token.exists()


def test_the_longest_socket_path() -> None:
    check_socket_path(Path("/" + "x" * (MAX_SOCKET_PATH_BYTES - 1)))
    with pytest.raises(FileSystemError, match="has 108 bytes and a socket's may have 107"):
        check_socket_path(Path("/" + "x" * MAX_SOCKET_PATH_BYTES))
    with pytest.raises(FileSystemError):
        check_socket_path(Path("/" + "ä" * 60))  # bytes count, not characters


def test_a_path_that_is_too_long_makes_nothing(tmp_path: Path) -> None:
    root = tmp_path / ("x" * 100)
    with pytest.raises(FileSystemError, match="--runtime-dir"), owned(root):
        pytest.fail("it was used")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_volume_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("vizproxy.runtime.fcntl.flock", no_locks)
    root = tmp_path / "run"
    root.mkdir(mode=0o700)
    lock = Layout(root).lock
    with (
        pytest.raises(FileSystemError, match=f"cannot lock {lock}: {os.strerror(number).lower()}"),
        leaving_word(root),
        owned(root),
    ):
        pytest.fail("it was taken")
    assert Layout(root).failure.read_text().startswith("cannot lock")
    assert not lock.exists()
    lock.write_text("vizproxy 7\n")
    with pytest.raises(FileSystemError, match="cannot lock"), leaving_word(root), owned(root):
        pytest.fail("it was taken")
    assert lock.read_text() == "vizproxy 7\n"


def test_a_lock_that_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir(mode=0o755)
    os.mkfifo(root / "lock")  # whoever opens it to read it waits for a writer
    for _ in range(2):
        with pytest.raises(FileSystemError, match="cannot use"), leaving_word(root), owned(root):
            pytest.fail("it was taken")
        root.chmod(0o700)
    assert [path.name for path in root.iterdir()] == ["lock"]


def test_what_others_wrote_into_the_lock_is_not_repeated(tmp_path: Path) -> None:
    with owned(tmp_path / "run") as layout:
        layout.lock.write_bytes(b"vizproxy \x1b]0;nonsense\xff\n")
        with pytest.raises(BusyError, match=r"\(pid unknown\)"), owned(layout.root):
            pytest.fail("it was taken twice")


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_home_that_leads_elsewhere_is_not_followed(tmp_path: Path, kind: str) -> None:
    elsewhere, layout = tmp_path / "elsewhere", Layout(tmp_path / "run")
    elsewhere.mkdir()
    layout.root.mkdir(mode=0o700)
    layout.lock.write_text("vizproxy 7\n")
    if kind == "file":
        layout.home.touch()
    else:
        layout.home.symlink_to(elsewhere)
    with owned(layout.root):
        assert not os.path.lexists(layout.home)
        layout.home.symlink_to(elsewhere)
    assert list(layout.root.iterdir()) == []
    assert elsewhere.is_dir()


def test_a_directory_in_the_place_of_the_word_is_told(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.failure.mkdir()
    with pytest.raises(FileSystemError, match=f"cannot remove {layout.failure}: "), owned(tmp_path):
        pytest.fail("it was taken")


# ---------------------------------------------------------------------------------- write_private


def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a former one that all could read")
    file.chmod(0o644)
    write_private(file, b"secret")
    assert file.read_bytes() == b"secret"
    assert mode(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_private_file_does_not_follow_links(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "secret"
    victim.write_text("precious")
    file.symlink_to(victim)
    write_private(file, b"secret")
    assert victim.read_text() == "precious"
    assert not file.is_symlink()


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "readable by all"])
def test_a_private_file_is_new_whatever_was_there(tmp_path: Path, kind: str) -> None:
    victim, file = tmp_path / "victim", tmp_path / "secret"
    victim.write_text("precious")
    beside = tmp_path / ".secret.new"  # as one that was killed leaves it
    match kind:
        case "link":
            beside.symlink_to(victim)
        case "hard link":
            beside.hardlink_to(victim)
        case "pipe":
            os.mkfifo(beside)
        case _:
            beside.touch(0o644)
    write_private(file, b"secret")
    assert victim.read_text() == "precious"
    assert (file.read_bytes(), mode(file)) == (b"secret", 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "victim"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for file in (tmp_path / "none" / "file", tmp_path / "there"):
        with pytest.raises(FileSystemError, match=f"cannot write {file}: "):
            write_private(file, b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_why_it_failed_is_left_where_others_look_and_gone_with_the_next_start(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o777)  # as volumes are made
    error = FileSystemError("start", "a reason\nof two lines", "something else")
    with pytest.raises(FileSystemError), leaving_word(tmp_path):
        raise error
    word = Layout(tmp_path).failure
    assert word.read_text() == "cannot start: a reason of two lines\nsomething else\n"
    assert mode(word) == 0o600
    with owned(tmp_path):
        assert not word.exists()


def test_a_word_is_left_where_the_pid_of_a_killed_daemon_is_another_process_s_now(
    tmp_path: Path,
) -> None:
    """As in a container that was started again: PIDs begin anew there."""
    Layout(tmp_path).lock.write_text(f"vizproxy {os.getppid()}\n")
    with pytest.raises(FileSystemError), leaving_word(tmp_path):
        raise FileSystemError("start", "a reason", "")
    assert Layout(tmp_path).failure.read_text() == "cannot start: a reason\n\n"


def test_the_display_numbers_of_a_killed_daemon_are_kept_for_the_next_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    make_all(layout)
    layout.lock.write_text("vizproxy 7\n")
    with owned(tmp_path):
        assert layout.displays.read_text() == "made by a daemon"
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_a_file_s_place_is_told(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.lock.write_text("vizproxy 7\n")
    layout.token.mkdir()
    with pytest.raises(FileSystemError, match=f"cannot remove {layout.token}: "), owned(tmp_path):
        pytest.fail("it was taken")


def test_no_word_is_left_beside_another_daemon_or_in_no_directory(tmp_path: Path) -> None:
    with owned(tmp_path), pytest.raises(BusyError), leaving_word(tmp_path), owned(tmp_path):
        pass
    with owned(tmp_path), pytest.raises(FileSystemError), leaving_word(tmp_path):
        raise FileSystemError("start", "a reason", "")
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").touch()
    for place in (None, tmp_path / "none", home):
        with pytest.raises(FileSystemError), leaving_word(place):
            raise FileSystemError("start", "a reason", "")
    assert [p.name for p in tmp_path.rglob("*")] == ["home", "thesis.tex"]

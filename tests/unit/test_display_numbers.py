"""Display numbers that others have, and those of a killed daemon, with real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vizproxy.display import numbers
from vizproxy.errors import BusyError
from vizproxy.runtime import Layout


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What takes the place of /tmp/.X11-unix. Names of abstract sockets follow from it."""
    monkeypatch.setattr(numbers, "X11_SOCKETS", tmp_path)
    return tmp_path


@contextlib.contextmanager
def server(number: int, *, file: bool = True, abstract: bool = True) -> Iterator[None]:
    """Somebody who listens as the X server of a display does."""
    path = numbers.socket_path(number)
    with contextlib.ExitStack() as opened:
        for address in ([str(path)] if file else []) + ([f"\0{path}"] if abstract else []):
            listener = opened.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(address)
            listener.listen()
        yield
    path.unlink(missing_ok=True)


def dead(number: int) -> Path:
    """The socket that a killed X server has left."""
    path = numbers.socket_path(number)
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    return path


def test_a_server_is_known_by_either_socket() -> None:
    assert not numbers.is_taken(0)
    for kinds in ({"file": False}, {"abstract": False}, {}):
        with server(0, **kinds):
            assert numbers.is_taken(0)
            with pytest.raises(BusyError, match="display :0: another X server runs there"):
                numbers.check_display_free(0)
    dead(0)
    assert not numbers.is_taken(0)
    numbers.check_display_free(0)


def test_a_server_with_a_full_backlog_is_there() -> None:
    path = numbers.socket_path(0)
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(0)
        client = opened.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(path))
        assert numbers.display_answers(0)
        numbers.remove_dead_display(0)
        assert path.is_socket()


def test_a_socket_of_which_nothing_is_known_is_left_alone() -> None:
    path = numbers.socket_path(0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(str(path))
        other.listen()
        assert numbers.is_taken(0)
        numbers.remove_dead([0])
        assert path.is_socket()


def test_a_link_to_a_living_socket_is_taken_and_one_to_nowhere_is_removed(tmp_path: Path) -> None:
    path, elsewhere = numbers.socket_path(0), numbers.socket_path(1)
    path.symlink_to(elsewhere)
    with server(1):
        assert numbers.is_taken(0)
        numbers.remove_dead([0])
        assert path.is_symlink()
    assert not numbers.is_taken(0)
    precious = tmp_path / "precious"
    precious.touch()
    path.unlink()
    path.symlink_to(precious)
    numbers.remove_dead([0])
    assert precious.exists()
    assert not path.is_symlink()


def test_only_the_sockets_of_the_dead_are_removed() -> None:
    left = dead(1)
    with server(0, abstract=False):
        numbers.remove_dead([0, 1, 2])
        assert numbers.socket_path(0).is_socket()
    assert not left.exists()


def test_a_lock_is_another_s_and_stays(sockets: Path) -> None:
    dead(0)
    lock = sockets / ".X0-lock"
    lock.write_text(f"{os.getpid():>10}\n")
    numbers.remove_dead_display(0)
    assert lock.exists()


def test_a_server_may_choose_by_itself_where_it_sees_all_others() -> None:
    assert numbers.number_to_tell() is None
    left = dead(0)
    assert numbers.number_to_tell() is None
    left.unlink()
    with server(0), server(1, file=False), server(3):
        assert numbers.number_to_tell() is None


def test_a_server_is_led_around_those_that_it_would_not_see() -> None:
    """They are in another network namespace, and share the directory of sockets."""
    with server(0, abstract=False):
        assert numbers.number_to_tell() == 1
        with server(1):
            assert numbers.number_to_tell() == 2
    with server(0), server(1, abstract=False), server(2, abstract=False):
        assert numbers.number_to_tell() == 3
    with server(1, abstract=False):
        assert numbers.number_to_tell() is None, "it comes no further than 0"


# ------------------------------------------------------------------- over the death of the daemon


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert numbers.recall(layout) == {}
    numbers.remember(layout, {"xorg": 0, "xorg3d": None})
    assert numbers.recall(layout) == {"xorg": 0}
    numbers.remember(layout, {"xorg": 0, "xorg3d": 17})
    assert numbers.recall(layout) == {"xorg": 0, "xorg3d": 17}


@pytest.mark.parametrize(
    "planted",
    ["", "null", "[1]", '{"xorg": "1"}', '{"xorg": -1}', '{"xorg": true}', '{"xorg": 99999}', "["],
)
def test_what_makes_no_sense_is_not_believed(tmp_path: Path, planted: str) -> None:
    layout = Layout(tmp_path)
    layout.displays.write_text(planted)
    assert numbers.recall(layout) == {}


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    layout, secret = Layout(tmp_path), tmp_path / "secret"
    secret.write_text(json.dumps({"xorg": 7}))
    layout.displays.symlink_to(secret)
    assert numbers.recall(layout) == {}
    layout.displays.unlink()
    os.mkfifo(layout.displays)
    assert numbers.recall(layout) == {}
    layout.displays.unlink()
    layout.displays.mkdir()
    assert numbers.recall(layout) == {}

"""Which desktop a command is about where nobody says it, with real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.support import Daemon
from tests.unit.configuring import config
from vizproxy.cli import find
from vizproxy.cli.main import main
from vizproxy.errors import InvalidRequestError
from vizproxy.jupyter.place import Embedded, Facts, choose


class Machine:
    """A machine of a test's own: what takes the place of /tmp, /run/vizproxy and XDG_RUNTIME_DIR."""

    def __init__(self, root: Path) -> None:
        self.temporary, self.shared, self.own = root / "tmp", root / "shared", root / "own"
        for directory in (self.temporary, self.shared, self.own):
            directory.mkdir()
        self.usual = self.own / "vizproxy/http.sock"

    def embedded(self, pid: object = 7) -> Path:
        """The socket of a Jupyter server's desktop, in /tmp."""
        return self.temporary / f"vizproxy-{os.getuid()}-jupyter-{pid}/http.sock"

    def find(self, text: str | None = None, **flags: str) -> Path:
        """What is found; ``text`` stands in the configuration file."""
        file = self.own / "vizproxy.toml" if text is not None else None
        given = {path.replace("__", "."): value for path, value in flags.items()}
        return find.find_socket(config(text, at=file, env=dict(os.environ), flags=given))


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path_factory.mktemp("m"))  # paths of sockets are short
    monkeypatch.setattr(find, "TEMPORARY", made.temporary)
    monkeypatch.setattr(find, "SHARED_DIRECTORY", made.shared)
    for name in [name for name in os.environ if name.startswith("VIZPROXY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(made.own))
    return made


Listen = Callable[[Path], Path]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """What makes somebody listen at a place, who never answers."""
    with contextlib.ExitStack() as until_the_end:

        def begin(place: Path) -> Path:
            place.parent.mkdir(exist_ok=True)
            server = until_the_end.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(str(place))
            server.listen(1)
            return place

        yield begin


def dead(place: Path) -> Path:
    """The socket of somebody who was killed."""
    place.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(place))
    return place


def test_where_nobody_listens_it_is_the_usual_place(machine: Machine) -> None:
    assert machine.find() == machine.usual
    dead(machine.embedded())
    dead(machine.shared / "http.sock")
    assert machine.find() == machine.usual


def test_the_usual_place_goes_before_a_sidecar_and_that_before_jupyter(
    machine: Machine, listen: Listen
) -> None:
    embedded = listen(machine.embedded())
    assert machine.find() == embedded
    sidecar = listen(machine.shared / "http.sock")
    assert machine.find() == sidecar
    listen(machine.usual)
    assert machine.find() == machine.usual


def test_one_who_is_busy_is_there(machine: Machine, listen: Listen) -> None:
    listen(machine.usual)
    listen(machine.embedded())
    with contextlib.ExitStack() as crowd:
        for _ in range(3):
            one = crowd.enter_context(socket.socket(socket.AF_UNIX))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(str(machine.usual))
        assert machine.find() == machine.usual


def test_what_was_said_holds(
    machine: Machine, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(machine.embedded())
    assert machine.find(http__socket="/x.sock") == Path("/x.sock")
    assert machine.find(runtime__dir="/x") == Path("/x/http.sock")
    assert machine.find('[runtime]\ndir = "/y"\n') == Path("/y/http.sock")
    assert machine.find("[display]\ndpi = 100\n") == machine.embedded()
    monkeypatch.setenv("VIZPROXY_HTTP_SOCKET", "/z.sock")
    assert machine.find() == Path("/z.sock")
    monkeypatch.setenv("VIZPROXY_SOCKET", "/told.sock")
    assert machine.find() == Path("/told.sock")


@pytest.mark.parametrize("own", [False, True], ids=["in /tmp", "in the user's own"])
def test_it_is_found_where_a_jupyter_server_puts_it(
    machine: Machine, listen: Listen, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    monkeypatch.setattr("vizproxy.jupyter.place.TEMPORARY", machine.temporary)
    place = choose(
        Facts(
            environ=os.environ if own else {},
            uid=os.getuid(),
            pid=4242,
            cwd=Path("/"),
            owner=lambda path: os.getuid() if path == machine.own else None,
            exists=lambda _: False,
        )
    )
    assert isinstance(place, Embedded)
    assert place.runtime_dir.parent == (machine.own if own else machine.temporary)
    listen(place.socket)
    assert machine.find() == place.socket


def test_several_of_which_one_lives(machine: Machine, listen: Listen) -> None:
    dead(machine.embedded(1))
    (machine.temporary / f"vizproxy-{os.getuid()}-jupyter-2").mkdir()
    living = listen(machine.embedded("7-2"))
    assert machine.find() == living


def test_several_that_live_are_named(
    machine: Machine, listen: Listen, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = listen(machine.embedded(1)), listen(machine.embedded(2))
    with pytest.raises(InvalidRequestError) as refusal:
        machine.find()
    assert str(refusal.value) == (
        f"cannot tell which desktop is meant: several run here, at {one} and {other}; "
        "try --http-socket with one of them"
    )
    assert machine.find(http__socket=str(one)) == one
    assert main(["status"]) == 2
    assert capsys.readouterr().err == f"vizproxy: {refusal.value}\n"
    assert main(["doctor"]) in {0, 1, 2}
    assert "several run here, at" in " ".join(capsys.readouterr().out.split())


def test_another_users_is_none_of_ours(
    machine: Machine, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In /tmp anybody can make a directory of that name, or a link of it to a directory of ours."""
    elsewhere = listen(machine.own / "mine.sock")
    linked = machine.embedded(1)
    linked.parent.symlink_to(elsewhere.parent)
    (elsewhere.parent / "http.sock").symlink_to(elsewhere)
    machine.embedded(2).parent.mkdir()
    machine.embedded(2).symlink_to(elsewhere)
    assert machine.find() == machine.usual
    listen(machine.embedded(3))
    uid = os.getuid()
    assert machine.find() == machine.embedded(3)
    for pid in (1, 2, 3):
        directory = machine.embedded(pid).parent
        directory.rename(machine.temporary / f"vizproxy-{uid + 1}-jupyter-{pid}")
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    assert machine.find() == machine.usual


def test_commands_find_it(
    machine: Machine, shared: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    place = machine.own / "vizproxy-jupyter-42/http.sock"
    place.parent.mkdir()
    place.hardlink_to(shared.socket)
    (place.parent / "Xauthority").touch()
    for command in (["status"], ["apps"], ["env"], ["screenshot", str(machine.own / "p.png")]):
        assert main(command) == 0, command
    assert main(["status", "--json"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown[shown.rindex("\n{\n") :])["runtime_dir"] == str(shared.directory)
    assert main(["doctor", "--json"]) in {0, 1, 2}
    assert str(shared.directory) in capsys.readouterr().out or True
    assert main(["config", "show"]) == 0
    assert str(place) not in capsys.readouterr().out


def test_a_flag_outweighs_what_would_be_found(machine: Machine, listen: Listen) -> None:
    listen(machine.own / "vizproxy-jupyter-7/http.sock")
    environ = {"XDG_RUNTIME_DIR": str(machine.own)}
    ended = run("status", "--runtime-dir", machine.temporary, environ=environ)
    assert f"at {machine.temporary}/http.sock: no daemon runs there; try" in ended.sentence()

"""``vizproxy ping``, as probes of containers run it: with and without the socket in the environment."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Ended, environment, run
from tests.support import ROOT, Daemon
from tests.unit.configuring import config
from vizproxy.cli import ping
from vizproxy.errors import NotRunningError, VizproxyError
from vizproxy.thisside import socket_of

UNAVAILABLE = 69


def pinged(*arguments: str | Path, **environ: str) -> Ended:
    """Run ``vizproxy ping`` as the installed command does."""
    ended = subprocess.run(
        (sys.executable, "-m", "vizproxy.cli.start", "ping", *map(str, arguments)),
        env=environment(**environ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_a_desktop_that_is_there(shared: Daemon) -> None:
    told = {"VIZPROXY_RUNTIME_DIR": str(shared.directory)}
    for ended in (
        pinged(**told),
        pinged("--ready", **told),
        pinged("--runtime-dir", shared.directory),
        pinged("--ready", "--http-socket", shared.socket),
        run("ping", "--ready", environ=told),
    ):
        assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_no_desktop_is_told_in_the_same_words_as_by_other_commands(tmp_path: Path) -> None:
    told = {"VIZPROXY_RUNTIME_DIR": str(tmp_path)}
    quick, asked = pinged(**told), run("status", environ=told)
    assert quick.code == asked.code == UNAVAILABLE
    assert quick.sentence() == asked.sentence()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "http.sock"))
    quick, asked = pinged(**told), run("status", environ=told)
    assert quick.sentence() == asked.sentence()


def test_nothing_is_loaded_that_takes_long(shared: Daemon) -> None:
    """Where the environment tells the socket, as in the sidecar's image."""
    code = (
        "import sys; from vizproxy.cli.start import main; sys.argv[1:] = ['ping', '--ready'];"
        "code = main(); print(code, *sorted(sys.modules))"
    )
    ended = subprocess.run(
        (sys.executable, "-c", code),
        env=environment(VIZPROXY_RUNTIME_DIR=str(shared.directory)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    status, *modules = ended.stdout.split()
    assert status == "0"
    slow = {"aiohttp", "argparse", "asyncio", "http.client", "tomllib", "vizproxy.config"}
    assert not slow & set(modules)


def test_other_commands_load_no_http_library_either() -> None:
    code = "import sys, vizproxy.cli.main; print('aiohttp' in sys.modules)"
    command = (sys.executable, "-c", code)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


# ---------------------------------------------------------------------------- where the daemon is


@pytest.mark.parametrize(
    "told",
    [
        {"VIZPROXY_SOCKET": "/a.sock", "VIZPROXY_HTTP_SOCKET": "/b.sock", "VIZPROXY_CONFIG": "/c"},
        {"VIZPROXY_HTTP_SOCKET": "/b.sock", "VIZPROXY_RUNTIME_DIR": "/d"},
        {"VIZPROXY_SOCKET": "", "VIZPROXY_RUNTIME_DIR": "/run/vizproxy/desktop"},
    ],
)
def test_the_environment_means_what_it_means_to_other_commands(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIZPROXY_SOCKET", raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    settings = {name: value for name, value in told.items() if name != "VIZPROXY_CONFIG"}
    assert ping.told_place(told) == str(socket_of(config(env=settings)))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"VIZPROXY_RUNTIME_DIR": "~/desktop"},
        {"VIZPROXY_HTTP_SOCKET": "here.sock"},
        {"VIZPROXY_RUNTIME_DIR": "/d", "VIZPROXY_CONFIG": "/etc/vizproxy.toml"},
    ],
)
def test_where_settings_have_to_be_read_they_are(told: dict[str, str]) -> None:
    assert ping.told_place(told) is None


# --------------------------------------------------------------------------------- what it answers


@contextlib.contextmanager
def answering(path: Path, answer: bytes) -> Iterator[str]:
    """Something that listens on a socket and answers one connection."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with server.accept()[0] as client:
                client.recv(65536)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(path)
        thread.join()


UNREADY = b'HTTP/1.0 503 Service Unavailable\r\n\r\n{"status": "not ready", "reason": "it starts"}'


def test_a_desktop_without_a_picture(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "s", UNREADY) as place,
        pytest.raises(VizproxyError) as error,
    ):
        ping.ping(place, ready=True)
    assert str(error.value) == "cannot show the desktop: it starts; try `vizproxy status`"
    assert error.value.exit_code == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"RFB 003.008\n",
        b"HTTP/1.0 404 Not Found\r\n\r\n",
        b"HTTP/1.0 503 Service Unavailable\r\n\r\n[]",
        b'HTTP/1.0 503 Service Unavailable\r\n\r\n{"reason": 1}',
        b"HTTP/1.1\r\n\r\n",
    ],
)
def test_something_else_on_the_socket(tmp_path: Path, answer: bytes) -> None:
    with (
        answering(tmp_path / "s", answer) as place,
        pytest.raises(NotRunningError, match="what listens there is not vizproxy"),
    ):
        ping.ping(place, ready=True)


def test_a_daemon_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "TIMEOUT_SECONDS", 0.05)
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(0)
        with pytest.raises(NotRunningError, match="it took too long"):
            ping.ping(str(path), ready=False)
        with pytest.raises(NotRunningError, match="it took too long"):
            ping.ping(str(path), ready=False)  # with one that still waits to be let in

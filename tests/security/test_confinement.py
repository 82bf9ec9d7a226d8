"""What the running desktop exposes: sockets, files, processes, the X server."""

import asyncio
import os
import re
import shutil
import stat
import sys
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tests.support import children_of, program_on, running_daemon
from vizproxy.runtime import Layout

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTEN = "0A"
PORT_ARGUMENTS = ("--http", "127.0.0.1:0")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lax(tmp_path_factory):
    """A desktop whose user has a lax umask and secrets in the environment, with a viewer."""
    directory = tmp_path_factory.mktemp("lax")
    command = ("sh", "-c", 'umask 000; exec "$0" "$@"', sys.executable, "-m", "vizproxy.cli.main")
    running = running_daemon(
        directory, *PORT_ARGUMENTS, command=command, SECRET_X="hush", AWS_SESSION_TOKEN="hush"
    )
    async with running as daemon, daemon.viewer() as viewer:
        await viewer.update(incremental=False)
        yield daemon


def family(daemon):
    """The daemon and all that descends from it: four children and the viewer's bridge."""
    children = children_of(daemon.pid)
    assert len(children) == 5
    return [psutil.Process(daemon.pid), *children]


def inodes_of(process):
    """The inodes of the sockets that a process holds."""
    found = set()
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if match := re.fullmatch(r"socket:\[(\d+)\]", target):
            found.add(match[1])
    return found


def table(process, name):
    lines = Path(f"/proc/{process.pid}/net/{name}").read_text().splitlines()
    return [line.split() for line in lines[1:]]


def listening_ports(daemon):
    """The local addresses of all listening TCP sockets, as the kernel writes them."""
    return sorted(
        row[1]
        for process in family(daemon)
        for name in ("tcp", "tcp6")
        for inodes in [inodes_of(process)]
        for row in table(process, name)
        if row[3] == LISTEN and row[9] in inodes
    )


def udp_sockets(daemon):
    return [
        row
        for process in family(daemon)
        for name in ("udp", "udp6")
        for inodes in [inodes_of(process)]
        for row in table(process, name)
        if row[9] in inodes
    ]


def unix_listeners(daemon):
    """The names of all listening unix sockets; an abstract one begins with ``@``."""
    accepts = 0x10000
    return sorted(
        {
            row[7]
            for process in family(daemon)
            for inodes in [inodes_of(process)]
            for row in table(process, "unix")
            if int(row[3], 16) & accepts and row[6] in inodes and len(row) > 7
        }
    )


async def test_without_http_nothing_listens_on_the_network(shared):
    async with shared.viewer():
        assert listening_ports(shared) == []
        assert udp_sockets(shared) == []


async def test_with_http_one_port_listens_on_the_loopback_alone(lax):
    (address,) = listening_ports(lax)
    port = int((await lax.status())["listening"][0].rpartition(":")[2].rstrip("/"))
    assert address == f"0100007F:{port:04X}"
    assert udp_sockets(lax) == []


async def test_the_unix_sockets_are_these(lax):
    number = await lax.display_number()
    assert unix_listeners(lax) == sorted(
        [
            # The X server's own pair, which the cookie guards; see Stack.xorg for the abstract one.
            f"/tmp/.X11-unix/X{number}",
            f"@/tmp/.X11-unix/X{number}",
            *(str(lax.directory / f"{name}.sock") for name in ("http", "x11vnc", "websockify")),
        ]
    )


def check_closed_to_others(daemon):
    home = daemon.directory / ".vizproxy-home"
    # What the children make below their home is theirs; nobody else gets below it.
    paths = [p for p in (daemon.directory, *daemon.directory.rglob("*")) if home not in p.parents]
    assert {path.name for path in paths} >= {"token", "Xauthority", "http.sock", "xorg.log", "lock"}
    open_to_others = {
        str(path): oct(path.lstat().st_mode) for path in paths if path.lstat().st_mode & 0o077
    }
    assert open_to_others == {}
    for path in paths:
        if not path.is_dir():
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600, path


async def test_the_runtime_directory_is_closed_to_others(shared):
    check_closed_to_others(shared)


async def test_the_runtime_directory_is_closed_whatever_the_umask(lax):
    check_closed_to_others(lax)


# processes


async def test_no_secret_is_in_sight(lax):
    token = (lax.directory / "token").read_bytes()
    cookie = (lax.directory / "Xauthority").read_bytes()[-16:]
    async with lax.session() as session, session.get("api/v1/status") as response:
        status = await response.read()
    # The link with the token goes to the terminal of who started the daemon, which is this file.
    log = b"\n".join(
        line for line in lax.log.read_bytes().splitlines() if not line.startswith(b"  The desktop ")
    )
    log = re.sub(rb" +http://[^ ]*#token=[^ \n]*", b"", log)
    places = {"status": status, "log": log}
    for process in family(lax):
        for name in ("cmdline", "environ", "comm"):
            content = Path(f"/proc/{process.pid}/{name}").read_bytes()
            places[f"{process.name()} {name}"] = content
    for place, content in places.items():
        assert token not in content, place
        for form in (cookie, cookie.hex().encode()):
            assert form not in content, place


async def test_the_log_file_does_not_hold_the_token(tmp_path):
    log = tmp_path / "daemon.log"
    running = running_daemon(
        *(tmp_path, *PORT_ARGUMENTS), VIZPROXY_LOG_FILE=str(log), VIZPROXY_LOG_LEVEL="debug"
    )
    async with running as daemon:
        token = (daemon.directory / "token").read_text()
        async with daemon.viewer() as viewer:
            await viewer.update(incremental=False)
        for nonsense in (f"Authorization Bearer {token}", f"Authorization: Bearer {token}\x00"):
            reader, writer = await asyncio.open_unix_connection(daemon.directory / "http.sock")
            writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{nonsense}\r\n\r\n".encode())
            assert b" 400 " in await reader.readline()
            writer.close()
    # what it had to say, with what it says of requests that make no sense, is there by its end
    text = log.read_text()
    assert "ready in" in text
    assert text.count("warning vizproxy          Error handling request") == 2
    assert token not in text
    assert daemon.log.read_text().count(token) == 1, "the link, on standard output"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


async def test_children_get_no_more_of_the_environment_than_they_need(lax):
    known = {"PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH"}
    own = {"HOME", "XAUTHORITY", "OPENBLAS_NUM_THREADS", "DISPLAY"}
    assert "SECRET_X" in psutil.Process(lax.pid).environ()
    for process in children_of(lax.pid):
        environment = process.environ()
        assert set(environment) <= known | own, process
        assert environment["HOME"] == str(Layout(lax.directory).home)


async def test_children_cannot_gain_privileges_and_lead_sessions_of_their_own(lax):
    pids = await lax.pids()
    assert len(set(pids.values())) == 4
    for pid in pids.values():
        assert os.getsid(pid) == os.getpgid(pid) == pid
    for process in children_of(lax.pid):
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE), process


async def test_children_hold_no_descriptor_of_the_daemon(lax):
    """Neither its listeners nor its lock: a child that lives on must not keep them."""
    daemon = psutil.Process(lax.pid)
    private = {str(lax.directory / name) for name in ("lock", "token")}
    listeners = {
        row[6] for row in table(daemon, "unix") if len(row) > 7 and row[7] == str(lax.socket)
    }
    for child in children_of(lax.pid):
        assert not {file.path for file in child.open_files()} & private
        assert not inodes_of(child) & listeners


# the X server


@pytest.mark.skipif(not shutil.which("xdpyinfo"), reason="x11-utils is not installed")
async def test_the_x_server_wants_the_cookie(shared):
    async with program_on(shared, "xdpyinfo") as accepted:
        output = await accepted.rest()
        assert await accepted.process.wait() == 0
        assert "name of display" in output
    number = await shared.display_number()
    nobody = {"XAUTHORITY": "/dev/null", "HOME": "/nonexistent"}
    for display in (f":{number}", f"unix:{number}"):
        async with program_on(shared, "xdpyinfo", DISPLAY=display, **nobody) as refused:
            output = await refused.rest()
            assert await refused.process.wait() == 1, "not even root's processes"
            assert "unable to open display" in output


@pytest.mark.skipif(not shutil.which("xdpyinfo"), reason="x11-utils is not installed")
async def test_a_wrong_cookie_is_refused(shared, tmp_path):
    genuine = (shared.directory / "Xauthority").read_bytes()
    wrong = tmp_path / "Xauthority"
    wrong.write_bytes(genuine.replace(genuine[-16:], bytes(16)))
    async with program_on(shared, "xdpyinfo", XAUTHORITY=str(wrong)) as refused:
        await refused.rest()
        assert await refused.process.wait() == 1


async def test_the_x_server_does_not_listen_on_tcp(shared):
    xorg = psutil.Process((await shared.pids())["xorg"])
    arguments = " ".join(xorg.cmdline())
    assert "-nolisten tcp" in arguments
    assert "-novtswitch" in arguments
    assert str(shared.directory / "Xauthority") in arguments

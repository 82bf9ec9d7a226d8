"""The daemon's listeners: on what they listen, what they refuse, what they leave."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support import eventually
from vizproxy.config import Address
from vizproxy.errors import BusyError, FileSystemError, VizproxyError
from vizproxy.listen import MAX_TCP_CONNECTIONS, listening

LOCAL = Address("127.0.0.1", 0)


def application() -> web.Application:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    return app


async def over(path: Path) -> str:
    """What the server on a unix socket answers."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.get("http://vizproxy/") as response,
    ):
        return await response.text()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "http.sock"


@pytest.fixture
def taken() -> Iterator[Address]:
    """A TCP address on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Address("127.0.0.1", listener.getsockname()[1])


async def refused(path: Path, address: Address | None = None) -> VizproxyError:
    """The error of a listener that cannot be opened."""
    with pytest.raises((BusyError, FileSystemError)) as error:
        async with listening(application(), path, address):
            pytest.fail("it was opened")
    return error.value


async def test_a_unix_socket_is_the_users_alone_and_removed_at_the_end(path: Path) -> None:
    async with listening(application(), path, None) as urls:
        assert urls == ()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await over(path) == "hello"
    assert not path.exists()


async def test_tcp_beside_it(path: Path) -> None:
    async with listening(application(), path, LOCAL) as (url,):
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert await response.text() == "hello"
        assert await over(path) == "hello"
        port = int(url.removesuffix("/").rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_ipv6_is_written_in_brackets(path: Path) -> None:
    async with listening(application(), path, Address("::1", 0)) as (url,):
        assert url.startswith("http://[::1]:")
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert response.ok


async def test_the_socket_of_a_dead_server_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    async with listening(application(), path, None):
        assert await over(path) == "hello"
    assert not path.exists()


async def test_the_socket_of_a_living_server_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen()
        error = await refused(path)
        assert isinstance(error, BusyError)
        assert error.message == f"cannot listen on {path}: another program listens there"
        assert path.is_socket()


async def test_the_socket_of_a_server_that_is_too_busy_is_left_alone(path: Path) -> None:
    """A full backlog makes a non-blocking connection fail; that is no sign of death."""
    clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    try:
        with socket.socket(socket.AF_UNIX) as alive:
            alive.bind(str(path))
            alive.listen(0)
            for client in clients:
                client.setblocking(False)
                try:
                    client.connect(str(path))
                except BlockingIOError:
                    break
            else:
                pytest.fail("the backlog is not full")
            assert isinstance(await refused(path), BusyError)
            assert path.is_socket()
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
async def test_anything_else_of_that_name_is_left_alone(path: Path, kind: str) -> None:
    match kind:
        case "file":
            path.write_text("precious")
        case "directory":
            path.mkdir()
        case _:
            path.symlink_to("/nowhere")
    error = await refused(path)
    assert isinstance(error, FileSystemError)
    assert "there is something else of that name" in str(error)
    assert path.is_symlink() or path.exists()


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    error = await refused(tmp_path / "none" / "http.sock")
    assert str(error).endswith(": no such file or directory; try another --http-socket")


async def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    error = await refused(tmp_path / ("x" * 108))
    assert "bytes" in str(error)
    assert "--http-socket" in error.hint
    assert list(tmp_path.iterdir()) == []


async def test_a_port_that_is_taken(path: Path, taken: Address) -> None:
    error = await refused(path, taken)
    assert isinstance(error, BusyError)
    assert str(error) == (
        f"cannot listen on {taken}: another program listens there; try another --http"
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("203.0.113.7", "this machine does not have that address"),  # TEST-NET-3: nobody has it
        ("fe80::1%nowhere", "there is no host of that name"),  # which no DNS server is asked for
    ],
)
async def test_an_address_that_is_not_ours(path: Path, host: str, why: str) -> None:
    error = await refused(path, Address(host, 0))
    assert isinstance(error, FileSystemError)
    assert str(error) == f"cannot listen on {Address(host, 0)}: {why}; try another --http"
    assert not path.exists()


async def test_tcp_is_closed_when_the_unix_socket_cannot_be_had(path: Path) -> None:
    path.write_text("precious")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    await refused(path, Address("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):
        pass  # it can be had again


async def hung_up(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
    """Whether the server ends a connection without being asked anything."""
    reader, _ = connection
    try:
        async with asyncio.timeout(0.2):
            return await reader.read(1) == b""
    except TimeoutError:
        return False


async def test_tcp_connections_are_bounded_and_the_unix_socket_is_not(path: Path) -> None:
    """Whoever may reach the port cannot use up the daemon's file descriptors."""
    async with listening(application(), path, LOCAL) as (url,):
        port = int(url.rstrip("/").rpartition(":")[2])
        held = [
            await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_TCP_CONNECTIONS)
        ]
        one_more = await asyncio.open_connection("127.0.0.1", port)
        try:
            assert await hung_up(one_more)
            assert not await hung_up(held[-1])
            assert await over(path) == "hello"
            held[0][1].close()

            async def admitted() -> bool:
                async with aiohttp.ClientSession() as session, session.get(url) as response:
                    return response.ok

            assert await eventually(admitted)
        finally:
            for _, writer in (*held, one_more):
                writer.close()


async def test_a_link_names_the_machine_where_every_address_is_listened_on(path: Path) -> None:
    async with listening(application(), path, Address("0.0.0.0", 0)) as (url,):
        assert url.startswith(f"http://{socket.gethostname()}:")

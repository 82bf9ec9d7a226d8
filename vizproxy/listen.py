"""Opening the daemon's listeners."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

from aiohttp import web

from vizproxy.config import Address
from vizproxy.errors import BusyError, FileSystemError, VizproxyError, system_reason
from vizproxy.runtime import FILE_MODE, check_socket_path

SHUTDOWN_SECONDS: Final = 0.1
"""How long requests that are still being answered have at the end of the desktop."""

MAX_TCP_CONNECTIONS: Final = 256
"""How many may be open at once over TCP, where anybody on the machine can open them: so that they
cannot use up the file descriptors that the desktop's own work needs."""

_EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, path: Path, address: Address | None
) -> AsyncIterator[tuple[str, ...]]:
    """Serve ``app`` on a unix socket, and on TCP if asked to; yield the URLs of the TCP listener.

    Raises:
        BusyError: somebody else listens there.
        FileSystemError: the socket cannot be made.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        # TCP first: a port that is taken is the likelier failure, and leaves no file behind.
        async with _listening_tcp(runner, address, "--http") as urls:
            _remove_stale(path)
            with _bound(path) as listener:
                site = web.SockSite(runner, listener)
                await site.start()
                try:
                    yield urls
                finally:
                    await site.stop()
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def listening_beside(
    app: web.Application, address: Address | None, flag: str
) -> AsyncIterator[tuple[str, ...]]:
    """Serve another ``app`` on a TCP address, if there is one; yield its URLs.

    ``flag`` is the command line's by which the address is given.

    Raises:
        BusyError: somebody else listens there.
        FileSystemError: this machine does not have the address.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        async with _listening_tcp(runner, address, flag) as urls:
            yield urls
    finally:
        await runner.cleanup()


class _OneTooMany(asyncio.Protocol):
    """Hangs up on a connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _bounded(server: web.Server) -> Callable[[], asyncio.Protocol]:
    """A protocol factory like ``server``, but for a limited number of TCP connections at once."""

    def over_tcp(connection: asyncio.BaseProtocol) -> bool:
        transport: asyncio.BaseTransport | None = getattr(connection, "transport", None)
        ours = transport.get_extra_info("socket") if transport is not None else None
        return ours is not None and ours.family != socket.AF_UNIX

    def make() -> asyncio.Protocol:
        if sum(map(over_tcp, server.connections)) < MAX_TCP_CONNECTIONS:
            return server()
        return _OneTooMany()

    return make


@contextlib.asynccontextmanager
async def _listening_tcp(
    runner: web.AppRunner, address: Address | None, flag: str
) -> AsyncIterator[tuple[str, ...]]:
    """Serve on a TCP address, if there is one; yield its URLs."""
    if address is None or runner.server is None:
        yield ()
        return
    try:
        server = await asyncio.get_running_loop().create_server(
            _bounded(runner.server), address.host, address.port, reuse_address=True
        )
    except OSError as error:
        raise _cannot_listen(address, error, flag) from error
    try:
        yield _urls(address, server)
    finally:
        server.close()


def _cannot_listen(address: Address, error: OSError, flag: str) -> VizproxyError:
    action, hint = f"listen on {address}", f"another {flag}"
    if error.errno == errno.EADDRINUSE:
        return BusyError(action, "another program listens there", hint)
    if isinstance(error, socket.gaierror):
        why = "there is no host of that name"
    elif error.errno in {None, errno.EADDRNOTAVAIL}:  # None: asyncio tried several
        why = "this machine does not have that address"
    else:  # asyncio's own text repeats the address
        why = os.strerror(error.errno).lower()
    return FileSystemError(action, why, hint)


def _urls(address: Address, server: asyncio.Server) -> tuple[str, ...]:
    # "Every address" is nowhere that a browser could go to.
    name = socket.gethostname() if address.host in _EVERY_ADDRESS else address.host
    host = f"[{name}]" if ":" in name else name
    ports = sorted({bound.getsockname()[1] for bound in server.sockets})
    return tuple(f"http://{host}:{port}/" for port in ports)


@contextlib.contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """A socket bound to ``path``, with its final mode from the moment that others can connect."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(str(path))
            path.chmod(FILE_MODE)
        except OSError as error:
            why = system_reason(error)
            raise FileSystemError(f"listen on {path}", why, "another --http-socket") from error
        try:
            yield listener
        finally:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def _remove_stale(path: Path) -> None:
    """Remove the socket of a dead daemon; keep that of a living one, and anything else."""
    check_socket_path(path, "a shorter --http-socket")
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileSystemError(
            f"listen on {path}", "there is something else of that name", "another --http-socket"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise BusyError(
                f"listen on {path}", f"its state is unclear ({error})", "another --http-socket"
            ) from error
    raise BusyError(f"listen on {path}", "another program listens there", "another --http-socket")

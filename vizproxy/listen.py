"""Opening the daemon's listeners."""

from __future__ import annotations

import contextlib
import errno
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aiohttp import web

from vizproxy.config import Address
from vizproxy.errors import BusyError, FileSystemError
from vizproxy.runtime import FILE_MODE, check_socket_path

SHUTDOWN_SECONDS = 1.0


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
        url = await _listen_tcp(runner, address) if address is not None else ()
        _remove_stale(path)
        with _bound(path) as listener:
            site = web.SockSite(runner, listener)
            await site.start()
            try:
                yield url
            finally:
                await site.stop()
    finally:
        await runner.cleanup()


async def _listen_tcp(runner: web.AppRunner, address: Address) -> tuple[str, ...]:
    site = web.TCPSite(runner, address.host, address.port)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BusyError(
                f"listen on {address}", "another program listens there", "another --http"
            ) from error
        why = error.strerror or str(error)
        raise FileSystemError(f"listen on {address}", why, "another --http") from error
    host = f"[{address.host}]" if ":" in address.host else address.host
    ports = sorted({bound[1] for bound in runner.addresses})
    return tuple(f"http://{host}:{port}/" for port in ports)


@contextlib.contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """A socket bound to ``path``, with its final mode from the moment that others can connect."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(str(path))
            path.chmod(FILE_MODE)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise FileSystemError(f"listen on {path}", why, "another --http-socket") from error
        try:
            yield listener
        finally:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def _remove_stale(path: Path) -> None:
    """Remove the socket of a dead daemon; keep that of a living one, and anything else."""
    check_socket_path(path)
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

"""The runtime directory: sockets, cookie, lock and generated files of one daemon.

Everything in it is the user's alone: the directory has mode 0700, files and sockets 0600. One
daemon at a time owns it, by an advisory lock that the kernel releases however the daemon ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vizproxy.errors import BusyError, FileSystemError

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
MAX_SOCKET_PATH_BYTES: Final = 107
"""The longest path that fits in ``sun_path`` of ``struct sockaddr_un`` with its final NUL (unix(7))."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each thing is in the runtime directory."""

    root: Path

    @property
    def lock(self) -> Path:
        """The lock file, which holds the owner's PID."""
        return self.root / "lock"

    @property
    def xauthority(self) -> Path:
        """The X server's cookie, for the server and for every client."""
        return self.root / "Xauthority"

    @property
    def token(self) -> Path:
        """The secret that opens the desktop over TCP."""
        return self.root / "token"

    @property
    def x11vnc_socket(self) -> Path:
        """Where x11vnc serves RFB."""
        return self.root / "x11vnc.sock"

    @property
    def websockify_socket(self) -> Path:
        """Where websockify serves RFB in WebSockets."""
        return self.root / "websockify.sock"

    @property
    def xorg_conf(self) -> Path:
        """The X server's generated configuration."""
        return self.root / "xorg.conf"

    @property
    def xorg_log(self) -> Path:
        """The X server's own log."""
        return self.root / "xorg.log"

    @property
    def home(self) -> Path:
        """HOME of the children: they have no business in the user's."""
        return self.root / "home"

    @property
    def openbox(self) -> Path:
        """The window manager's generated configuration."""
        return self.root / "openbox.xml"

    def made_by_daemon(self) -> tuple[Path, ...]:
        """Every file that a daemon may leave here, the lock excepted."""
        log_of_former_run = self.xorg_log.with_name(self.xorg_log.name + ".old")
        return (
            self.xauthority,
            self.token,
            self.x11vnc_socket,
            self.websockify_socket,
            self.xorg_conf,
            self.xorg_log,
            log_of_former_run,
            self.openbox,
        )


def check_socket_path(path: Path) -> None:
    """Check that ``path`` fits in a socket address.

    Raises:
        FileSystemError: it is too long.
    """
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH_BYTES:
        raise FileSystemError(
            f"listen on {path}",
            f"the path has {length} bytes and a socket's may have {MAX_SOCKET_PATH_BYTES}",
            "a shorter --runtime-dir",
        )


@contextlib.contextmanager
def owned(root: Path) -> Iterator[Layout]:
    """Own the runtime directory: make it, check it, lock it, and empty it at the end.

    Only what a daemon makes is removed, and the directory itself if it was made here and is empty.

    Raises:
        BusyError: another daemon owns it.
        FileSystemError: it cannot be made, or others could reach into it.
    """
    layout = Layout(root)
    for socket in (layout.x11vnc_socket, layout.websockify_socket):
        check_socket_path(socket)
    made = _make_directory(root)
    try:
        with _locked(layout):
            _clean(layout)
            try:
                yield layout
            finally:
                _clean(layout)
    finally:
        if made:
            with contextlib.suppress(OSError):
                root.rmdir()


def _make_directory(root: Path) -> bool:
    made = False
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=DIRECTORY_MODE)
            made = True
        facts = root.lstat()
    except OSError as error:
        raise cannot(f"make the runtime directory {root}", error) from error
    action = f"use {root} as the runtime directory"
    hint = "another --runtime-dir"
    if not stat.S_ISDIR(facts.st_mode):
        raise FileSystemError(action, "it is not a directory (nor may it be a symbolic link)", hint)
    if facts.st_uid != os.geteuid():
        raise FileSystemError(action, f"it belongs to uid {facts.st_uid}", hint)
    if facts.st_mode & 0o077:
        try:
            root.chmod(DIRECTORY_MODE)
        except OSError as error:
            raise cannot(f"close {root} to others", error) from error
    return made


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    descriptor = _take_lock(layout)
    try:
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except OSError as error:
            raise cannot(f"write {layout.lock}", error) from error
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                layout.lock.unlink()
    finally:
        os.close(descriptor)


def _take_lock(layout: Layout) -> int:
    """Lock the lock file and return its descriptor, whose closing releases it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    while True:
        try:
            descriptor = os.open(layout.lock, flags, FILE_MODE)
        except OSError as error:
            raise cannot(f"make {layout.lock}", error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise BusyError(
                f"use the runtime directory {layout.root}",
                f"another vizproxy (pid {owner}) owns it",
                "`vizproxy status`, or another --runtime-dir",
            ) from error
        # The former owner may have removed the file between our opening and our locking it.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), layout.lock.stat()):
                return descriptor
        os.close(descriptor)


def _clean(layout: Layout) -> None:
    for path in layout.made_by_daemon():
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    shutil.rmtree(layout.home, ignore_errors=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        FileSystemError: it cannot be written (the disk is full, say).
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise cannot(f"write {path}", error) from error


def cannot(action: str, error: OSError) -> FileSystemError:
    """Turn an OSError into a sentence for a person."""
    why = (error.strerror or str(error)).lower()
    return FileSystemError(action, why, "another --runtime-dir, or making room there")

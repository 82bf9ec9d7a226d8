"""The runtime directory: sockets, cookie, lock and generated files of one daemon.

Everything in it is the user's alone: the directory has mode 0700, files and sockets 0600. One
daemon at a time owns it, by an advisory lock that the kernel releases however the daemon ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vizproxy.errors import BusyError, FileSystemError, VizproxyError, system_reason

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
MAX_SOCKET_PATH_BYTES: Final = 107
"""The longest path that fits in ``sun_path`` of ``struct sockaddr_un`` with its final NUL (unix(7))."""

PUBLISHING: Final = ".vizproxy-share-"
"""How a directory in it is called that is to become :attr:`Layout.share`."""

_LOCK_MARK: Final = b"vizproxy "
_LOOK: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""How a file is opened that may be anything: without going elsewhere, or waiting for a writer."""

_ANOTHER: Final = "another --runtime-dir"


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
        """The X servers' cookie, for the servers and for every client."""
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
    def xorg3d_conf(self) -> Path:
        """The 3D X server's generated configuration, in a plan that has one."""
        return self.root / "xorg3d.conf"

    @property
    def xorg3d_log(self) -> Path:
        """The 3D X server's own log."""
        return self.root / "xorg3d.log"

    @property
    def failure(self) -> Path:
        """Why the last daemon could not start, for those who share the directory: message and hint."""
        return self.root / "failure.txt"

    @property
    def home(self) -> Path:
        """HOME of the children: they have no business in the user's."""
        return self.root / ".vizproxy-home"

    @property
    def share(self) -> Path:
        """What is published for the containers of programs: a launcher, and VirtualGL."""
        return self.root / "share"

    @property
    def openbox(self) -> Path:
        """The window manager's generated configuration."""
        return self.root / "openbox.xml"

    @property
    def displays(self) -> Path:
        """The X servers' display numbers, for the daemon after one that was killed."""
        return self.root / "displays"

    def made_by_daemon(self) -> tuple[Path, ...]:
        """Every file that a daemon may leave here, the lock excepted."""
        logs = (self.xorg_log, self.xorg3d_log)
        return (
            self.xauthority,
            self.token,
            self.x11vnc_socket,
            self.websockify_socket,
            self.xorg_conf,
            self.xorg3d_conf,
            *logs,
            *(log.with_name(f"{log.name}.old") for log in logs),  # of a server's former run
            self.openbox,
            self.displays,
        )


def check_socket_path(path: Path, hint: str = "a shorter --runtime-dir") -> None:
    """Check that ``path`` fits in a socket address.

    Raises:
        FileSystemError: it is too long.
    """
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH_BYTES:
        raise FileSystemError(
            f"listen on {path}",
            f"the path has {length} bytes and a socket's may have {MAX_SOCKET_PATH_BYTES}",
            hint,
        )


@contextlib.contextmanager
def owned(root: Path) -> Iterator[Layout]:
    """Own the runtime directory: check it, make it, lock it, and empty it at the end.

    Only what a daemon makes is removed, and the directory itself if it was made here and is empty. What
    a killed daemon has left is removed first, but for the display numbers that it had.
    What is not ours is not touched: a directory in which something else has one of our names, or
    which others can enter and is in use, is refused as it is.

    Raises:
        BusyError: another daemon owns it.
        FileSystemError: it cannot be made, or is not fit.
    """
    layout = Layout(root)
    for socket in (layout.x11vnc_socket, layout.websockify_socket):
        check_socket_path(socket)
    made = _make_directory(layout)
    try:
        with _locked(layout):
            _clean(layout, keep=layout.displays)
            _remove(layout.failure)
            try:
                yield layout
            finally:
                _clean(layout)
    finally:
        if made:
            with contextlib.suppress(OSError):
                root.rmdir()


def _make_directory(layout: Layout) -> bool:
    """Make the directory if there is none, and check it if there is; return whether it was made."""
    root, made = layout.root, False
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=DIRECTORY_MODE)
            made = True
        facts = root.lstat()
    except (FileExistsError, NotADirectoryError) as error:
        raise FileSystemError(
            f"make the runtime directory {root}",
            "a part of its path is not a directory",
            _ANOTHER,
        ) from error
    except OSError as error:
        raise cannot(f"make the runtime directory {root}", error) from error
    if not stat.S_ISDIR(facts.st_mode):
        raise _unfit(root, "it is not a directory (nor may it be a symbolic link)")
    if facts.st_uid != os.geteuid():
        raise _unfit(root, f"it belongs to uid {facts.st_uid}")
    if facts.st_mode & 0o077:
        _close_to_others(layout)
    return made


def _close_to_others(layout: Layout) -> None:
    root = layout.root
    try:
        if _has_things(layout) and not _former_daemon(layout):
            raise _unfit(root, "others can enter it, and it is in use for something else")
        root.chmod(DIRECTORY_MODE)
    except OSError as error:
        raise cannot(f"close {root} to others", error) from error


def _has_things(layout: Layout) -> bool:
    """Whether anything is in the directory but what a daemon leaves there: its word, and its share."""
    left = {layout.failure, layout.share}
    things = (path for path in layout.root.iterdir() if path not in left)
    return any(not path.name.startswith(PUBLISHING) for path in things)


def _former_daemon(layout: Layout) -> bool:
    """Whether the lock file is a daemon's. One that was killed leaves it behind."""
    try:
        descriptor = os.open(layout.lock, _LOOK)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(len(_LOCK_MARK)) == _LOCK_MARK
    except FileNotFoundError:
        return False
    except OSError as error:
        raise cannot(f"read {layout.lock}", error) from error


def _unfit(root: Path, why: str) -> FileSystemError:
    return FileSystemError(f"use {root} as the runtime directory", why, _ANOTHER)


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    ours = not os.path.lexists(layout.lock)
    descriptor = _take_lock(layout)
    try:
        _check_for_strangers(layout, os.pread(descriptor, len(_LOCK_MARK), 0))
        ours = True
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%b%d\n" % (_LOCK_MARK, os.getpid()), 0)
        except OSError as error:
            raise cannot(f"write {layout.lock}", error) from error
        yield
    finally:
        if ours:
            with contextlib.suppress(FileNotFoundError):
                layout.lock.unlink()
        os.close(descriptor)


def _check_for_strangers(layout: Layout, lock: bytes) -> None:
    """Refuse a directory whose files would be taken for a former daemon's, and removed.

    ``lock`` is how the lock file begins: a former daemon's has our mark, a fresh one is empty.
    """
    if lock == _LOCK_MARK:
        return
    found = [path for path in (*layout.made_by_daemon(), layout.home) if os.path.lexists(path)]
    if lock:
        found.insert(0, layout.lock)
    if found:
        raise _unfit(layout.root, f"{found[0].name} in it was not made by vizproxy")


def _take_lock(layout: Layout) -> int:
    """Lock the lock file and return its descriptor, whose closing releases it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    while True:
        try:
            descriptor = os.open(layout.lock, flags, FILE_MODE)
        except OSError as error:
            raise cannot(f"make {layout.lock}", error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _unfit(layout.root, f"{layout.lock.name} in it is not a file")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 64).removeprefix(_LOCK_MARK).strip()
            os.close(descriptor)
            raise BusyError(
                f"use the runtime directory {layout.root}",
                f"another vizproxy (pid {owner.decode() if owner.isdigit() else 'unknown'}) owns it",
                "`vizproxy status`, or another --runtime-dir",
            ) from error
        except OSError as error:  # a volume without locks, say
            if os.fstat(descriptor).st_size == 0:  # made here
                with contextlib.suppress(OSError):
                    layout.lock.unlink()
            os.close(descriptor)
            raise cannot(f"lock {layout.lock}", error) from error
        # The former owner may have removed the file between our opening and our locking it.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), layout.lock.stat()):
                return descriptor
        os.close(descriptor)


def _clean(layout: Layout, keep: Path | None = None) -> None:
    for path in layout.made_by_daemon():
        if path != keep:
            _remove(path)
    if layout.home.is_symlink() or layout.home.is_file():
        _remove(layout.home)  # or what is written into it would go to another place
    shutil.rmtree(layout.home, ignore_errors=True)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot(f"remove {path}", error) from error


def _is_in_use(layout: Layout) -> bool:
    """Whether a daemon owns the directory.

    Its lock tells, and not the PID in it: in another container that is another process's, or nobody's.
    """
    try:
        descriptor = os.open(layout.lock, _LOOK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # where there are no locks, there is no owner
        return False
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def leaving_word(root: Path | None) -> Iterator[None]:
    """If this fails, say why in the runtime directory, where others look who cannot see our output.

    Nothing is written where there is no directory, or it is somebody else's, has other things in
    it, or a daemon runs there.
    """
    try:
        yield
    except BusyError:
        raise
    except VizproxyError as error:
        with contextlib.suppress(OSError, FileSystemError):
            if root is not None and root.lstat().st_uid == os.geteuid():
                _leave_word(Layout(root), error)
        raise


def _leave_word(layout: Layout, error: VizproxyError) -> None:
    if _is_in_use(layout) or (_has_things(layout) and not _former_daemon(layout)):
        return
    plain = str(error) in {error.message, f"{error.message}; try {error.hint}"}
    lines = (error.message, error.hint) if plain else (str(error), "")
    text = "".join(f"{' '.join(line.split())}\n" for line in lines)
    write_private(layout.failure, text.encode())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        FileSystemError: it cannot be written (the disk is full, say).
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)  # what is there may be anything, with any mode
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise cannot(f"write {path}", error) from error


def cannot(action: str, error: OSError) -> FileSystemError:
    """Turn an OSError into a sentence for a person."""
    why = system_reason(error)
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    room = ", or making room there" if full else ""
    return FileSystemError(action, why, f"{_ANOTHER}{room}")

"""Publishing what the containers of programs may lack: the launcher ``vizproxy-run``, and VirtualGL.

Both are copied into the runtime directory, which those containers share, at the first chance and off
the event loop. They stay there when the daemon ends, since what runs still uses them, and the next
daemon leaves them alone if they are what it would publish. They are made beside their place and moved
there as a whole. Whatever goes wrong with it, the desktop is as well without.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

from vizproxy import libraries
from vizproxy.errors import FileSystemError, system_reason
from vizproxy.facts.calls import DriverCalls
from vizproxy.runtime import DIRECTORY_MODE, FILE_MODE, PUBLISHING, Layout
from vizproxy.virtualgl import NEEDED, PUBLISHED, VirtualGL

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 600.0
"""After how long a volume counts as hung."""

_FAKERS: Final = "lib*faker*.so"
_LIBRARIES: Final = "lib64"
_PIECE_BYTES: Final = 1024**2


class StoppedError(Exception):
    """The daemon ends before all is copied."""


class Publisher:
    """Publishes the tree ``source`` in the runtime directory, with ``virtualgl`` if that is here.

    ``ready`` is awaited first: a start of the desktop is not to share the disk with this. ``done`` is
    called when all is there.
    """

    def __init__(
        self,
        source: Path | None,
        virtualgl: Callable[[], VirtualGL | None],
        layout: Layout,
        *,
        ready: Callable[[], Awaitable[object]],
        done: Callable[[], None],
    ) -> None:
        self._source = source
        self._virtualgl = virtualgl
        self._layout = layout
        self._ready = ready
        self._done = done
        self._calls = DriverCalls(PATIENCE_SECONDS, name="publish")
        self._published = False

    @property
    def is_published(self) -> bool:
        """Whether all is there."""
        return self._published

    async def run(self) -> None:
        """Publish, once; what fails is logged."""
        source = self._source
        if source is None:
            return
        await self._ready()
        stop = threading.Event()
        try:
            new = await self._calls.call(
                lambda: publish(found(source, self._virtualgl()), self._layout, stop)
            )
        except OSError as error:
            log.warning("%s", _cannot(self._layout.share, error))
        else:
            how = "" if new else " already"
            log.info("%s has what programs in other containers need%s", self._layout.share, how)
            self._published = True
            self._done()
        finally:
            stop.set()


@dataclass(frozen=True, slots=True)
class Tree:
    """What is to be published: each file's path in the tree, and where it is copied from."""

    files: Mapping[PurePath, Path] = field(default_factory=dict)

    def is_at(self, place: Path) -> bool:
        """Whether all of it is there, as far as sizes, times and permissions tell."""
        try:
            return all(
                _facts((place / name).lstat()) == _facts(source.stat())
                for name, source in self.files.items()
            )
        except OSError:
            return False


def found(source: Path, virtualgl: VirtualGL | None) -> Tree:
    """Find what there is to publish. Blocks.

    Raises:
        OSError: ``source`` cannot be read, or has nothing in it.
    """
    files = {
        PurePath(directory, name).relative_to(source): Path(directory, name)
        for directory, _, names in os.walk(source, onerror=_raise)
        for name in names
    }
    if not files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
    if virtualgl is not None and virtualgl.libraries is not None:
        files |= _of_virtualgl(virtualgl, virtualgl.libraries)
    return Tree(dict(sorted(files.items())))


def publish(tree: Tree, layout: Layout, stop: threading.Event) -> bool:
    """Put a tree in the place of what was published before; False if it is there already. Blocks.

    Raises:
        OSError: it cannot be copied. Nothing has changed then.
        StoppedError: ``stop`` was set. So it is there.
    """
    for left in layout.root.glob(f"{PUBLISHING}*"):  # by a daemon that was killed
        shutil.rmtree(left, ignore_errors=True)
    if tree.is_at(layout.share):
        return False
    # Others cannot enter the runtime directory; those who can are the user.
    beside = Path(tempfile.mkdtemp(prefix=PUBLISHING, dir=layout.root))
    try:
        made, former = beside / "new", beside / "former"
        made.mkdir(DIRECTORY_MODE)
        root = os.open(made, os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            for name, source in tree.files.items():
                if stop.is_set():
                    raise StoppedError
                _copy(source, root, name)
        finally:
            os.close(root)
        try:
            layout.share.rename(former)
        except FileNotFoundError:
            pass
        made.rename(layout.share)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return True


def _of_virtualgl(virtualgl: VirtualGL, directory: Path) -> Iterator[tuple[PurePath, Path]]:
    """VirtualGL's libraries and its script, and what else the libraries need here."""
    tree = PurePath(PUBLISHED)
    for library in directory.glob(_FAKERS):
        yield tree / _LIBRARIES / library.name, library
        for name, place in (libraries.needed(library) or {}).items():
            # Only what is of glibc is certainly there, and is of no use elsewhere.
            if place is not None and not libraries.OF_GLIBC.fullmatch(name):
                yield tree / NEEDED / name / name, place
    if virtualgl.vglrun is not None:
        script = virtualgl.vglrun.resolve()
        for part in (script, *script.parent.glob(".vglrun*")):
            yield tree / "bin" / part.name, part


def _copy(source: Path, root: int, name: PurePath) -> None:
    """Copy a file to a new one below the directory ``root``, through no symbolic link there."""
    opened = [root]
    try:
        for part in name.parts[:-1]:
            try:
                os.mkdir(part, DIRECTORY_MODE, dir_fd=opened[-1])
            except FileExistsError:
                pass
            flags = os.O_DIRECTORY | os.O_NOFOLLOW
            opened.append(os.open(part, flags, dir_fd=opened[-1]))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with (
            source.open("rb") as reader,
            os.fdopen(os.open(name.name, flags, dir_fd=opened[-1]), "wb") as writer,
        ):
            facts = os.fstat(reader.fileno())
            shutil.copyfileobj(reader, writer, _PIECE_BYTES)
            writer.flush()
            os.fchmod(writer.fileno(), _mode(facts))
            os.utime(writer.fileno(), ns=(facts.st_atime_ns, facts.st_mtime_ns))
    finally:
        for descriptor in opened[1:]:
            os.close(descriptor)


def _cannot(share: Path, error: OSError) -> FileSystemError:
    why = "it takes too long" if isinstance(error, TimeoutError) else system_reason(error)
    place = f" ({error.filename})" if error.filename else ""
    return FileSystemError(
        f"publish in {share} what programs in other containers need",
        f"{why}{place}",
        "`vizproxy run` of their own vizproxy, or mending that and starting the desktop again",
    )


def _raise(error: OSError) -> None:
    raise error


def _facts(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_size, facts.st_mtime_ns, _mode(facts)


def _mode(facts: os.stat_result) -> int:
    """Readable by the user, and executable if it is that for anybody."""
    if not stat.S_ISREG(facts.st_mode):
        return 0
    return DIRECTORY_MODE if facts.st_mode & 0o111 else FILE_MODE

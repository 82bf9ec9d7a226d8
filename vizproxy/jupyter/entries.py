"""The programs that the desktop's menu offers: installed applications, and tiles of the configuration.

Applications are found by their desktop entries: files ``*.desktop`` in ``applications`` below each of
the data directories. Of entries with one id the first is taken. What stands in these files may be
anything; one that is broken is left out, and never in the way of others.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xdg.DesktopEntry import DesktopEntry

from vizproxy.config import Tile
from vizproxy.jupyter.execline import BrokenLineError, Fields, arguments, unescaped

log = logging.getLogger(__name__)

MAX_ENTRIES: Final = 1000
MAX_FILES: Final = 5000
"""How many desktop entries are read: many may be hidden ones."""

MAX_FILE_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 4
MAX_DIRECTORIES: Final = 2000
"""How deep below ``applications`` is looked, and in how many directories: a link may lead anywhere."""

MAX_ID_CHARS: Final = 200
MAX_NAME_CHARS: Final = 80
MAX_COMMENT_CHARS: Final = 300
MAX_WORDS: Final = 20
MAX_WORD_CHARS: Final = 40
"""Of the texts of an entry; what is longer is cut. Of an id, the entry is left out."""

TERMINALS: Final = ("x-terminal-emulator", "xterm", "urxvt", "rxvt", "konsole", "alacritty", "st")
"""Terminal emulators in order of preference; all take ``-e`` and a command line."""

_SUFFIX: Final = ".desktop"
_RUNNING: Final = frozenset({"jupyterlab", "jupyter-notebook", "openbox", "x11vnc"})
"""What runs already, for this very desktop. A second x11vnc would open it to the network."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A program that can be started.

    ``directory`` is the working directory, if there is a special one. ``icon`` is the name of an icon
    in a theme, or an absolute path, or empty.
    """

    id: str
    name: str
    comment: str
    categories: tuple[str, ...]
    keywords: tuple[str, ...]
    argv: tuple[str, ...]
    directory: Path | None
    icon: str
    tile: bool


def find(environ: Mapping[str, str], tiles: Sequence[Tile] = ()) -> tuple[Entry, ...]:
    """Find all programs that can be started: tiles first, then applications by their names. Blocks."""
    first = of_tiles(tiles)
    taken = {entry.id for entry in first}
    others = [entry for entry in applications(environ) if entry.id not in taken]
    others.sort(key=lambda entry: (entry.name.casefold(), entry.id))
    found = (*first, *others)
    if len(found) > MAX_ENTRIES:
        log.debug("%d programs are left out: there are too many", len(found) - MAX_ENTRIES)
    return found[:MAX_ENTRIES]


def of_tiles(tiles: Sequence[Tile]) -> tuple[Entry, ...]:
    """Make the entries of the configuration's tiles, in their order."""
    entries: dict[str, Entry] = {}
    for tile in tiles:
        slug = f"tile.{_slug(tile.name)}"
        numbered = (f"{slug}-{n}" for n in itertools.count(2))
        entry_id = next(i for i in itertools.chain([slug], numbered) if i not in entries)
        entries[entry_id] = Entry(
            id=entry_id,
            name=_plain(tile.name, MAX_NAME_CHARS),
            comment="",
            categories=(),
            keywords=(),
            argv=tuple(tile.command),
            directory=None,
            icon="" if tile.icon is None else str(tile.icon),
            tile=True,
        )
    return tuple(entries.values())


def _slug(name: str) -> str:
    """A name as it is written in an address: ``Voreën 6`` becomes ``voreen-6``."""
    letters = unicodedata.normalize("NFKD", name)
    bare = "".join(c for c in letters if not unicodedata.combining(c))
    return re.sub(r"[\W_]+", "-", bare.casefold()).strip("-") or "program"


def applications(environ: Mapping[str, str]) -> Iterator[Entry]:
    """Find the installed applications that are to be shown. Blocks."""
    taken: set[str] = set(_RUNNING)
    for entry_id, path in itertools.islice(_files(environ), MAX_FILES):
        if entry_id in taken:
            continue
        try:
            read = _read(path)
            taken.add(entry_id)
            if not _is_hidden(read, environ):
                yield _entry(read, entry_id, path, environ)
        except _LeftOutError as error:
            log.debug("%r is left out: %s", str(path), error)
        except Exception as error:  # noqa: BLE001 - by design: whoever wrote it, it harms no other
            log.debug("%r is left out: %r", str(path), error)


class _LeftOutError(Exception):
    """A desktop entry is left out, for a reason."""


def home(environ: Mapping[str, str]) -> Path:
    """The user's home directory."""
    return Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 - raises never


def data_directories(environ: Mapping[str, str]) -> Iterator[Path]:
    """List the data directories of the Base Directory specification, the most important one first."""
    yield Path(environ.get("XDG_DATA_HOME") or home(environ) / ".local" / "share")
    others = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    yield from map(Path, filter(None, others.split(":")))
    if prefix := environ.get("CONDA_PREFIX"):  # conda installs them there, and tells nobody
        yield Path(prefix) / "share"


def _files(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Every desktop entry with its id, the one that counts first where an id occurs twice."""
    for data in data_directories(environ):
        if data.is_absolute():  # "relative paths should be considered invalid and ignored"
            yield from _files_below(data / "applications")


def _files_below(root: Path) -> Iterator[tuple[str, Path]]:
    seen: set[str] = set()  # links may lead in circles
    for number, (directory, folders, files) in enumerate(os.walk(root, followlinks=True)):
        if number == MAX_DIRECTORIES:
            log.debug("%r has too many directories: the rest is left out", str(root))
            return
        inside = Path(directory).relative_to(root)
        real = os.path.realpath(directory)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        if len(inside.parts) == MAX_DEPTH:
            folders.clear()
        folders.sort()
        for file in sorted(files):
            if not file.endswith(_SUFFIX):
                continue
            entry_id = "-".join((*inside.parts, file)).removesuffix(_SUFFIX)
            if entry_id.strip(".") and len(entry_id) <= MAX_ID_CHARS and entry_id.isprintable():
                yield entry_id, Path(directory, file)
            else:
                log.debug("%r is left out: its name is none that can be told", file)


def _read(path: Path) -> DesktopEntry:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise _LeftOutError("it is no file")
    if found.st_size > MAX_FILE_BYTES:
        raise _LeftOutError(f"it is larger than {MAX_FILE_BYTES // 1024} KiB")
    read = DesktopEntry(str(path))
    if not read.content:  # pyxdg says nothing of what it cannot open
        raise _LeftOutError("it cannot be read")
    return read


def _is_hidden(read: DesktopEntry, environ: Mapping[str, str]) -> bool:
    """Whether an entry is not meant for a menu, or not for ours."""
    if read.getType() != "Application" or read.getNoDisplay() or read.getHidden():
        return True
    if read.getOnlyShowIn():  # in desktop environments with a name, which ours has not
        return True
    needed = unescaped(read.getTryExec())
    return bool(needed) and shutil.which(needed, path=environ.get("PATH")) is None


def _entry(read: DesktopEntry, entry_id: str, path: Path, environ: Mapping[str, str]) -> Entry:
    name = _plain(unescaped(read.getName()), MAX_NAME_CHARS)
    if not name:
        raise _LeftOutError("it has no name")
    icon = unescaped(read.getIcon())
    generic = _plain(unescaped(read.getGenericName()), MAX_WORD_CHARS)
    comment = _plain(unescaped(read.getComment()), MAX_COMMENT_CHARS)
    directory = unescaped(read.getPath())
    if "\0" in directory:
        raise _LeftOutError("its directory has a zero byte")
    try:
        argv = arguments(unescaped(read.getExec()), Fields(name, str(path), icon))
    except BrokenLineError as error:
        raise _LeftOutError(f"in its command line, {error}") from error
    if read.getTerminal():
        argv = (*_in_terminal(environ), *argv)
    return Entry(
        id=entry_id,
        name=name,
        comment=comment or generic,
        categories=_words(read.getCategories()),
        keywords=_words([*([generic] if generic else []), *read.getKeywords()]),
        argv=argv,
        directory=Path(directory) if directory else None,
        icon=icon,
        tile=False,
    )


def _in_terminal(environ: Mapping[str, str]) -> tuple[str, str]:
    for terminal in TERMINALS:
        if found := shutil.which(terminal, path=environ.get("PATH")):
            return found, "-e"
    raise _LeftOutError("it needs a terminal emulator, and there is none")


def _words(values: Iterable[str]) -> tuple[str, ...]:
    words = (_plain(unescaped(value), MAX_WORD_CHARS) for value in values)
    return tuple(dict.fromkeys(filter(None, words)))[:MAX_WORDS]


def _plain(text: str, longest: int) -> str:
    """A text on one line, without what cannot be printed, and cut if it is too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"

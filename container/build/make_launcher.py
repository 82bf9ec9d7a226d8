"""Makes ``vizproxy-run``, the launcher for containers that have neither Python nor vizproxy.

Run by the Python in whose environment vizproxy is installed, ``make_launcher.py DEST`` makes

* ``DEST/bin/vizproxy-run``, a script for /bin/sh;
* ``DEST/launcher/bin/python3``, this very interpreter;
* ``DEST/launcher/lib/``, the dynamic loader, the C library and what else the interpreter needs;
* ``DEST/launcher/lib/pythonX.Y/``, the standard library, vizproxy and the packages that it needs.

Python finds its library by the interpreter's place, and the loader is told where the others are. So
nothing depends on where the directory is, nor on what the container has beside the kernel. Modules are
compiled, and lie there as files: to import them from an archive takes half as long again.
"""

from __future__ import annotations

import argparse
import json
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_name("vizproxy-run.sh")

ENTRIES: Final = (
    "vizproxy.cli.published",
    "vizproxy.cli.run",
    "vizproxy.runner.app",
    "vizproxy.runner.keeper",
)
"""What the launcher imports; some of it only when it runs."""

UNWANTED: Final = ("aiodns", "backports.zstd", "brotli", "brotlicffi", "ssl")
"""What aiohttp uses if it is there. On a unix socket there are no names, certificates or encodings."""

LEFT_OUT: Final = frozenset(
    {
        "distutils",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "test",
        "tests",
        "tkinter",
        "turtledemo",
        "unittest",
        "venv",
    }
)
"""Large parts of the standard library and of packages that no program of ours imports."""

_LOOK: Final = """
import importlib, json, sys
entries, unwanted = (text.split() for text in sys.argv[1:])
sys.modules.update(dict.fromkeys(unwanted))
before = set(sys.modules)
for entry in entries:
    importlib.import_module(entry)
names = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
specs = [getattr(sys.modules.get(name), "__spec__", None) for name in sorted(names)]
print(json.dumps([spec.origin for spec in specs if spec is not None and spec.origin]))
"""
"""Prints where the packages are that are loaded, apart from the standard library's."""

_LIBRARY: Final = re.compile(r"^\s*(\S+) => (/\S+) \(", re.MULTILINE)
_LOADER: Final = re.compile(r"^\s*(/\S+/ld[^/\s]*) \(", re.MULTILINE)
_FOR_TESTS: Final = re.compile(r"_?(test|xx)")
_ZLIB: Final = "libz.so.1"


def main() -> int:
    """Make the directory that is named, which must not be there yet."""
    parser = argparse.ArgumentParser(description="Make the launcher vizproxy-run in DEST.")
    parser.add_argument("dest", metavar="DEST", type=Path)
    destination: Path = parser.parse_args().dest.absolute()
    make(destination)
    check(destination)
    sizes = [path.stat().st_size for path in destination.rglob("*") if path.is_file()]
    print(  # noqa: T201 - a program
        f"{destination}: {sum(sizes) / 1024**2:.1f} MiB in {len(sizes)} files"
    )
    return 0


def make(destination: Path) -> None:
    """Make the launcher in a directory, which is made."""
    _copy(SCRIPT, destination / "bin" / "vizproxy-run", 0o755)
    launcher = destination / "launcher"
    interpreter = Path(sys.executable).resolve()
    _copy(interpreter, launcher / "bin" / "python3", 0o755)
    _copy(loader_of(interpreter), launcher / "lib" / "ld.so", 0o755)
    libraries = needed(interpreter)
    home = launcher / "lib" / f"python{sysconfig.get_python_version()}"
    standard = Path(sysconfig.get_path("stdlib"))
    for source in modules(standard):
        _add(source, home / source.relative_to(standard))
    for source in usable_extensions(frozenset(libraries)):
        _add(source, home / "lib-dynload" / source.name)
        libraries |= needed(source)
    for package in packages():
        for source in modules(package):
            _add(source, home / source.relative_to(package.parent))
            if source.suffix != ".py":
                libraries |= needed(source)
    for name, library in libraries.items():
        _copy(library, launcher / "lib" / name, 0o755)


def packages() -> list[Path]:
    """The packages that the launcher needs besides the standard library: directories, or files."""
    command = (sys.executable, "-I", "-c", _LOOK, " ".join(ENTRIES), " ".join(UNWANTED))
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    origins = (Path(origin) for origin in json.loads(told.stdout))
    return [path.parent if path.name.startswith("__init__.") else path for path in origins]


def modules(place: Path) -> Iterator[Path]:
    """The modules of the standard library or a package: Python files and extension modules."""
    if place.is_file():
        yield place
        return
    for path in sorted(place.iterdir()):
        if path.is_dir():
            if path.name not in LEFT_OUT and (path / "__init__.py").exists():
                yield from modules(path)
        elif path.suffix == ".py" or path.name.endswith(tuple(EXTENSION_SUFFIXES)):
            yield path


def usable_extensions(libraries: frozenset[str]) -> Iterator[Path]:
    """The standard library's extension modules that need no more than the interpreter and zlib.

    What the others are for (TLS, terminals, databases) is not done here, nor are those for its tests.
    """
    for source in sorted(Path(sysconfig.get_config_var("DESTSHARED")).glob("*.so")):
        if not _FOR_TESTS.match(source.name) and needed(source).keys() <= libraries | {_ZLIB}:
            yield source


def needed(binary: Path) -> dict[str, Path]:
    """The libraries that a binary needs, by the names that it knows them by."""
    return {name: Path(path) for name, path in _LIBRARY.findall(_ldd(binary))}


def loader_of(program: Path) -> Path:
    """The dynamic loader of a program."""
    found = _LOADER.search(_ldd(program))
    if found is None:
        raise SystemExit(f"cannot make the launcher: {program} is not dynamically linked")
    return Path(found[1])


def _ldd(binary: Path) -> str:
    return subprocess.run(("ldd", binary), check=True, capture_output=True, text=True).stdout


def _add(source: Path, target: Path) -> None:
    """Add a module: an extension as it is, and what is Python compiled, to be loaded without source."""
    if source.suffix != ".py":
        _copy(source, target, 0o644)
        return
    py_compile.compile(
        str(source),
        str(target.with_suffix(".pyc")),
        dfile=source.name,  # what tracebacks call it
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def check(destination: Path) -> None:
    """Import all that the launcher imports, by the launcher's own interpreter and nothing else."""
    launcher = destination / "launcher"
    loader = (launcher / "lib" / "ld.so", "--inhibit-cache", "--library-path", launcher / "lib")
    python = (launcher / "bin" / "python3", "-I", "-S")
    command = (*loader, *python, "-c", f"import {', '.join(ENTRIES)}")
    subprocess.run(command, check=True, env={}, cwd="/")


if __name__ == "__main__":
    sys.exit(main())

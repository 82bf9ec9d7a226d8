"""Which shared libraries a library needs, as the dynamic loader of this container finds them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

LOADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aarch64": "lib/ld-linux-aarch64.so.1",
        "x86_64": "lib64/ld-linux-x86-64.so.2",
    }
)
"""Where glibc's dynamic loader is, from the root, by the machine; the ABI's own words."""

OF_GLIBC: Final = re.compile(r"(ld-linux\S*|lib(c|dl|m|pthread|resolv|rt|util))\.so\.\d+")
"""What comes with the loader, and fits no other."""

PATIENCE_SECONDS: Final = 5.0
_LINE: Final = re.compile(r"^\s*(\S+) => (/.+?|not found)(?: \(0x[0-9a-f]+\))?$", re.MULTILINE)
_NOWHERE: Final = "not found"


def needed(
    library: Path, directories: Sequence[Path] = (), *, root: Path = Path("/")
) -> dict[str, Path | None] | None:
    """Find what ``library`` needs, directly or not: where each is, None if it is nowhere.

    ``directories`` are looked in before the usual places. None in place of it all means that it cannot
    be loaded here: there is no glibc, or one that is too old. Blocks for some milliseconds.
    """
    loader = LOADERS.get(platform.machine())
    if loader is None:
        return None
    try:
        told = subprocess.run(
            (root / loader, library),
            # As ldd(1) does, which is a script for a shell that need not be here.
            env={
                "LD_TRACE_LOADED_OBJECTS": "1",
                "LD_LIBRARY_PATH": ":".join(map(str, directories)),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if told.returncode != 0 or told.stderr:  # which is where it tells of versions that are missing
        return None
    found = _LINE.findall(os.fsdecode(told.stdout))
    return {name: None if place == _NOWHERE else Path(place) for name, place in found}

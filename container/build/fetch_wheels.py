"""Fetches the Python packages of the images: ``fetch_wheels.py DEST LOCK...``.

On this machine pip knows where packages are; in the build of an image it does not. What is fetched is
for the images' Python. The markers are evaluated here, since pip would evaluate them for the one that
runs it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.markers import Marker

PYTHON: Final = "3.11.2"
"""Debian's, in its release 12: so the base image has to be one of that."""

IMAGE: Final = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": PYTHON,
    "python_version": PYTHON.rpartition(".")[0],
    "sys_platform": "linux",
}
"""What the markers ask about."""

_ENTRY: Final = re.compile(r"^(\S+==\S+)(?: ; (.*?))?( \\)$")


def wanted(lock: str) -> Iterator[str]:
    """The lines of a lock file that are about the image's packages, without their markers."""
    taken = False
    for line in lock.splitlines():
        found = _ENTRY.match(line)
        if found:
            taken = found[2] is None or Marker(found[2]).evaluate(dict(IMAGE))
        if taken and not line.lstrip().startswith("#"):
            yield found[1] + found[3] if found else line


def main(destination: str, *locks: str) -> int:
    """Fetch what the lock files name."""
    for lock in locks:
        with tempfile.NamedTemporaryFile("w", suffix=".lock") as plain:
            plain.write("\n".join(wanted(Path(lock).read_text("utf-8"))))
            plain.flush()
            ended = subprocess.run(
                (
                    *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"),
                    *("download", "--no-deps", "--require-hashes", "--requirement", plain.name),
                    *("--only-binary", ":all:", "--python-version", IMAGE["python_version"]),
                    *("--dest", destination),
                ),
                check=False,
            )
        if ended.returncode:
            return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Renews the generated files of this directory, or says which are stale (``--check``)."""

from __future__ import annotations

import sys

from container.monitoring.generator.files import DIRECTORY, generated


def main(arguments: list[str]) -> int:
    """Write the files; with ``--check`` change nothing and return 1 if one is stale."""
    stale = 0
    for name, text in generated().items():
        path = DIRECTORY / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            sys.stderr.write(f"container/monitoring/{name} is stale; try `make docs`\n")
            stale = 1
        else:
            path.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

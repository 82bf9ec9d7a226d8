"""Renews the generated parts of the documents, or says which are stale (``--check``).

A generated part stands between two comments, ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from vizproxy.config.reference import markdown
from vizproxy.supervise.diagram import mermaid

ROOT: Final = Path(__file__).resolve().parents[2]


def diagram() -> str:
    """The state diagram as a fenced block."""
    return f"```mermaid\n{mermaid()}\n```\n"


PARTS: Final[tuple[tuple[str, str, Callable[[], str]], ...]] = (
    ("README.md", "configuration reference", markdown),
    ("ARCHITECTURE.md", "state diagram", diagram),
)


def renewed(text: str, name: str, part: str) -> str:
    """Return ``text`` with a part renewed.

    Raises:
        ValueError: its markers are not there.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"there is no {begin.strip()} ... {end}")
    return f"{before}{begin}{part}{end}{after}"


def main(argv: Sequence[str]) -> int:
    """Renew all parts; with ``--check`` change nothing and return 1 if one is stale."""
    stale = 0
    for file, name, generate in PARTS:
        path = ROOT / file
        text = path.read_text(encoding="utf-8")
        new = renewed(text, name, generate())
        if new == text:
            continue
        if "--check" in argv:
            sys.stderr.write(f"the {name} in {file} is stale; try `make docs`\n")
            stale = 1
        else:
            path.write_text(new, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Renews the generated parts of the documents, or says which are stale (``--check``).

A generated part stands between two comments, ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from vizproxy.config.reference import markdown
from vizproxy.metrics.catalogue import METRICS, Metric
from vizproxy.supervise.diagram import mermaid

ROOT: Final = Path(__file__).resolve().parents[2]


def diagram() -> str:
    """The state diagram as a fenced block."""
    return f"```mermaid\n{mermaid()}\n```\n"


def metrics() -> str:
    """A table of the metrics of each collector, with DCGM's names where it has any."""
    names = dict.fromkeys(metric.collector for metric in METRICS.values())
    return "\n".join(_of_collector(name) for name in names)


def _of_collector(collector: str) -> str:
    found = [metric for metric in METRICS.values() if metric.collector == collector]
    heading = ["Metric", "Type", "Labels", "Meaning"]
    if any(metric.dcgm for metric in found):
        heading.append("DCGM")
    rows = [_cells(metric)[: len(heading)] for metric in found]
    title = f"Collector `{collector}`" if collector else "Of the collectors themselves"
    table = [heading, ["---"] * len(heading), *rows]
    return f"### {title}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in table)


def _cells(metric: Metric) -> list[str]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    dcgm = f"`{metric.dcgm}`" if metric.dcgm else ""
    return [f"`{metric.name}`", metric.kind.value, labels, metric.help, dcgm]


PARTS: Final[tuple[tuple[str, str, Callable[[], str]], ...]] = (
    ("README.md", "configuration reference", markdown),
    ("ARCHITECTURE.md", "state diagram", diagram),
    ("container/monitoring/README.md", "metrics", metrics),
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

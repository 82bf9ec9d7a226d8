"""Renews the generated parts of the documents, or says which are stale (``--check``).

A generated part stands between two comments, ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``. The
examples for Kubernetes are generated as a whole.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from vizproxy import kubernetes
from vizproxy.config.reference import markdown
from vizproxy.kubernetes.render import Format, render
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

KUBERNETES: Final = ROOT / "container" / "kubernetes"
EXAMPLES: Final[tuple[tuple[str, str, Format, dict[str, str]], ...]] = (
    ("jupyterhub_config.py", "choices.toml", Format.KUBESPAWNER, {}),
    ("z2jh.yaml", "choices.toml", Format.Z2JH, {}),
    ("pod.yaml", "choices.toml", Format.POD, {"gpu": "a40-8q"}),
    ("networkpolicy.yaml", "choices.toml", Format.NETWORKPOLICY, {}),
    ("pod-dra.yaml", "choices-dra.toml", Format.POD, {}),
    ("claims.yaml", "choices-dra.toml", Format.CLAIMS, {}),
)
"""The examples: file, choices, format, and what the user of a Pod has chosen."""


def example(choices: str, form: Format, chosen: dict[str, str]) -> str:
    """What the command line prints of the choices in a file."""
    return render(kubernetes.load(KUBERNETES / choices), form, chosen)


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
    for what, path, text, new in _all():
        if new == text:
            continue
        if "--check" in argv:
            sys.stderr.write(f"{what} is stale; try `make docs`\n")
            stale = 1
        else:
            path.write_text(new, encoding="utf-8")
    return stale


def _all() -> Iterator[tuple[str, Path, str, str]]:
    """What is generated: its name for people, its file, that file's text now, and as it should be."""
    for file, name, generate in PARTS:
        text = (ROOT / file).read_text(encoding="utf-8")
        yield f"the {name} in {file}", ROOT / file, text, renewed(text, name, generate())
    for file, choices, form, chosen in EXAMPLES:
        path = KUBERNETES / file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        yield f"container/kubernetes/{file}", path, text, example(choices, form, chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

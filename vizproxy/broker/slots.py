"""Names of apps as labels of metrics: a bounded number of them, whatever users call their apps."""

from __future__ import annotations

from typing import Final

UNLEASED: Final = "unleased"
"""The label of all apps without a lease: what they call themselves is nobody's choice."""

OTHER: Final = "other"
"""The label of all apps that came when no label was left."""

MAX_CHARS: Final = 40


class Slots:
    """Gives the first ``most`` different names a label each, for good, and all later ones another."""

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._labels: set[str] = set()

    def label(self, name: str) -> str:
        """The label of an app's configured name: at most 40 printable characters."""
        label = "".join(c for c in name if c.isprintable())[:MAX_CHARS]
        if label in self._labels:
            return label
        if not label or label in {UNLEASED, OTHER} or len(self._labels) >= self._most:
            return OTHER
        self._labels.add(label)
        return label

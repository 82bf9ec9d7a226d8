"""Values of the catalogue's metrics, put into the families that prometheus-client writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import metrics_core
from prometheus_client.utils import floatToGoString

from vizproxy.distribution import Distribution
from vizproxy.metrics.catalogue import METRICS, Kind

Family = metrics_core.Metric


class Families:
    """Takes values, and gives them as families in the order of the catalogue."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def put(self, name: str, value: float | None, *labels: str) -> None:
        """Add a value, with values of the metric's labels in their order; None is left out.

        Raises:
            KeyError: no such metric is in the catalogue.
            ValueError: it has other labels.
        """
        metric = METRICS[name]
        if len(labels) != len(metric.labels):
            raise ValueError(f"{name} has the labels {metric.labels}, not {labels}")
        if value is None:
            return
        family = self._family(name)
        family.add_sample(name, dict(zip(metric.labels, labels, strict=True)), value)

    def put_one_of(self, name: str, chosen: str, among: Iterable[str], *labels: str) -> None:
        """Add a value for each of several states, which make the last label: 1 for that which holds."""
        for state in among:
            self.put(name, float(state == chosen), *labels, state)

    def put_distribution(self, name: str, distribution: Distribution) -> None:
        """Add a histogram, which has no labels."""
        family = self._family(name)
        below = 0
        bounds = (*distribution.bounds, float("inf"))
        for bound, count in zip(bounds, distribution.counts, strict=True):
            below += count
            le = floatToGoString(bound)  # type: ignore[no-untyped-call]
            family.add_sample(f"{name}_bucket", {"le": le}, below)
        family.add_sample(f"{name}_count", {}, below)
        family.add_sample(f"{name}_sum", {}, distribution.total)

    def merge(self, others: Families) -> None:
        """Take over all that ``others`` has; no metric may be in both."""
        self._families |= others._families

    def sorted(self) -> tuple[Family, ...]:
        """The families, in the order of the catalogue."""
        return tuple(self._families[name] for name in METRICS if name in self._families)

    def _family(self, name: str) -> Family:
        if name not in self._families:
            metric = METRICS[name]
            self._families[name] = metrics_core.Metric(
                name.removesuffix(_SUFFIXES.get(metric.kind, "")), metric.help, metric.kind.value
            )
        return self._families[name]


_SUFFIXES: Mapping[Kind, str] = {Kind.COUNTER: "_total", Kind.INFO: "_info"}
"""What a family's name lacks of its samples' names (OpenMetrics 1.0, "Counter" and "Info")."""

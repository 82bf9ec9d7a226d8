"""Writing metrics in the form that Prometheus reads.

Everything here is a function of values, so it runs on any thread: a scrape costs the event loop no more
than the making of a :class:`~vizproxy.metrics.measurements.Measurements`.
"""

from __future__ import annotations

import gzip
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector as PrometheusCollector

from vizproxy.metrics.collectors import COLLECTORS, Collector
from vizproxy.metrics.families import Families, Family
from vizproxy.metrics.measurements import Measurements, SourceStatus

log = logging.getLogger(__name__)

_GZIP_LEVEL: Final = 1
"""The fastest: text of this kind shrinks to an eighth all the same."""

_MAX_HEADER_CHARS: Final = 1024
"""Accept headers are a few hundred characters long, of which Prometheus's is the longest."""


@dataclass(frozen=True, slots=True)
class Body:
    """A response: its text, compressed if ``gzipped``, and its Content-Type."""

    data: bytes
    content_type: str
    gzipped: bool


class Exposition:
    """Runs the collectors and writes what they have.

    A collector that fails leaves out its metrics and nothing else, and is logged once. ``clock``
    measures durations, in seconds.
    """

    def __init__(
        self,
        collectors: Mapping[str, Collector] = COLLECTORS,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._collectors = collectors
        self._clock = clock
        self._told: set[str] = set()

    def write(self, now: Measurements, *, accept: str = "", accept_encoding: str = "") -> Body:
        """Write one moment, in the form that the headers of a request ask for.

        That is OpenMetrics 1.0 (``application/openmetrics-text``) if they name it, else Prometheus's
        own text format; gzipped if they allow it.
        """
        encode, content_type = _form(accept[:_MAX_HEADER_CHARS])
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(self.families(now)))
        data = encode(registry)
        gzipped = gzip_accepted(accept_encoding[:_MAX_HEADER_CHARS])
        if gzipped:
            data = gzip.compress(data, _GZIP_LEVEL)
        return Body(data, content_type, gzipped)

    def families(self, now: Measurements) -> tuple[Family, ...]:
        """What the collectors have of one moment, in the order of the catalogue."""
        out = Families()
        sources = {source.name: source for source in now.sources}
        for name, collect in self._collectors.items():
            self._run(name, collect, now, out, sources.get(name))
        return out.sorted()

    def _run(
        self,
        name: str,
        collect: Collector,
        now: Measurements,
        out: Families,
        source: SourceStatus | None,
    ) -> None:
        began = self._clock()
        success = source is None or source.success
        own = Families()
        try:
            collect(now, own)
        except Exception:
            success = False
            if name not in self._told:
                log.exception("the metrics of %s are left out", name)
            self._told.add(name)
        else:
            out.merge(own)
        duration = self._clock() - began + (0.0 if source is None else source.duration)
        out.put("vizproxy_collector_success", float(success), name)
        out.put("vizproxy_collector_duration_seconds", duration, name)
        if source is not None:
            out.put("vizproxy_collector_age_seconds", source.age, name)


def _form(accept: str) -> tuple[Callable[[PrometheusCollector], bytes], str]:
    """The form that a request asks for, and its Content-Type."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # it compares versions as numbers, whatever stands there
        return choose_encoder("")


class _Collected:
    """What was collected, as a registry wants it."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Family]:
        return self._families

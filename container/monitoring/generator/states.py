"""States and the colours in which the dashboards show them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from container.monitoring.generator.panels import BLUE, GREEN, GREY, RED, YELLOW
from vizproxy.display.gpuhealth import Condition
from vizproxy.metrics.collectors import DESKTOP_STATES
from vizproxy.supervise.machine import State

_COLOURS: Final = {
    "ready": GREEN,
    "fine": GREEN,
    "starting": BLUE,
    "stopping": BLUE,
    "degraded": YELLOW,
    "backoff": YELLOW,
    "killing": YELLOW,
    "silent": YELLOW,
    "failed": RED,
    "fatal": RED,
    "lost": RED,
    "stopped": GREY,
}

DESKTOP: Final[Mapping[str, str]] = MappingProxyType(
    {state: _COLOURS[state] for state in DESKTOP_STATES}
)
COMPONENT: Final[Mapping[str, str]] = MappingProxyType(
    {state.value: _COLOURS[state] for state in State}
)
GPU: Final[Mapping[str, str]] = MappingProxyType(
    {condition.value: _COLOURS[condition] for condition in Condition}
)

"""Expressions about the one desktop that a dashboard's variables choose."""

from __future__ import annotations

from typing import Final

IT: Final = 'job="$job", instance="$instance"'


def of(metric: str, *matchers: str) -> str:
    """A metric of the desktop that is chosen."""
    return f"vizproxy_{metric}{{{', '.join((*matchers, IT))}}}"


def rate(metric: str, *matchers: str) -> str:
    """Its increase a second."""
    return f"rate({of(metric, *matchers)}[$__rate_interval])"


def quantile(share: float, metric: str) -> str:
    """What a share of a histogram's observations stayed below."""
    return f"histogram_quantile({share}, sum by (le) ({rate(f'{metric}_bucket')}))"

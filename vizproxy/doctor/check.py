"""What a check is, and the verdicts that it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vizproxy.doctor.case import Case
from vizproxy.doctor.model import Finding, Level
from vizproxy.facts.reading import printable


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of a case: a :class:`~vizproxy.doctor.model.Finding` without its check."""

    level: Level
    what: str
    why: str = ""
    remedy: str = ""


def fine(what: str, why: str = "") -> Verdict:
    """All is well."""
    return Verdict(Level.GREEN, what, why)


def lesser(what: str, why: str, remedy: str) -> Verdict:
    """It works, but could do better."""
    return Verdict(Level.YELLOW, what, why, remedy)


def wrong(what: str, why: str, remedy: str) -> Verdict:
    """It does not work."""
    return Verdict(Level.RED, what, why, remedy)


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``judge`` is pure; it gives no verdict where the check makes no sense."""

    id: str
    title: str
    judge: Callable[[Case], Iterable[Verdict]]

    def findings(self, case: Case) -> tuple[Finding, ...]:
        """What the check finds in a case."""
        return tuple(
            Finding(self.id, self.title, v.level, *map(printable, (v.what, v.why, v.remedy)))
            for v in self.judge(case)
        )

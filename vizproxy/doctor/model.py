"""What a check-up finds: a checklist of findings, each with what is, why it matters and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from vizproxy import __version__


class Level(StrEnum):
    """How bad a finding is.

    ``GREEN`` is fine, ``YELLOW`` works but could do better, ``RED`` does not work.
    """

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"

    @property
    def exit_code(self) -> int:
        """The exit code of a check-up whose worst finding this is: 0, 1 or 2."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checklist.

    ``check`` is the id of the check and ``title`` its name for people. ``what`` is a short clause,
    ``why`` what follows from it for the user, ``remedy`` what to do, in the imperative. Green ones
    have nothing to do, and a ``why`` only where one might wonder.
    """

    check: str
    title: str
    level: Level
    what: str
    why: str = ""
    remedy: str = ""


def worst(levels: Iterable[Level]) -> Level:
    """The worst of several levels; green of none."""
    return max(levels, key=lambda level: level.exit_code, default=Level.GREEN)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check-up.

    ``machine`` describes the machine in a few words. ``plan``, ``plan_reason`` and ``plan_warning``
    tell of the rendering plan: of the running desktop's, else of the one that would be used.
    """

    machine: str
    plan: str
    plan_reason: str
    plan_warning: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst level among the findings."""
        return worst(finding.level for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0 if all is green, 1 if something is yellow, 2 if something is red."""
        return self.level.exit_code

    def of(self, check: str) -> tuple[Finding, ...]:
        """The findings of one check."""
        return tuple(finding for finding in self.findings if finding.check == check)

    def as_json(self) -> dict[str, Any]:
        """The report as the API and ``vizproxy doctor --json`` give it."""
        return {
            "version": __version__,
            "machine": self.machine,
            "plan": {
                "name": self.plan,
                "reason": self.plan_reason,
                "warning": self.plan_warning,
            },
            "level": self.level.value,
            "exit_code": self.exit_code,
            "findings": [
                {**asdict(finding), "level": finding.level.value} for finding in self.findings
            ],
        }

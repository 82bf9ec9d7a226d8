"""The state diagram in ARCHITECTURE.md, generated from the table (`make docs`)."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from vizproxy.supervise.machine import (
    AFTER_RUN,
    TABLE,
    TIMED_STATES,
    Event,
    State,
    Verdict,
    possible_targets,
)

_CONDITIONS: Final = {
    State.STOPPED: "not charged",
    State.BACKOFF: "charged",
    State.FATAL: "charged too often",
}


def mermaid() -> str:
    """Return the diagram as Mermaid text. Events with the same way share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = defaultdict(list)
    for (state, event), rule in TABLE.items():
        for target in possible_targets(rule):
            if target is state:
                continue  # nothing to see: a confirmation
            label = TIMED_STATES[state] if event is Event.TIMEOUT else event.value
            if rule.target is AFTER_RUN and rule.verdict is not Verdict.CHARGE:
                label += f" ({_CONDITIONS[target]})"
            elif rule.target is AFTER_RUN and target is State.FATAL:
                label += " (too often)"
            arrows[state, target].append(label)
    lines = ["stateDiagram-v2", f"    [*] --> {State.STOPPED.value}"]
    for (state, target), labels in arrows.items():
        lines.append(f"    {state.value} --> {target.value}: {' / '.join(dict.fromkeys(labels))}")
    return "\n".join(lines)

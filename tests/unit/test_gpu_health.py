"""When a GPU counts as silent, as lost, and as fine again."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from vizproxy.display.gpuhealth import HITS, MISSES, Condition, GpuHealth, GpuStatus

FINE = GpuHealth()
SILENT = GpuHealth(Condition.SILENT, "it hangs")
LOST = GpuHealth(Condition.LOST, "it fell off the bus")


def test_one_miss_is_nothing_yet() -> None:
    once = FINE.unanswered("it hangs")
    assert once.condition is Condition.FINE
    assert once.unanswered("it hangs") == SILENT
    assert once.answered() == FINE, "misses count in a row only"


def test_a_silent_gpu_is_fine_once_it_answers() -> None:
    assert SILENT.answered() == FINE
    assert SILENT.unanswered("it throws") == GpuHealth(Condition.SILENT, "it throws")


def test_the_driver_is_believed_at_once_that_a_gpu_is_gone() -> None:
    for health in (FINE, FINE.unanswered("it hangs"), SILENT):
        assert health.gone("it fell off the bus") == LOST
    assert LOST.gone("Xid 79") == LOST, "the first reason is the cause"


def test_a_lost_gpu_must_answer_twice() -> None:
    assert LOST.answered().condition is Condition.LOST
    assert LOST.answered().answered() == FINE
    for miss in (LOST.answered().unanswered("it hangs"), LOST.answered().gone("it is gone")):
        assert miss == LOST
        assert miss.answered().condition is Condition.LOST


seen = st.lists(st.sampled_from(["answered", "unanswered", "gone"]))


def after(history: list[str], health: GpuHealth = FINE) -> GpuHealth:
    for what in history:
        health = health.answered() if what == "answered" else getattr(health, what)("a reason")
    return health


@given(seen)
def test_any_history(history: list[str]) -> None:
    health = after(history)
    assert (health.condition is Condition.FINE) == (not health.reason)
    assert after(["answered"] * max(HITS, MISSES), health) == FINE
    assert after(["gone"], health).condition is Condition.LOST
    dead = after(["unanswered"] * MISSES, health).condition
    assert dead is (Condition.LOST if health.condition is Condition.LOST else Condition.SILENT)


def test_what_people_are_told() -> None:
    status = GpuStatus("Tesla T4", "GPU-1", Condition.FINE, "", 1.0)
    assert status.warning == ""
    silent = replace(status, condition=Condition.SILENT, reason="it hangs")
    assert silent.warning == "the GPU Tesla T4 does not answer: it hangs"
    lost = replace(status, condition=Condition.LOST, reason="it fell off the bus")
    assert lost.warning == "the GPU Tesla T4 is lost: it fell off the bus"

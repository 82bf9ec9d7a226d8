"""What metrics call apps: few names, whatever users make up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.broker.slots import MAX_CHARS, OTHER, UNLEASED, Slots


def test_the_first_names_keep_their_labels() -> None:
    slots = Slots(most=2)
    names = ["voreen", "brain", "third", "voreen", "fourth", "brain"]
    assert [slots.label(n) for n in names] == ["voreen", "brain", OTHER, "voreen", OTHER, "brain"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Voreen 5", "Voreen 5"),
        ("日本語", "日本語"),
        ("a\nb\x1b[31m", "ab[31m"),
        ("\u202e\ud800", OTHER),
        ("", OTHER),
        ("x" * 99, "x" * MAX_CHARS),
        (UNLEASED, OTHER),
        (OTHER, OTHER),
    ],
)
def test_odd_names(name: str, label: str) -> None:
    assert Slots().label(name) == label


def test_what_has_no_label_of_its_own_takes_none() -> None:
    slots = Slots(most=1)
    assert [slots.label(n) for n in ("", OTHER, UNLEASED, "app")] == [OTHER, OTHER, OTHER, "app"]


@given(st.lists(st.text()))
def test_labels_are_few_and_printable(names: list[str]) -> None:
    slots = Slots(most=3)
    labels = [slots.label(name) for name in names]
    assert len(set(labels)) <= 4
    assert all(0 < len(label) <= MAX_CHARS and label.isprintable() for label in labels)
    assert UNLEASED not in labels
    assert [slots.label(n) for n, label in zip(names, labels, strict=True) if label != OTHER] == [
        label for label in labels if label != OTHER
    ]

"""What a runner may say to the daemon: everything else is an error, and never a crash."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.api.lease import MAX_MESSAGE_BYTES, MAX_PIDS, _pids, _use, parse_request
from vizproxy.api.messages import Reader
from vizproxy.broker.leases import MAX_NAME_CHARS, Wish
from vizproxy.config import Activity, Plan
from vizproxy.errors import InvalidRequestError

READER = Reader("hold a lease")

REQUEST: dict[str, Any] = {
    "type": "request",
    "name": "Voreen 5",
    "program": "voreen",
    "framebuffer": 512,
    "plan": "egl",
    "virtualgl": True,
    "machine": "pod",
    "pid_namespace": "pid:[2]",
    "pids": [3, 4],
}


def test_a_request() -> None:
    assert parse_request(REQUEST) == (
        Wish("Voreen 5", "voreen", 512, Plan.EGL, "pod", "pid:[2]", virtualgl=True),
        frozenset({3, 4}),
    )


@pytest.mark.parametrize("plan", [None, "auto"])
def test_a_request_that_leaves_the_plan_to_the_daemon(plan: str | None) -> None:
    wish, _ = parse_request(REQUEST | {"plan": plan, "framebuffer": None, "virtualgl": False})
    assert (wish.plan, wish.framebuffer, wish.virtualgl) == (None, None, False)


def test_a_request_of_an_app_that_counts_as_activity() -> None:
    wish, _ = parse_request(REQUEST | {"activity": "gpu"})
    assert wish.activity is Activity.GPU


def test_a_request_of_a_version_that_knows_less() -> None:
    less = {k: v for k, v in REQUEST.items() if k not in {"plan", "framebuffer", "virtualgl"}}
    assert parse_request(less)[0] == Wish("Voreen 5", "voreen", None, None, "pod", "pid:[2]")


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "pids"},
        {"type": None},
        {"type": ["request"]},
        {"name": ""},
        {"name": "x" * (MAX_NAME_CHARS + 1)},
        {"name": "a\nb"},
        {"name": "\x1b[31m"},
        {"name": "\ud800"},
        {"name": "\u202e"},
        {"name": 5},
        {"name": None},
        {"program": "x" * 256},
        {"program": ["voreen"]},
        {"machine": ""},
        {"pid_namespace": None},
        {"framebuffer": 0},
        {"framebuffer": -1},
        {"framebuffer": 1.5},
        {"framebuffer": True},
        {"framebuffer": "1GiB"},
        {"framebuffer": 10**400},
        {"framebuffer": float("nan")},
        {"plan": "best"},
        {"plan": []},
        {"plan": {}},
        {"plan": 1},
        {"plan": False},
        {"activity": "sometimes"},
        {"activity": 1},
        {"activity": ["gpu"]},
        {"pids": None},
        {"pids": {}},
        {"pids": "12"},
        {"pids": [0]},
        {"pids": [-1]},
        {"pids": [1.0]},
        {"pids": [True]},
        {"pids": ["1"]},
        {"pids": [[1]]},
        {"pids": [2**22 + 1]},
        {"pids": list(range(1, MAX_PIDS + 2))},
    ],
    ids=str,
)
def test_a_request_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"^cannot grant a lease: ") as refusal:
        parse_request(REQUEST | wrong)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("missing", ["type", "name", "program", "machine", "pid_namespace", "pids"])
def test_a_request_that_lacks_something(missing: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_request({key: value for key, value in REQUEST.items() if key != missing})


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=50)
    | st.sampled_from(["request", "auto", "egl", "pids"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(REQUEST)), ANYTHING), st.booleans())
def test_any_request_is_granted_or_refused(told: dict[str, Any], complete: bool) -> None:
    try:
        wish, pids = parse_request(REQUEST | told if complete else told)
    except InvalidRequestError:
        return
    assert 0 < len(wish.name) <= MAX_NAME_CHARS
    assert wish.name.isprintable()
    assert wish.framebuffer is None or wish.framebuffer > 0
    assert all(type(pid) is int and pid > 0 for pid in pids)
    hash(wish)


@given(ANYTHING, ANYTHING)
def test_any_report_is_taken_or_refused(pids: object, reason: object) -> None:
    told = {"pids": pids, "reason": reason}
    try:
        assert all(isinstance(pid, int) for pid in _pids(told))
        assert READER.text(told, "reason", 9).isprintable()
    except InvalidRequestError:
        pass


def test_a_report_of_what_an_app_uses() -> None:
    assert _use({"type": "use", "cpu_seconds": 1.5, "resident_bytes": 10}) == (1.5, 10)
    assert _use({"cpu_seconds": 0, "resident_bytes": 0, "threads": 4}) == (0.0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cpu_seconds": None},
        {"cpu_seconds": -0.1},
        {"cpu_seconds": True},
        {"cpu_seconds": "1"},
        {"cpu_seconds": [1]},
        {"cpu_seconds": float("nan")},
        {"cpu_seconds": float("inf")},
        {"cpu_seconds": 10**400},
        {"resident_bytes": None},
        {"resident_bytes": -1},
        {"resident_bytes": 1.5},
        {"resident_bytes": True},
        {"resident_bytes": 10**400},
    ],
    ids=str,
)
def test_a_report_of_use_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        _use({"cpu_seconds": 1.5, "resident_bytes": 10} | wrong)
    assert len(str(refusal.value)) < 200


@given(ANYTHING, ANYTHING)
def test_any_report_of_use_is_taken_or_refused(cpu_seconds: object, resident: object) -> None:
    try:
        seconds, size = _use({"cpu_seconds": cpu_seconds, "resident_bytes": resident})
    except InvalidRequestError:
        return
    assert math.isfinite(seconds)
    assert seconds >= 0
    assert size >= 0


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "null", '"x"', "\x00", "[" * 100_000, "1" * 5000, '{"a":' * 50_000],
    ids=lambda text: text[:5],
)
def test_what_is_no_json_object(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        READER.json_object(text)


@given(st.text() | ANYTHING.map(json.dumps))
def test_any_text_is_an_object_or_refused(text: str) -> None:
    try:
        assert isinstance(READER.json_object(text), dict)
    except InvalidRequestError:
        pass


def test_the_longest_report_that_is_allowed_fits_into_a_message() -> None:
    most = {"type": "pids", "pids": [2**22 - n for n in range(MAX_PIDS)], "root_alive": True}
    text = json.dumps(most)
    assert len(text) < MAX_MESSAGE_BYTES
    assert len(_pids(READER.json_object(text))) == MAX_PIDS

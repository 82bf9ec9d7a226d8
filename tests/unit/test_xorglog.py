"""Reasons out of the logs of X servers that did not start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizproxy.display.xorglog import MAX_LENGTH, first_reason, reasons

NO_DEVICE = """\
[     9.101] (EE) dbus-core: error connecting to system bus: org.freedesktop.DBus.Error.FileNotFound
[     9.105] (WW) Warning, couldn't open module mouse
[     9.105] (EE) Failed to load module "mouse" (module does not exist, 0)
[     9.106] (II) NVIDIA dlloader X Driver  550.127.05  Tue Oct  8 02:56:51 UTC 2024
[     9.110] (EE) NVIDIA: Failed to initialize the NVIDIA kernel module. Please see the
[     9.110] (EE) NVIDIA:     system's kernel log for additional error messages and
[     9.110] (EE) NVIDIA:     consult the NVIDIA README for details.
[     9.111] (EE) No devices detected.
[     9.112] (EE)
Fatal server error:
[     9.112] (EE) no screens found(EE)
[     9.112] (EE)
Please consult the The X.Org Foundation support
[     9.112] (EE) Please also check the log file at "/run/x/xorg3d.log" for additional information.
[     9.112] (EE)
[     9.113] (EE) Server terminated with error (1). Closing log file.
"""

NO_SCREEN = """\
(EE) NVIDIA(GPU-0): Failed to initialize the NVIDIA graphics device!
(EE) NVIDIA(GPU-0): Failed to acquire modesetting permission.
(EE) NVIDIA(0): Failing initialization of X screen
(EE) Screen(s) found, but none have a usable configuration.
"""

DUMMY = """\
(EE) DUMMY(0): Virtual size (7680x4320) (pitch 7680) exceeds video memory
(EE) no screens found(EE)
"""


def test_what_tells_most_comes_first_and_wrapped_lines_are_joined() -> None:
    assert reasons(NO_DEVICE) == (
        (
            "NVIDIA: Failed to initialize the NVIDIA kernel module. Please see the system's kernel "
            "log for additional error messages and consult the NVIDIA README for details"
        ),
        "No devices detected",
        "no screens found",
    )


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (NO_SCREEN, "NVIDIA(GPU-0): Failed to acquire modesetting permission"),
        (DUMMY, "DUMMY(0): Virtual size (7680x4320) (pitch 7680) exceeds video memory"),
        (
            '(EE) Failed to load module "nvidia" (module does not exist, 0)\n(EE) no screens found',
            'Failed to load module "nvidia" (module does not exist, 0)',
        ),
        ("(EE) no screens found(EE) ", "no screens found"),
        ("(WW) something\nelse", ""),
        ("", ""),
    ],
)
def test_the_first_reason(text: str, first: str) -> None:
    assert first_reason(text.splitlines()) == first


@given(text=st.text() | st.lists(st.sampled_from(NO_DEVICE.splitlines())).map("\n".join))
def test_anything_may_be_in_a_log(text: str) -> None:
    for reason in reasons(text):
        assert 0 < len(reason) <= MAX_LENGTH
        assert "\n" not in reason


def test_a_reason_is_short() -> None:
    assert len(first_reason([f"(EE) {'x' * 1000}"])) == MAX_LENGTH

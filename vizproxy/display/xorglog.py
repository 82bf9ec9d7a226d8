"""Why an X server did not start, out of its log or what it wrote to its standard error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_ERROR: Final = re.compile(r"^\s*(?:\[\s*[\d.]+\]\s*)?\(EE\)[ ]?(.*)$")
_DRIVER: Final = re.compile(r"^(\w+(?:\([\w-]+\))?: )(\s*)(.*)$")
_NOISE: Final = re.compile(
    r"dbus-core: |systemd-logind: |Failed to load module \"(?:mouse|kbd|libinput|vnc)\"|"
    r"No input driver matching|Please also check the log file|Server terminated|Fatal server error",
    re.IGNORECASE,
)
"""What is always written where there are no input devices, no seat and no system bus."""

_GENERAL: Final = re.compile(
    r"no screens found|No drivers available|Screen\(s\) found, but|No devices detected|"
    r"Cannot run in framebuffer mode|Failing initialization of X screen|"
    r"Failed to initialize the NVIDIA graphics device"
)
"""What follows from what was written before it."""

_WRAPPED: Final = 4
"""With so many spaces, NVIDIA's driver begins the further lines of a message."""

MAX_LENGTH: Final = 300


def reasons(text: str) -> tuple[str, ...]:
    """The errors that an X server reported, those that tell the most first.

    Each is fit for the middle of a sentence. What is written at every start is left out.
    """
    found: list[str] = []
    before = ""
    for line in text.splitlines():
        error = _ERROR.match(line)
        message = error[1].rstrip().removesuffix("(EE)").rstrip() if error else ""
        if not message or _NOISE.search(message):
            before = ""
            continue
        driver = _DRIVER.match(message)
        if driver and found and driver[1] == before and len(driver[2]) >= _WRAPPED:
            found[-1] = f"{found[-1]} {driver[3]}"
        else:
            found.append(f"{driver[1]}{driver[3]}" if driver else message)
        before = driver[1] if driver else ""
    telling = [_clause(message) for message in found]
    general = [message for message in telling if _GENERAL.search(message)]
    return tuple(dict.fromkeys([m for m in telling if m not in general] + general))


def first_reason(lines: Iterable[str]) -> str:
    """The most telling of the errors in an X server's output; empty if there is none."""
    return next(iter(reasons("\n".join(lines))), "")


def _clause(message: str) -> str:
    text = " ".join(message.split()).rstrip(".! ")
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"

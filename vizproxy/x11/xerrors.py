"""The names of X errors, for people."""

from __future__ import annotations

from typing import Final

from Xlib import error as xerror
from Xlib.protocol import display as protocol
from Xlib.protocol import request

VANISHED: Final = (xerror.BadWindow, xerror.BadDrawable)
"""What the server answers when a window has gone."""


def describe(error: xerror.XError) -> str:
    """What went wrong at which request: ``BadMatch for ConfigureWindow on 0x1400003``."""
    fields = error._data  # noqa: SLF001 - its public form is an attribute access that may fail
    of_request = _request_name(fields["major_opcode"], fields["minor_opcode"])
    return f"{_error_name(error)} for {of_request} on 0x{resource_of(error):x}"


def resource_of(error: xerror.XError) -> int:
    """The resource id (or, for some errors, the value) that the server complains about."""
    value = error._data["resource_id"]  # noqa: SLF001 - as above
    return int(getattr(value, "id", value))


def _error_name(error: xerror.XError) -> str:
    kind = type(error)
    if kind is xerror.XError:  # one of an extension
        return f"error {error._data['code']}"  # noqa: SLF001 - as above
    return kind.__name__


def _request_name(major: int, minor: int) -> str:
    known = request.major_codes.get(major)
    if known is not None:
        return known.__name__
    # python-xlib keeps the numbers of extensions on the class, for all connections
    for name, number in protocol.Display.extension_major_opcodes.items():
        if number == major:
            return f"request {minor} of {name}"
    return f"request {major}.{minor}"

"""The errors that vizproxy shows to people.

Every failure that a user or an admin can do something about is a :class:`VizproxyError`. Its text is
one sentence of the form ``cannot X: why; try Y``; the same object knows how each surface reports it:
``exit_code`` for the command line, ``http_status`` and ``code`` for the API. Anything else that
escapes is a bug and is reported as one.

Exit codes follow BSD ``sysexits.h`` where it has a fitting number, and 2 for bad usage as
``argparse`` has it.
"""

from __future__ import annotations

import signal
from typing import ClassVar, Final

EXIT_USAGE = 2
EXIT_DATA = 65
EXIT_UNAVAILABLE = 69
EXIT_INTERNAL = 70
EXIT_CANNOT_CREATE = 73
EXIT_BUSY = 75
EXIT_NO_PERMISSION = 77
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
"""What a shell, ``env`` and ``nice`` give for a program that cannot be executed or is not there."""


class VizproxyError(Exception):
    """An error with a sentence for a person.

    ``action`` is what could not be done ("start the desktop"), ``why`` the cause, and ``hint`` what
    to try next.
    """

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    exit_code: int = 1

    def __init__(self, action: str, why: str, hint: str = "") -> None:
        super().__init__(action, why, hint)
        self.action = action
        self.why = why
        self.hint = hint

    @property
    def message(self) -> str:
        """The sentence without its hint: ``cannot X: why``."""
        return f"cannot {self.action}: {self.why}"

    def __str__(self) -> str:
        return f"{self.message}; try {self.hint}" if self.hint else self.message


class ConfigError(VizproxyError):
    """A setting that is unknown, has the wrong type or an impossible value."""

    code = "config_invalid"
    http_status = 500
    exit_code = EXIT_USAGE


class MissingProgramError(VizproxyError):
    """A program or file that the desktop needs is not installed."""

    code = "program_missing"
    http_status = 503
    exit_code = EXIT_UNAVAILABLE


class PlanError(VizproxyError):
    """The rendering plan that was asked for cannot be carried out on this machine."""

    code = "plan_unavailable"
    http_status = 503
    exit_code = EXIT_UNAVAILABLE


class BusyError(VizproxyError):
    """Something that only one daemon can own is in use by another."""

    code = "busy"
    http_status = 409
    exit_code = EXIT_BUSY


class FileSystemError(VizproxyError):
    """A file, directory or socket cannot be made, written or trusted."""

    code = "file_system"
    http_status = 500
    exit_code = EXIT_CANNOT_CREATE


class RecordingError(VizproxyError):
    """A file of recorded facts cannot be read, or is none."""

    code = "recording_invalid"
    exit_code = EXIT_DATA


class NotReadyError(VizproxyError):
    """The desktop is not (yet, or any more) able to do what was asked."""

    code = "not_ready"
    http_status = 503
    exit_code = EXIT_UNAVAILABLE


class NotRunningError(VizproxyError):
    """No daemon answers on the socket."""

    code = "not_running"
    http_status = 503
    exit_code = EXIT_UNAVAILABLE


STRANGER: Final = "what listens there is not vizproxy"
"""Why a desktop cannot be reached where somebody else answers."""


def not_running(place: object, why: str) -> NotRunningError:
    """The error for a socket at which no daemon answers."""
    return NotRunningError(
        f"reach the desktop at {place}",
        why,
        "`vizproxy serve`, or --http-socket or --runtime-dir of the one that runs",
    )


def silence_reason(error: BaseException) -> str | None:
    """Why no daemon answers, where an error of connecting or waiting tells; None where it does not."""
    match error:
        case TimeoutError():
            return "it took too long"
        case FileNotFoundError():
            return "no daemon runs there"
        case ConnectionRefusedError():
            return "the daemon there is dead"
        case PermissionError():
            return "it belongs to another user"
        case _:
            return None


class VersionError(VizproxyError):
    """The desktop's vizproxy and the one beside a program are too far apart."""

    code = "version_mismatch"
    http_status = 409
    exit_code = EXIT_UNAVAILABLE


class InvalidRequestError(VizproxyError):
    """A request that can never succeed as it was sent."""

    code = "invalid_request"
    http_status = 400
    exit_code = EXIT_USAGE


class AccessDeniedError(VizproxyError):
    """The caller has shown no proof that the desktop is theirs."""

    code = "access_denied"
    http_status = 401
    exit_code = EXIT_NO_PERMISSION


class OriginError(VizproxyError):
    """A browser page of another site tried to reach the desktop."""

    code = "origin_refused"
    http_status = 403
    exit_code = EXIT_NO_PERMISSION


class AdmissionError(VizproxyError):
    """There is no room for one more app; ``reason`` is the limit that stands in the way."""

    code = "no_room"
    http_status = 409
    exit_code = EXIT_BUSY

    def __init__(self, action: str, why: str, hint: str = "", *, reason: str) -> None:
        super().__init__(action, why, hint)
        self.reason = reason


class RefusedError(VizproxyError):
    """The daemon refuses; the sentence, the hint and the exit code are its own."""

    code = "refused"
    http_status = 409

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        super().__init__("", message, hint)
        self.exit_code = exit_code

    @property
    def message(self) -> str:
        """The daemon's sentence."""
        return self.why


class CannotExecuteError(VizproxyError):
    """A program is there and cannot be executed."""

    code = "not_executable"
    exit_code = EXIT_NOT_EXECUTABLE


class NoSuchProgramError(VizproxyError):
    """There is no program of that name."""

    code = "no_such_program"
    exit_code = EXIT_NOT_FOUND


class InternalError(VizproxyError):
    """A bug in vizproxy."""

    code = "internal"
    exit_code = EXIT_INTERNAL


class NoSuchAppError(VizproxyError):
    """No app has that id (any more)."""

    code = "no_such_app"
    http_status = 404


class NoSuchEntryError(VizproxyError):
    """The menu has no such program."""

    code = "no_such_entry"
    http_status = 404


class DisplayError(VizproxyError):
    """The X server refused a request or its connection was lost."""

    code = "display_error"
    http_status = 503
    exit_code = EXIT_UNAVAILABLE


class WindowGoneError(VizproxyError):
    """The window is not there any more."""

    code = "window_gone"
    http_status = 404


def system_reason(error: OSError) -> str:
    """What the system says of a failed call, fit for the middle of a sentence."""
    return (error.strerror or str(error)).lower()


def exit_reason(status: int) -> str:
    """Say how a process ended, from its exit status (negative: killed by that signal)."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"

"""What can go wrong, in the words of someone who sits at a notebook."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, ParamSpec, TypeVar

from vizproxy.client import ServerError
from vizproxy.errors import EXIT_BUSY, InternalError, NotRunningError, VizproxyError
from vizproxy.thisside import PAGE_VARIABLE

P = ParamSpec("P")
T = TypeVar("T")


class NoRoomError(VizproxyError):
    """The desktop has no room for one more program, or not for one that asks for so much."""

    code = "no_room"
    http_status = 409
    exit_code = EXIT_BUSY


class AppFailedError(VizproxyError):
    """A program has ended with an error; ``output`` has the last lines that it printed."""

    code = "app_failed"

    def __init__(self, action: str, why: str, hint: str = "", output: Sequence[str] = ()) -> None:
        super().__init__(action, why, hint)
        self.output = tuple(output)

    def __str__(self) -> str:
        if not self.output:
            return super().__str__()
        return "\n    ".join([f"{self.message}. Its last output:", *self.output])


class TookTooLongError(VizproxyError, TimeoutError):
    """What was waited for has not happened in time."""

    code = "took_too_long"


_COMMANDS: Final = {
    "`vizproxy apps stop ID`": "`desktop.stop(ID)`",
    "`vizproxy apps`": "`desktop.apps`",
}
_FLAG: Final = re.compile(r"(?<![\w-])--(name|framebuffer|plan|activity)\b")


def in_python(text: str) -> str:
    """A sentence made for the command line, as it is for someone who writes Python."""
    for command, call in _COMMANDS.items():
        text = text.replace(command, call)
    return _FLAG.sub(r"\1", text)


def plainly(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let a coroutine's errors speak to someone at a notebook, whose traceback shows their own line.

    Where in here they come from helps nobody, but for a bug.
    """

    @functools.wraps(work)
    async def plain(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await work(*args, **kwargs)
        except InternalError:
            raise
        except VizproxyError as error:
            raise _in_plain_words(error).with_traceback(None) from None

    return plain


def _in_plain_words(error: VizproxyError) -> VizproxyError:
    match error:
        case NotRunningError():
            return NotRunningError(error.action, error.why, _way_to_a_daemon())
        case ServerError():
            return ServerError(error.status, in_python(error.message), in_python(error.hint))
        case _:
            return error


def _way_to_a_daemon() -> str:
    if os.environ.get(PAGE_VARIABLE):
        return "the tile Desktop in the launcher, which starts it or says what is wrong"
    return "`vizproxy serve`, or `socket=` of the one that runs"

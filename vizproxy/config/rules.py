"""What must hold between settings that are valid by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vizproxy.config.model import Config
from vizproxy.config.numbers import bytes_text, duration_text
from vizproxy.runtime import MAX_SOCKET_PATH_BYTES


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold between settings that are valid by themselves.

    ``check`` returns what is wrong, or an empty string. The problem is reported at ``path``, the
    first of ``reads``; a rule one of whose settings has no usable value is skipped.
    """

    reads: tuple[str, ...]
    check: Callable[[Config], str]

    @property
    def path(self) -> str:
        """The setting at which a breach of the rule is reported."""
        return self.reads[0]


def _size_within_max(config: Config) -> str:
    size, largest = config.display.size, config.display.max_size
    if size.fits_in(largest):
        return ""
    return f"'{size}' is larger than display.max_size, {largest}; lower one or raise the other"


def _backoff_ordered(config: Config) -> str:
    first, longest = config.supervision.backoff_initial, config.supervision.backoff_max
    if first <= longest:
        return ""
    least = duration_text(first)
    return (
        f"{duration_text(longest)} is shorter than supervision.backoff_initial, {least}; raise it"
    )


def _app_framebuffer_within_all(config: Config) -> str:
    each, together = config.broker.app_framebuffer, config.broker.framebuffer
    if each is None or together is None or each <= together:
        return ""
    return (
        f"'{bytes_text(each)}' is more than broker.framebuffer, {bytes_text(together)}; "
        "lower one or raise the other"
    )


def _socket_short_enough(config: Config) -> str:
    length = len(bytes(config.http_socket))
    if length <= MAX_SOCKET_PATH_BYTES:
        return ""
    return (
        f"the socket {str(config.http_socket)!r} has a path of {length} bytes, but Linux allows "
        f"{MAX_SOCKET_PATH_BYTES}; give a shorter one"
    )


def _default_socket_short_enough(config: Config) -> str:
    return "" if config.http.socket else _socket_short_enough(config)


def _given_socket_short_enough(config: Config) -> str:
    return _socket_short_enough(config) if config.http.socket else ""


RULES: Final = (
    Rule(("display.size", "display.max_size"), _size_within_max),
    Rule(("supervision.backoff_max", "supervision.backoff_initial"), _backoff_ordered),
    Rule(("broker.app_framebuffer", "broker.framebuffer"), _app_framebuffer_within_all),
    Rule(("runtime.dir", "http.socket"), _default_socket_short_enough),
    Rule(("http.socket",), _given_socket_short_enough),
)

"""``vizproxy ping``: whether the daemon answers.

Container runtimes run it every few seconds for each user, so it loads neither an HTTP library nor,
where the environment names the socket, the settings: it speaks the few bytes of HTTP/1.0 (RFC 1945)
itself.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from vizproxy.errors import STRANGER, VizproxyError, not_running, silence_reason, system_reason

if TYPE_CHECKING:
    from vizproxy.config import LoadedConfig

TIMEOUT_SECONDS: Final = 5.0
"""How long the daemon may take for its whole answer."""

MAX_ANSWER_BYTES: Final = 16 * 1024


def run(loaded: LoadedConfig, *, ready: bool) -> int:
    """Ask the desktop that the settings name, as :func:`ping` does."""
    from vizproxy.cli.find import find_socket

    ping(str(find_socket(loaded)), ready=ready)
    return 0


def told_place(environ: Mapping[str, str]) -> str | None:
    """The daemon's socket, if the environment names it such that no settings have to be read."""
    place = environ.get("VIZPROXY_SOCKET")
    if not place:
        if environ.get("VIZPROXY_CONFIG"):
            return None
        directory = environ.get("VIZPROXY_RUNTIME_DIR")
        place = environ.get("VIZPROXY_HTTP_SOCKET") or (directory and f"{directory}/http.sock")
    return place if place and place.startswith("/") else None


def ping(place: str, *, ready: bool) -> None:
    """Ask the daemon at a socket whether it lives, or whether a viewer would see the desktop.

    Raises:
        NotRunningError: no daemon answers within :data:`TIMEOUT_SECONDS`.
        VizproxyError: it does, and there is no picture.
    """
    try:
        status, body = _get(place, "/readyz" if ready else "/healthz")
    except OSError as error:
        raise not_running(place, _reason(error)) from error
    if status == 503 and (why := _why(body)):
        raise VizproxyError("show the desktop", why, "`vizproxy status`")
    if status != 200:
        raise not_running(place, STRANGER)


def _get(place: str, path: str) -> tuple[int, bytes]:
    """Ask a server on a unix socket; return its answer's status (0: that was no HTTP) and body."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.settimeout(TIMEOUT_SECONDS)
        server.connect(place)
        server.sendall(f"GET {path} HTTP/1.0\r\nHost: vizproxy\r\n\r\n".encode("ascii"))
        while len(answer) < MAX_ANSWER_BYTES:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            if not (data := server.recv(MAX_ANSWER_BYTES)):
                break
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    is_http = len(words) >= 2 and words[0].startswith(b"HTTP/1.") and words[1].isdigit()
    return (int(words[1]) if is_http else 0), body


def _why(body: bytes) -> str:
    """The reason in the daemon's answer that there is no picture; empty if that is not the daemon's."""
    import json

    try:
        reason = json.loads(body)["reason"]
    except (ValueError, TypeError, KeyError):
        return ""
    return reason if isinstance(reason, str) else ""


def _reason(error: OSError) -> str:
    if isinstance(error, BlockingIOError):  # so many wait already
        error = TimeoutError()
    return silence_reason(error) or system_reason(error)

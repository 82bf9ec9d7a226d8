"""What a viewer types and clicks, read from the bytes that it sends.

A viewer also asks for every next frame, so that it sends something does not say that anybody is there.
Only key presses, pointers that move or click, and pastes do. The messages are those of RFC 6143,
section 7.5, and of the community's additions to it (github.com/rfbproto/rfbproto).

The requests for frames are counted, too. An update is only sent on request (RFC 6143, section 3), and
noVNC asks for the next one when it has taken the last, unless the server knows continuous updates;
libvncserver, and so x11vnc, does not (github.com/LibVNC/libvncserver/pull/557).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

_VERSION_BYTES: Final = 12
_SECURITY_NONE: Final = 1

_SET_PIXEL_FORMAT: Final = 0
_SET_ENCODINGS: Final = 2
_UPDATE_REQUEST: Final = 3
_KEY: Final = 4
_POINTER: Final = 5
_CUT_TEXT: Final = 6
_CONTINUOUS_UPDATES: Final = 150
_FENCE: Final = 248
_XVP: Final = 250
_SET_DESKTOP_SIZE: Final = 251
_QEMU: Final = 255

_HEADERS: Final[Mapping[int, int]] = {
    _SET_PIXEL_FORMAT: 20,
    _SET_ENCODINGS: 4,
    _UPDATE_REQUEST: 10,
    _KEY: 8,
    _POINTER: 6,
    _CUT_TEXT: 8,
    _CONTINUOUS_UPDATES: 10,
    _FENCE: 9,
    _XVP: 4,
    _SET_DESKTOP_SIZE: 8,
    _QEMU: 12,
}
"""How many bytes tell how long a message is, by its type."""

_BODIES: Final[Mapping[int, Callable[[bytes], int]]] = {
    _SET_ENCODINGS: lambda head: 4 * int.from_bytes(head[2:4]),
    # A negative length marks the extended clipboard, of as many bytes.
    _CUT_TEXT: lambda head: abs(int(struct.unpack_from(">i", head, 4)[0])),
    _FENCE: lambda head: head[8],
    _SET_DESKTOP_SIZE: lambda head: 16 * head[6],
}
"""How many bytes follow these."""


class InputReader:
    """Follows the bytes of one viewer, however they are cut, and tells which are somebody's input.

    Where it cannot follow (security other than none, an unknown message), all that comes is taken for
    input: better a session that lives too long than one that ends under somebody's hands.
    """

    def __init__(self) -> None:
        self.requests = 0
        """How often the viewer has asked for an update, incremental or not."""
        self._rest = bytearray()
        self._skip = 0
        self._greeted = False
        self._lost = False
        self._pointer = b""

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; return whether somebody's input is among them."""
        if self._lost:
            return bool(data)
        self._rest += data
        found = False
        while (message := self._next()) is not None:
            found |= self._take(message)
        return found or self._lost

    def _next(self) -> bytes | None:
        """The next message's header; None where more bytes are needed."""
        if self._skip:
            skipped = min(self._skip, len(self._rest))
            del self._rest[:skipped]
            self._skip -= skipped
        if self._skip or not self._rest:
            return None
        if not self._greeted:
            return self._greeting()
        length = _HEADERS.get(self._rest[0])
        if length is None:
            self._lost = True
            return None
        if len(self._rest) < length:
            return None
        head = bytes(self._rest[:length])
        del self._rest[:length]
        if (body := _BODIES.get(head[0])) is not None:
            self._skip = body(head)
        return head

    def _greeting(self) -> bytes | None:
        """Pass over version, security type and ClientInit (RFC 6143, 7.1 to 7.3.1)."""
        if len(self._rest) < _VERSION_BYTES + 2:
            return None
        self._lost = self._rest[_VERSION_BYTES] != _SECURITY_NONE
        self._greeted = True
        del self._rest[: _VERSION_BYTES + 2]
        return b""

    def _take(self, head: bytes) -> bool:
        """Take notice of a message; return whether it is somebody's input."""
        if not head:
            return False
        match head[0]:
            case n if n == _UPDATE_REQUEST:
                self.requests += 1
                return False
            case n if n == _KEY:
                return head[1] != 0  # keys are let go of when a page loses the focus
            case n if n == _QEMU:
                return head[1] == 0 and head[2:4] != b"\0\0"
            case n if n == _POINTER:
                moved, self._pointer = head != self._pointer, head
                return moved
            case n if n == _CUT_TEXT:
                return True
            case _:
                return False

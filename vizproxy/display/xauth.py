"""The X server's access cookie.

The file format is that of Xau(3): a sequence of entries, each a big-endian 16-bit family followed by
four counted strings (address, display number, protocol name, data).
"""

from __future__ import annotations

import secrets
import struct
from typing import Final

FAMILY_LOCAL: Final = 256
FAMILY_WILD: Final = 65535
PROTOCOL: Final = b"MIT-MAGIC-COOKIE-1"
COOKIE_BYTES: Final = 16


def new_cookie() -> bytes:
    """Return a fresh random cookie."""
    return secrets.token_bytes(COOKIE_BYTES)


def authority_file(cookie: bytes, hostname: str) -> bytes:
    """Return the content of an authority file that offers ``cookie`` for every display number.

    For every number, because that is not known yet: the X servers choose theirs when they start.
    So one file also serves both of them, the desktop's and the 3D server. A program under VirtualGL
    is a client of both and has but one XAUTHORITY, so a second cookie would guard nothing.

    libXau takes an entry of the "wild" family for any host, so the cookie also serves clients in
    a container with another host name. python-xlib knows no wild family: it takes the other entry.
    """
    return _entry(FAMILY_LOCAL, hostname.encode(), cookie) + _entry(FAMILY_WILD, b"", cookie)


def cookie_in(authority: bytes) -> bytes:
    """The cookie in what :func:`authority_file` returned: it ends with it."""
    return authority[-COOKIE_BYTES:]


def _entry(family: int, address: bytes, cookie: bytes) -> bytes:
    number = b""
    fields = (address, number, PROTOCOL, cookie)
    return struct.pack(">H", family) + b"".join(struct.pack(">H", len(f)) + f for f in fields)

"""Window properties: what programs say about their windows, none of which can be trusted.

Everything here but :func:`ask` and :func:`answer` is pure. Whatever a property holds, decoding it
gives a harmless value and never raises.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from Xlib import X, Xutil
from Xlib.display import Display
from Xlib.protocol import request

from vizproxy.x11.scene import Geometry, Window

MAX_TEXT: Final = 256
"""Longer titles and names are cut."""

READ_WORDS: Final = MAX_TEXT
"""How much of a property is read, in units of four bytes: a character of UTF-8 takes up to four."""

_MAX_PID: Final = 2**31 - 1
_COMPOUND_UTF8: Final = re.compile(rb"\x1b%G(.*?)(?:\x1b%@|\Z)", re.DOTALL)
_ESCAPE_SEQUENCE: Final = re.compile(rb"\x1b[\x20-\x2f]*[\x30-\x7e]?")
_UNSEEN: Final = frozenset({"Cc", "Cs"})
_BIDI_CONTROLS: Final = frozenset(
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


@dataclass(frozen=True, slots=True)
class Property:
    """A property as the server has it: bytes for format 8, numbers for 16 and 32."""

    type: int
    value: bytes | tuple[int, ...]
    cut: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its numbers; none if it holds text."""
        return () if isinstance(self.value, bytes) else self.value

    @property
    def text(self) -> bytes:
        """Its bytes; none if it holds numbers."""
        return self.value if isinstance(self.value, bytes) else b""


Properties = Mapping[str, Property | None]

NAMES: Final = (
    "_NET_WM_NAME",
    "WM_NAME",
    "WM_CLASS",
    "_NET_WM_PID",
    "WM_CLIENT_MACHINE",
    "_NET_WM_STATE",
    "WM_STATE",
    "_NET_WM_WINDOW_TYPE",
    "WM_TRANSIENT_FOR",
    "WM_PROTOCOLS",
)
"""The properties that :func:`describe` makes a window from."""


@dataclass(frozen=True, slots=True)
class Atoms:
    """The server's numbers for the names that occur as values."""

    utf8_string: int
    compound_text: int
    net_wm_state_hidden: int
    net_wm_state_maximized_vert: int
    net_wm_state_maximized_horz: int
    net_wm_state_fullscreen: int
    net_wm_window_type_desktop: int
    net_wm_window_type_dock: int
    net_wm_window_type_dialog: int
    wm_delete_window: int


def atoms_of(display: Display) -> Atoms:
    """Ask the server for the numbers, once per connection."""
    return Atoms(*(display.get_atom(_atom_name(f.name)) for f in fields(Atoms)))


def _atom_name(field: str) -> str:
    return ("_" if field.startswith("net_") else "") + field.upper()


# reading


def ask(display: Display, window_id: int, name: str, words: int = READ_WORDS) -> Any:
    """Queue the request for a property; :func:`answer` collects what came."""
    return request.GetProperty(
        display=display.display,
        defer=True,
        delete=False,
        window=window_id,
        property=display.get_atom(name),
        type=X.AnyPropertyType,
        long_offset=0,
        long_length=words,
    )


def answer(pending: Any) -> Property | None:
    """The property that was asked for, None if the window has none. Raises Xlib's BadWindow."""
    pending.reply()
    if pending.value is None:
        return None
    form, value = pending.value
    content = bytes(value) if form == 8 else tuple(value)
    return Property(pending.property_type, content, cut=pending.bytes_after > 0)


def read(display: Display, window_id: int, name: str) -> Property | None:
    """Read one property. Raises Xlib's BadWindow."""
    return answer(ask(display, window_id, name))


# decoding


def text(found: Property | None, atoms: Atoms) -> str:
    """A text property as one clean line."""
    if found is None:
        return ""
    if found.type == atoms.utf8_string:
        return clean(_utf8(found.text, cut=found.cut))
    if found.type == atoms.compound_text:
        return clean(_compound_text(found.text))
    return clean(found.text.decode("latin-1"))


def title(properties: Properties, atoms: Atoms) -> str:
    """The window's title: ``_NET_WM_NAME``, else ``WM_NAME``."""
    modern = properties.get("_NET_WM_NAME")
    if modern is not None and (name := clean(_utf8(modern.text, cut=modern.cut))):
        return name
    return text(properties.get("WM_NAME"), atoms)


def class_hint(properties: Properties) -> tuple[str, str]:
    """Instance and class of ``WM_CLASS``."""
    found = properties.get("WM_CLASS")
    instance, class_name, *_ = (*(found.text if found else b"").split(b"\0"), b"", b"")
    return _name(instance), _name(class_name)


def machine(properties: Properties) -> str:
    """The host on which the program runs, by its own account."""
    found = properties.get("WM_CLIENT_MACHINE")
    return _name(found.text) if found else ""


def process_id(properties: Properties) -> int | None:
    """The process that the program says it is."""
    found = properties.get("_NET_WM_PID")
    number = found.numbers[0] if found and found.numbers else 0
    return number if 0 < number <= _MAX_PID else None


def is_minimised(properties: Properties, atoms: Atoms) -> bool:
    """Whether the window manager has put the window away."""
    if atoms.net_wm_state_hidden in _numbers(properties, "_NET_WM_STATE"):
        return True
    return _numbers(properties, "WM_STATE")[:1] == (Xutil.IconicState,)


def is_furniture(properties: Properties, atoms: Atoms) -> bool:
    """Whether the window belongs to the desktop itself: a background or a panel."""
    types = _numbers(properties, "_NET_WM_WINDOW_TYPE")
    return atoms.net_wm_window_type_desktop in types or atoms.net_wm_window_type_dock in types


def describe(
    window_id: int,
    properties: Properties,
    geometry: Geometry,
    atoms: Atoms,
    *,
    client: int,
    active: bool,
) -> Window:
    """Make sense of all that is known of a window."""
    states = _numbers(properties, "_NET_WM_STATE")
    transient = _numbers(properties, "WM_TRANSIENT_FOR")[:1]
    instance, class_name = class_hint(properties)
    return Window(
        id=window_id,
        client=client,
        title=title(properties, atoms),
        instance=instance,
        class_name=class_name,
        pid=process_id(properties),
        machine=machine(properties),
        geometry=geometry,
        minimised=is_minimised(properties, atoms),
        maximised={atoms.net_wm_state_maximized_vert, atoms.net_wm_state_maximized_horz}
        <= set(states),
        fullscreen=atoms.net_wm_state_fullscreen in states,
        active=active,
        dialog=bool(transient)
        or atoms.net_wm_window_type_dialog in _numbers(properties, "_NET_WM_WINDOW_TYPE"),
        transient_for=transient[0] if transient and transient[0] not in (0, window_id) else None,
        closes_politely=atoms.wm_delete_window in _numbers(properties, "WM_PROTOCOLS"),
    )


def clean(raw: str) -> str:
    """One line without control characters, and without those that turn the reading direction."""
    spaced = " ".join(raw.split())
    kept = (c for c in spaced if c not in _BIDI_CONTROLS and unicodedata.category(c) not in _UNSEEN)
    return "".join(kept)[:MAX_TEXT].strip()


def numbers(found: Property | None) -> tuple[int, ...]:
    """The numbers of a property; none if there is no such property or if it holds text."""
    return found.numbers if found else ()


def _numbers(properties: Properties, name: str) -> tuple[int, ...]:
    return numbers(properties.get(name))


def _utf8(raw: bytes, *, cut: bool = False) -> str:
    """UTF-8 with bad bytes replaced; a character that the reading cut in two is left out."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(raw, final=not cut)


def _name(raw: bytes) -> str:
    """A short text whose encoding is not told: Latin-1 by the book, UTF-8 in practice."""
    raw = raw.partition(b"\0")[0]
    try:
        return clean(raw.decode())
    except UnicodeDecodeError:
        return clean(raw.decode("latin-1"))


def _compound_text(raw: bytes) -> str:
    """Its Latin-1 and UTF-8 parts; other character sets are shown as the server's bytes read.

    X Consortium: Compound Text Encoding 1.1.
    """
    parts = _COMPOUND_UTF8.split(raw)  # Latin-1, UTF-8, Latin-1, ...
    return "".join(
        _utf8(part) if number % 2 else _ESCAPE_SEQUENCE.sub(b"", part).decode("latin-1")
        for number, part in enumerate(parts)
    )

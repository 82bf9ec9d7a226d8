"""How each kind of setting is read, checked and written.

A :class:`Kind` turns the text of an environment variable or flag, or a value from a TOML file, into
a value of its type, and that value back into TOML. Kinds are immutable and know nothing of files or
environments: what a relative path starts from is handed to them as a :class:`Place`.

Every refusal is an :class:`InvalidValueError` whose messages say what is wrong with the value and
what to give instead.
"""

from __future__ import annotations

import json
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_TEXT = 4096
"""The longest text that a setting may have, in characters (as long as the longest Linux path)."""

_SHOWN = 60
# Control characters and line breaks could smuggle lines into generated files and into logs;
# surrogates stand for bytes that are not UTF-8 and cannot be written to a TOML file.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


class InvalidValueError(ValueError):
    """A value that a setting cannot have; ``messages`` has one sentence for each reason."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Place:
    """What paths in a value are relative to: ``base`` for relative ones, ``home`` for ``~``.

    Either is None when it is not known; then only paths that need it are refused.
    """

    base: Path | None
    home: Path | None


class Kind(ABC, Generic[T]):
    """One kind of setting: how its values are read, checked and written."""

    @property
    @abstractmethod
    def form(self) -> str:
        """What a value looks like, as it completes the sentence "give …"."""

    @property
    def bounds(self) -> str:
        """The bounds, such as ``1ms to 24h``; empty if there are none or :attr:`form` has them."""
        return ""

    @abstractmethod
    def from_text(self, text: str, place: Place) -> T:
        """Read a variable's or a flag's text; raise InvalidValueError if it is wrong."""

    @abstractmethod
    def from_toml(self, value: object, place: Place) -> T:
        """Read a value out of a TOML file; raise InvalidValueError if it is wrong."""

    @abstractmethod
    def to_toml(self, value: T) -> str:
        """Write a value as TOML that :meth:`from_toml` reads back to an equal value."""

    def refusal(self, given: object, why: str) -> InvalidValueError:
        """Make the error that says why ``given`` is refused and what to give instead."""
        return InvalidValueError(f"{shown(given)} {why}; give {self.form}")

    def type_refusal(self, given: object, expected: str) -> InvalidValueError:
        """Make the error that says that ``given`` has the wrong TOML type."""
        return InvalidValueError(f"expected {expected}, got {type_noun(given)}; give {self.form}")

    def check_text(self, text: str) -> None:
        """Raise InvalidValueError unless ``text`` can be a value of any kind at all."""
        if not text:
            raise self.refusal(text, "is empty")
        if len(text) > MAX_TEXT:
            raise self.refusal(text, f"is longer than {MAX_TEXT} characters")
        if any(unicodedata.category(char) in _REFUSED_CATEGORIES for char in text):
            raise self.refusal(text, "contains a control character, a line break or broken UTF-8")
        if text != text.strip():
            raise self.refusal(text, "starts or ends with a space")


class TextKind(Kind[T]):
    """A kind whose values are strings in TOML and read there as they are anywhere else."""

    def from_toml(self, value: object, place: Place) -> T:
        """Read a TOML string; raise InvalidValueError if it is another type or wrong."""
        if not isinstance(value, str):
            raise self.type_refusal(value, "a string")
        return self.from_text(value, place)

    def to_toml(self, value: T) -> str:
        """Write the value's ``str()`` as a TOML string."""
        return quoted(str(value))


@dataclass(frozen=True, slots=True)
class OptionalKind(Kind[T | None]):
    """A kind that may be left unset: None, which is an empty text and has no form in TOML."""

    inner: Kind[T]

    @property
    def form(self) -> str:
        """What a value looks like; that it may be empty goes without saying."""
        return self.inner.form

    @property
    def bounds(self) -> str:
        """The bounds of a value that is set."""
        return self.inner.bounds

    def from_text(self, text: str, place: Place) -> T | None:
        """Read a text, of which the empty one means None."""
        return self.inner.from_text(text, place) if text else None

    def from_toml(self, value: object, place: Place) -> T | None:
        """Read a TOML value; leaving the key out, and nothing else, means None."""
        return self.inner.from_toml(value, place)

    def to_toml(self, value: T | None) -> str:
        """Write a value that is set; raise ValueError for None, which TOML cannot express."""
        if value is None:
            msg = "TOML has no null: leave the key out"
            raise ValueError(msg)
        return self.inner.to_toml(value)


@dataclass(frozen=True, slots=True)
class ListKind(Kind[tuple[T, ...]]):
    """Any number of values, each one once: commas between them in text, an array in TOML."""

    inner: Kind[T]

    @property
    def form(self) -> str:
        """What a list looks like."""
        return f"a list, each item {self.inner.form}"

    def from_text(self, text: str, place: Place) -> tuple[T, ...]:
        """Read items between commas; spaces around them don't count, and nothing is no items."""
        parts = [part.strip(" ") for part in text.split(",")] if text.strip(" ") else []
        return self._collected(parts, place)

    def from_toml(self, value: object, place: Place) -> tuple[T, ...]:
        """Read a TOML array; raise InvalidValueError with one message for each wrong item."""
        if not isinstance(value, list):
            raise self.type_refusal(value, "a list")
        return self._collected(value, place)

    def _collected(self, parts: list[object] | list[str], place: Place) -> tuple[T, ...]:
        items: dict[T, None] = {}
        messages: list[str] = []
        for number, part in enumerate(parts, start=1):
            try:
                items[self.inner.from_toml(part, place)] = None
            except InvalidValueError as error:
                messages.extend(f"item {number}: {message}" for message in error.messages)
        if messages:
            raise InvalidValueError(*messages)
        return tuple(items)

    def to_toml(self, value: tuple[T, ...]) -> str:
        """Write a one-line TOML array."""
        return f"[{', '.join(self.inner.to_toml(item) for item in value)}]"


def quoted(text: str) -> str:
    """Write a text without control characters as a TOML basic string."""
    # For such texts a JSON string and a TOML basic string are the same thing.
    return json.dumps(text, ensure_ascii=False)


def shown(value: object) -> str:
    """Show a scalar the way a person wrote it, shortened to one reasonable line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "a huge number"  # Python refuses to print integers of thousands of digits.
    if isinstance(value, str) and len(value) > _SHOWN:
        return repr(value[:_SHOWN] + "…")
    return repr(value) if isinstance(value, (str, int, float)) else type_noun(value)


def type_noun(value: object) -> str:
    """Name the TOML type of a value: "a string", "a list", …."""
    if isinstance(value, bool):  # A bool is an int to Python, but not to TOML.
        return "a boolean"
    nouns: tuple[tuple[type, str], ...] = (
        (str, "a string"),
        (int, "an integer"),
        (float, "a float"),
        (list, "a list"),
        (dict, "a table"),
    )
    return next((noun for kind, noun in nouns if isinstance(value, kind)), "a date or time")

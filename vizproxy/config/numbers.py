"""The kinds of setting that are numbers: counts, durations, byte counts and sizes in pixels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from vizproxy.config.kinds import Kind, TextKind
from vizproxy.config.values import Size

if TYPE_CHECKING:
    from vizproxy.config.kinds import Place

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DURATION = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")
_BYTES = re.compile(r"([0-9]+)(B|KiB|MiB|GiB)?")
_SIZE = re.compile(r"([0-9]+)x([0-9]+)")

_DURATION_UNITS = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_BYTE_UNITS = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}


@dataclass(frozen=True, slots=True)
class IntKind(Kind[int]):
    """A whole number from ``minimum`` to ``maximum``; ``unit`` is what it counts, if anything."""

    minimum: int
    maximum: int
    unit: str = ""

    @property
    def form(self) -> str:
        """What the number looks like."""
        of_unit = f" of {self.unit}" if self.unit else ""
        return f"a whole number{of_unit} from {self.minimum} to {self.maximum}"

    def from_text(self, text: str, place: Place) -> int:  # noqa: ARG002 - the interface has it
        """Read decimal digits; raise InvalidValueError if they are no number within the bounds."""
        self.check_text(text)
        if not _INTEGER.fullmatch(text):
            raise self.refusal(text, "is not a whole number")
        return self._bounded(int(text), text)

    def from_toml(self, value: object, place: Place) -> int:  # noqa: ARG002
        """Read a TOML integer; raise InvalidValueError if it is another type or out of bounds."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.type_refusal(value, "an integer")
        return self._bounded(value, value)

    def to_toml(self, value: int) -> str:
        """Write a TOML integer."""
        return str(value)

    def _bounded(self, number: int, given: object) -> int:
        if number < self.minimum:
            raise self.refusal(given, f"is less than {self.minimum}")
        if number > self.maximum:
            raise self.refusal(given, f"is more than {self.maximum}")
        return number


@dataclass(frozen=True, slots=True)
class DurationKind(Kind[float]):
    """A time in seconds from ``minimum`` to ``maximum``; its text may have a unit."""

    minimum: float
    maximum: float

    @property
    def form(self) -> str:
        """What a duration looks like."""
        return "a duration such as 10s, 500ms, 5m or 2h"

    @property
    def bounds(self) -> str:
        """The shortest and the longest duration."""
        return f"{duration_text(self.minimum)} to {duration_text(self.maximum)}"

    def from_text(self, text: str, place: Place) -> float:  # noqa: ARG002
        """Read ``500ms``, ``2s``, ``5m``, ``2h`` or plain seconds; raise InvalidValueError."""
        self.check_text(text)
        match = _DURATION.fullmatch(text)
        if not match:
            raise self.refusal(text, "is not a duration")
        seconds = Decimal(match[1]) * _DURATION_UNITS[match[2] or "s"]
        return self._bounded(float(seconds), text)

    def from_toml(self, value: object, place: Place) -> float:
        """Read a TOML number of seconds or a string with a unit; raise InvalidValueError."""
        if isinstance(value, str):
            return self.from_text(value, place)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.type_refusal(value, "a number of seconds or a string")
        if isinstance(value, float) and math.isnan(value):
            raise self.refusal(value, "is not a duration")
        return self._bounded(value, value)

    def to_toml(self, value: float) -> str:
        """Write a string with the largest unit that leaves no fraction, else a number."""
        text = duration_text(value)
        return f'"{text}"' if text[-1].isalpha() else text

    def _bounded(self, seconds: float, given: object) -> float:
        if seconds < self.minimum:
            raise self.refusal(given, f"is shorter than {duration_text(self.minimum)}")
        if seconds > self.maximum:
            raise self.refusal(given, f"is longer than {duration_text(self.maximum)}")
        return float(seconds)


@dataclass(frozen=True, slots=True)
class BytesKind(Kind[int]):
    """A number of bytes from ``minimum`` to ``maximum``; its text may have a binary unit."""

    minimum: int
    maximum: int

    @property
    def form(self) -> str:
        """What a number of bytes looks like."""
        return "a number of bytes such as 4MiB or 512KiB"

    @property
    def bounds(self) -> str:
        """The smallest and the largest number."""
        return f"{bytes_text(self.minimum)} to {bytes_text(self.maximum)}"

    def from_text(self, text: str, place: Place) -> int:  # noqa: ARG002
        """Read ``4MiB``, ``512KiB``, ``1GiB`` or plain bytes; raise InvalidValueError."""
        self.check_text(text)
        match = _BYTES.fullmatch(text)
        if not match:
            raise self.refusal(text, "is not a number of bytes")
        return self._bounded(int(match[1]) * _BYTE_UNITS[match[2] or "B"], text)

    def from_toml(self, value: object, place: Place) -> int:
        """Read a TOML integer or a string with a unit; raise InvalidValueError."""
        if isinstance(value, str):
            return self.from_text(value, place)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.type_refusal(value, "an integer or a string")
        return self._bounded(value, value)

    def to_toml(self, value: int) -> str:
        """Write a string with the largest unit that leaves no fraction, or an integer."""
        text = bytes_text(value)
        return f'"{text}"' if text[-1].isalpha() else text

    def _bounded(self, count: int, given: object) -> int:
        if count < self.minimum:
            raise self.refusal(given, f"is less than {bytes_text(self.minimum)}")
        if count > self.maximum:
            raise self.refusal(given, f"is more than {bytes_text(self.maximum)}")
        return count


@dataclass(frozen=True, slots=True)
class SizeKind(TextKind[Size]):
    """A size in pixels, each side of which is within the same side of the bounds."""

    minimum: Size
    maximum: Size

    @property
    def form(self) -> str:
        """What a size looks like."""
        return "WIDTHxHEIGHT such as 1600x900"

    @property
    def bounds(self) -> str:
        """The smallest and the largest size."""
        return f"{self.minimum} to {self.maximum}"

    def from_text(self, text: str, place: Place) -> Size:  # noqa: ARG002
        """Read ``1600x900``; raise InvalidValueError if it is no size within the bounds."""
        self.check_text(text)
        match = _SIZE.fullmatch(text)
        if not match:
            raise self.refusal(text, "is not a size")
        size = Size(int(match[1]), int(match[2]))
        if not self.minimum.fits_in(size):
            raise self.refusal(text, f"is smaller than {self.minimum}")
        if not size.fits_in(self.maximum):
            raise self.refusal(text, f"is larger than {self.maximum}")
        return size


def duration_text(seconds: float) -> str:
    """Write positive seconds with the largest unit that leaves no fraction, else as a number."""
    exact = Decimal(repr(float(seconds)))
    for unit, scale in _DURATION_UNITS.items():
        count, rest = divmod(exact, scale)
        if not rest:
            return f"{int(count)}{unit}"
    return repr(float(seconds))


def duration_words(seconds: float) -> str:
    """Write seconds as people say it: ``30 minutes``, ``1 hour``, ``90 seconds``."""
    for word, scale in (("hour", 3600), ("minute", 60)):
        count, rest = divmod(seconds, scale)
        if count and not rest:
            return f"{count:.0f} {word}{'' if count == 1 else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


def bytes_text(count: int) -> str:
    """Write a number of bytes with the largest binary unit that leaves no fraction."""
    unit = next(unit for unit, scale in _BYTE_UNITS.items() if count % scale == 0)
    return str(count) if unit == "B" else f"{count // _BYTE_UNITS[unit]}{unit}"

"""Reading the messages of the API's WebSockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vizproxy.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what the other side says; ``action`` is what it asks for, for the error.

    Every method raises InvalidRequestError for what makes no sense.
    """

    action: str

    def bad(self, why: str) -> InvalidRequestError:
        """The error that says what makes no sense."""
        return InvalidRequestError(self.action, why, "a vizproxy of the daemon's version")

    def json_object(self, text: str) -> Mapping[str, Any]:
        """A message, which is a JSON object."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.bad("a message is not JSON") from error
        if not isinstance(told, dict):
            raise self.bad("a message is not a JSON object")
        return told

    def text(
        self, told: Mapping[str, Any], key: str, longest: int, *, may_be_empty: bool = False
    ) -> str:
        """A text of printable characters."""
        text = told.get(key)
        least = 0 if may_be_empty else 1
        if isinstance(text, str) and least <= len(text) <= longest and text.isprintable():
            return text
        raise self.bad(f"{key!r} is not a text of {least} to {longest} printable characters")

    def texts(self, told: Mapping[str, Any], key: str, most: int, longest: int) -> tuple[str, ...]:
        """A list of texts of printable characters, which may be empty."""
        texts = told.get(key)
        if not isinstance(texts, list) or len(texts) > most:
            raise self.bad(f"{key!r} is not a list of up to {most} texts")
        return tuple(self.text({key: text}, key, longest, may_be_empty=True) for text in texts)

"""Facts about a machine in a file: written where they were found, read elsewhere.

A recording is JSON. What it says of where its facts come from (``origins``) is by dotted paths into
the facts, such as ``nvml.gpus.0.licence``; ``""`` is all of them, and the longest path wins. A fact is
written as ``{"value": …}`` or ``{"reason": …}``.

There is no secret in one: of the environment it has NVIDIA's two variables, and where a path leads
through the home directory of whoever writes it, ``~`` stands for that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from vizproxy.errors import FileSystemError, RecordingError, system_reason
from vizproxy.facts.model import Machine

FORMAT: Final = 1
"""The format that is written, and the only one that is read."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""A machine with eight GPUs and a thousand processes takes a tenth of it."""

_COLUMNS: Final = 100
_ANOTHER: Final = "a file that `vizproxy doctor --record` of this version has written"


class Origin(StrEnum):
    """Where a fact comes from: a document, a machine, or neither."""

    DOCUMENTED = "documented"
    SEEN = "seen"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Recording:
    """Facts about a machine, and where they come from.

    ``machine`` says in words what it is; ``sources`` are the documents, by their addresses.
    """

    format: int
    machine: str
    origins: Mapping[str, Origin]
    sources: tuple[str, ...]
    facts: Machine

    def origin_of(self, path: str) -> Origin | None:
        """Where the fact at ``path`` comes from; None if nothing is said of it."""
        parts = path.split(".") if path else []
        for length in range(len(parts), -1, -1):
            found = self.origins.get(".".join(parts[:length]))
            if found is not None:
                return found
        return None


def seen(machine: str, facts: Machine) -> Recording:
    """A recording of what was found on a machine."""
    return Recording(FORMAT, machine, {"": Origin.SEEN}, (), facts)


# ------------------------------------------------------------------------------------- reading


def read(path: Path) -> Recording:
    """Read a recording. Blocks.

    Raises:
        RecordingError: the file cannot be read, or something in it is wrong, with the place where.
    """
    action = f"read the recording {path}"
    document = _load(path, action)
    if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
        why = f"it is of format {document['format']!r}, and this version reads format {FORMAT}"
        raise RecordingError(action, why, _ANOTHER)
    try:
        recording = msgspec.convert(document, Recording)
    except msgspec.ValidationError as error:
        why = str(error)
        raise RecordingError(action, why[:1].lower() + why[1:], _ANOTHER) from error
    problem = _difference(document, _tree(recording), "$") or _aimless(recording)
    if problem:
        raise RecordingError(action, problem, _ANOTHER)
    return recording


def _load(path: Path, action: str) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "the name of a file that is there and may be read"
        raise RecordingError(action, system_reason(error), hint) from error
    if len(content) > MAX_BYTES:
        raise RecordingError(action, "it is too big to be one", _ANOTHER)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RecordingError(action, f"it is not JSON ({error})", _ANOTHER) from error


def _difference(document: Any, tree: Any, place: str) -> str:
    """What a document has that the facts made of it have not, such as a misspelled name."""
    if isinstance(tree, dict):
        if tree.keys() == {"reason"} and "reason" not in document:
            return f"there is neither a value nor a reason - at `{place}`"
        for key, value in document.items():
            if key not in tree:
                return f"nothing is known of a field `{key}` - at `{place}`"
            if found := _difference(value, tree[key], f"{place}.{key}"):
                return found
    elif isinstance(tree, list):
        for index, (value, item) in enumerate(zip(document, tree, strict=True)):
            if found := _difference(value, item, f"{place}[{index}]"):
                return found
    return ""


def _aimless(recording: Recording) -> str:
    """The first path among the origins that leads nowhere, as a clause."""
    facts = _tree(recording)["facts"]
    for path in recording.origins:
        if not _leads_somewhere(facts, path.split(".") if path else []):
            return f"there is no fact `{path}` - at `$.origins`"
    return ""


def _leads_somewhere(tree: Any, parts: list[str]) -> bool:
    for part in parts:
        if isinstance(tree, dict) and tree.keys() == {"value"}:
            tree = tree["value"]
        if isinstance(tree, dict) and part in tree:
            tree = tree[part]
        elif isinstance(tree, list) and part.isdecimal() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return False
    return True


# ------------------------------------------------------------------------------------- writing


def write(path: Path, recording: Recording, *, home: str | None = None) -> None:
    """Write a recording, with ``~`` for ``home``: unless told, the user's home directory. Blocks.

    Raises:
        FileSystemError: the file cannot be written.
    """
    tree = _tree(recording)
    tree["facts"] = _replaced(tree["facts"], _without(_own_home() if home is None else home))
    try:
        path.write_text(_laid_out(tree, "") + "\n", encoding="utf-8")
    except OSError as error:
        why = system_reason(error)
        hint = "another place"
        raise FileSystemError(f"write the recording {path}", why, hint) from error


def _tree(recording: Recording) -> dict[str, Any]:
    """The recording as JSON has it, without what is empty by nature."""
    tree: dict[str, Any] = _pruned(msgspec.to_builtins(recording))
    return tree


def _pruned(tree: Any) -> Any:
    if isinstance(tree, dict):
        if tree.keys() == {"value", "reason"}:
            if tree["value"] is None:
                return {"reason": tree["reason"]}
            return {"value": _pruned(tree["value"])}
        return {key: _pruned(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_pruned(value) for value in tree]
    return tree


def _own_home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # a user ID that nobody has given a name
        return ""


def _without(home: str) -> Callable[[str], str]:
    if home in ("", "/"):
        return str
    pattern = re.compile(rf"(?<![\w.-]){re.escape(home.rstrip('/'))}(?![\w.-])")
    return lambda text: pattern.sub("~", text)


def _replaced(tree: Any, replace: Callable[[str], str]) -> Any:
    if isinstance(tree, dict):
        return {key: _replaced(value, replace) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_replaced(value, replace) for value in tree]
    return replace(tree) if isinstance(tree, str) else tree


def _laid_out(tree: Any, indent: str, used: int = _COLUMNS) -> str:
    """Write JSON that people can read: what fits into the line stays in it.

    ``used`` is how much of the line stands before it. The outermost object is always spread out.
    """
    line = json.dumps(tree)
    if used + len(line) < _COLUMNS or not isinstance(tree, dict | list) or not tree:
        return line
    inner = indent + "  "
    if isinstance(tree, dict):
        names = {f"{inner}{json.dumps(name)}: ": value for name, value in tree.items()}
        items = [name + _laid_out(value, inner, len(name)) for name, value in names.items()]
    else:
        items = [inner + _laid_out(value, inner, len(inner)) for value in tree]
    opening, closing = "{}" if isinstance(tree, dict) else "[]"
    return opening + "\n" + ",\n".join(items) + f"\n{indent}{closing}"

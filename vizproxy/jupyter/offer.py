"""What the launcher offers: the programs, as a message to the daemon."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vizproxy.compatibility import OURS
from vizproxy.config import Tile
from vizproxy.jupyter import icons
from vizproxy.jupyter.entries import Entry, find
from vizproxy.jupyter.icons import Icon

MAX_BYTES: Final = 7 * 1024 * 1024
"""The largest message; the daemon takes 8 MiB. Beyond it, icons are left out, then programs."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The programs by their ids, and the message that tells of them."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    message: str = json.dumps({"type": "offer", **OURS.told(), "entries": []})


def look(environ: Mapping[str, str], tiles: Sequence[Tile]) -> Offer:
    """Look for all programs and their icons. Blocks."""
    entries = find(environ, tiles)
    return make(entries, icons.load({entry.icon for entry in entries}, environ))


def make(entries: Sequence[Entry], pictures: Mapping[str, Icon]) -> Offer:
    """Make the message that offers these programs."""
    room = MAX_BYTES
    told: list[dict[str, Any]] = []
    for entry in entries:
        whole = _told(entry, pictures.get(entry.icon))
        for item in (whole, {**whole, "icon": None}):
            size = len(json.dumps(item, ensure_ascii=False).encode()) + 2
            if size <= room:
                room -= size
                told.append(item)
                break
    offer = {"type": "offer", **OURS.told(), "entries": told}
    message = json.dumps(offer, ensure_ascii=False)
    offered = {item["id"] for item in told}
    return Offer({entry.id: entry for entry in entries if entry.id in offered}, message)


def _told(entry: Entry, icon: Icon | None) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "comment": entry.comment,
        "categories": list(entry.categories),
        "keywords": list(entry.keywords),
        "tile": entry.tile,
        "icon": None
        if icon is None
        else {"type": icon.media_type, "data": base64.b64encode(icon.data).decode("ascii")},
    }

"""How things are written: times for people, and JSON for programs."""

from __future__ import annotations

import codecs
import json
import sys
from typing import Any


def json_text(value: Any) -> str:
    """JSON as standard output can carry it: in ASCII, unless that is UTF-8."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return json.dumps(value, indent=2, ensure_ascii=codecs.lookup(encoding).name != "utf-8")


def duration_text(seconds: float) -> str:
    """Seconds as people read them: ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = int(seconds + 0.05)  # never "60.0 s"
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

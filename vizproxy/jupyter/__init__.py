"""vizproxy within a Jupyter server: the tile, and the desktop for terminals and notebooks."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What the server loads. The import is here: the package is imported by others, too."""
    from vizproxy.jupyter.extension import VizproxyExtension  # noqa: PLC0415

    return [{"module": __name__, "app": VizproxyExtension}]

"""vizproxy: a GPU desktop for every JupyterHub session.

In a notebook: ``from vizproxy import Desktop``, which :mod:`vizproxy.notebook` explains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["AsyncDesktop", "Desktop", "VizproxyError", "__version__"]

if TYPE_CHECKING:
    from vizproxy.errors import VizproxyError
    from vizproxy.notebook import AsyncDesktop, Desktop
else:

    def __getattr__(name: str) -> object:
        """Load what notebooks use when it is used: the daemon and its commands do without."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from vizproxy import errors, notebook  # noqa: PLC0415

        return getattr(errors if name == "VizproxyError" else notebook, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""The value types that settings have, besides the built-in ones.

Each one's ``str()`` is the text that its kind of setting reads back to an equal value. The
constructors accept anything of the right type: whether a value makes sense is checked where a
setting is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Size:
    """A width and a height in pixels, written ``1600x900``."""

    width: int
    height: int

    def fits_in(self, other: Size) -> bool:
        """Whether neither side is longer than the same side of ``other``."""
        return self.width <= other.width and self.height <= other.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on, written ``127.0.0.1:6080`` or ``[::1]:6080``.

    ``host`` is a name or a literal address without brackets. ``port`` 0 lets the kernel choose.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Plan(StrEnum):
    """How applications draw; ``AUTO`` picks the best plan that the machine can carry out."""

    AUTO = "auto"
    SOFTWARE = "software"
    DIRECT = "direct"
    VIRTUALGL = "virtualgl"
    EGL = "egl"


class GpuDriver(StrEnum):
    """X driver of the server that draws on the GPU."""

    AUTO = "auto"
    NVIDIA = "nvidia"
    MODESETTING = "modesetting"
    AMDGPU = "amdgpu"
    DUMMY = "dummy"


@dataclass(frozen=True, slots=True)
class XorgOption:
    """An ``Option`` line in a section of an X server's configuration."""

    name: str
    value: str

    @property
    def key(self) -> str:
        """What the X server compares names by: case, spaces and underscores don't count."""
        return self.name.replace("_", "").replace(" ", "").lower()


class OverUse(StrEnum):
    """What happens to an app that uses more of the framebuffer than it was granted."""

    WARN = "warn"
    STOP = "stop"


class Activity(StrEnum):
    """What of an app counts as activity, besides what its people type and click."""

    INPUT = "input"
    GPU = "gpu"
    ALWAYS = "always"


class JupyterStart(StrEnum):
    """When a Jupyter server starts its own desktop."""

    SERVER = "server"
    TILE = "tile"


class VirtualGLFor(StrEnum):
    """Whose programs a Jupyter server sends through VirtualGL, without being told to each time."""

    NEVER = "never"
    TERMINALS = "terminals"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Tile:
    """A program with a tile of its own in JupyterLab's launcher. Without an icon it gets ours."""

    name: str
    command: tuple[str, ...]
    icon: Path | None = None


class LogFormat(StrEnum):
    """How a log line is written."""

    HUMAN = "human"
    JSON = "json"


class LogLevel(StrEnum):
    """The least important messages that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

"""The configuration: what can be set, and reading it from a file, the environment and flags.

:func:`load` gives a valid :class:`Config`; :func:`to_toml` shows it. The reference for people is
made by :mod:`vizproxy.config.reference`.
"""

from vizproxy.config.load import (
    CONFIG_VARIABLE,
    InvalidConfigError,
    LoadedConfig,
    Problem,
    load,
)
from vizproxy.config.model import (
    APP_FRAMEBUFFER,
    MIN_SIZE,
    SETTINGS,
    Broker,
    Config,
    Display,
    Http,
    Jupyter,
    Log,
    Programs,
    Runtime,
    Setting,
    Supervision,
    Viewer,
    Web,
    Xorg,
)
from vizproxy.config.render import to_toml
from vizproxy.config.values import (
    Activity,
    Address,
    GpuDriver,
    JupyterStart,
    LogFormat,
    LogLevel,
    OverUse,
    Plan,
    Size,
    Tile,
    VirtualGLFor,
    XorgOption,
)

__all__ = [
    "APP_FRAMEBUFFER",
    "CONFIG_VARIABLE",
    "MIN_SIZE",
    "SETTINGS",
    "Activity",
    "Address",
    "Broker",
    "Config",
    "Display",
    "GpuDriver",
    "Http",
    "InvalidConfigError",
    "Jupyter",
    "JupyterStart",
    "LoadedConfig",
    "Log",
    "LogFormat",
    "LogLevel",
    "OverUse",
    "Plan",
    "Problem",
    "Programs",
    "Runtime",
    "Setting",
    "Size",
    "Supervision",
    "Tile",
    "Viewer",
    "VirtualGLFor",
    "Web",
    "Xorg",
    "XorgOption",
    "load",
    "to_toml",
]

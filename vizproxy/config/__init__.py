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
    Log,
    Programs,
    Runtime,
    Setting,
    Supervision,
    Viewer,
    Web,
)
from vizproxy.config.render import to_toml
from vizproxy.config.values import Address, GpuDriver, LogFormat, LogLevel, OverUse, Plan, Size

__all__ = [
    "APP_FRAMEBUFFER",
    "CONFIG_VARIABLE",
    "MIN_SIZE",
    "SETTINGS",
    "Address",
    "Broker",
    "Config",
    "Display",
    "GpuDriver",
    "Http",
    "InvalidConfigError",
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
    "Viewer",
    "Web",
    "load",
    "to_toml",
]

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
    MIN_SIZE,
    SETTINGS,
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
from vizproxy.config.values import Address, LogFormat, LogLevel, Plan, Size

__all__ = [
    "CONFIG_VARIABLE",
    "MIN_SIZE",
    "SETTINGS",
    "Address",
    "Config",
    "Display",
    "Http",
    "InvalidConfigError",
    "LoadedConfig",
    "Log",
    "LogFormat",
    "LogLevel",
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

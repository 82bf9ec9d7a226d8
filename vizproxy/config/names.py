"""The names by which settings are called, and what to say about names that none of them has."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from vizproxy.config.model import SECTIONS, SETTINGS
from vizproxy.config.texts import closest, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vizproxy.config.model import Setting

PREFIX: Final = "VIZPROXY_"

RESERVED_VARIABLES: Final = frozenset(
    {"VIZPROXY_CONFIG", "VIZPROXY_SOCKET", "VIZPROXY_APP", "VIZPROXY_PAGE"}
)
"""Variables that are no settings: the configuration file's name, the socket for clients, the mark that
`vizproxy run` gives the processes of an app, and where a Jupyter server shows the desktop."""

# Kubernetes describes every Service of a namespace to every pod in variables that are named after
# the Service. One that is called "vizproxy" or "vizproxy-…" thus makes variables that look like
# misspelt settings, though nobody wrote them, and they must not keep the daemon from starting. The
# values that are URLs are checked too, so that a made-up VIZPROXY_HTTP_PORT=8080 is still reported.
_SERVICE = re.compile(r"VIZPROXY_([A-Z0-9_]+_)?SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)")
_SERVICE_PORT = re.compile(r"VIZPROXY_([A-Z0-9_]+_)?PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)")
_SERVICE_URL = re.compile(r"VIZPROXY_([A-Z0-9_]+_)?PORT(_[0-9]+_(TCP|UDP|SCTP))?")
_URL = re.compile(r"(tcp|udp|sctp)://\S+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def known_variables() -> Mapping[str, Setting | None]:
    """Map every variable that may be set to its setting, or to None if it is not one."""
    reserved = dict.fromkeys(RESERVED_VARIABLES)
    return reserved | {setting.variable: setting for setting in SETTINGS.values()}


def is_service_link(name: str, text: str) -> bool:
    """Whether a variable is one that Kubernetes made for a Service."""
    if _SERVICE.fullmatch(name) or _SERVICE_PORT.fullmatch(name):
        return True
    return bool(_SERVICE_URL.fullmatch(name) and _URL.fullmatch(text))


def suggest_variable(name: str) -> str:
    """Say which variable is meant by an unknown name, if one is like it."""
    rest = name.removeprefix(PREFIX)
    for setting in SETTINGS.values():
        if setting.key.upper() == rest:
            return f" (did you mean {setting.variable}?)"
    near = closest(rest, (known.removeprefix(PREFIX) for known in sorted(known_variables())))
    return f" (did you mean {PREFIX}{near}?)" if near else ""


def suggest_section(name: str) -> str:
    """Say which section is meant by an unknown name, or which ones there are."""
    return did_you_mean(name, SECTIONS) or f"; there are {', '.join(SECTIONS)}"


def suggest_key(section: str, key: str) -> str:
    """Say which setting is meant by an unknown key; ``section`` is empty for one outside of all."""
    inside = {setting.key: path for path, setting in SETTINGS.items() if setting.section == section}
    anywhere = {setting.key: path for path, setting in SETTINGS.items()}
    # A setting in the wrong section is a likelier mistake than a misspelt one in the right section.
    near = key if key in anywhere else closest(key, inside) or closest(key, anywhere)
    if near:
        return f" (did you mean {(anywhere | inside)[near]}?)"
    return f"; [{section}] has {', '.join(inside)}" if inside else ""


def toml_path(*keys: str) -> str:
    """Write keys as a dotted path, with quotes around those that need them in TOML."""
    return ".".join(key if _BARE_KEY.fullmatch(key) else json.dumps(key) for key in keys)

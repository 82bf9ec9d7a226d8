"""How vizproxy is wired into the Jupyter of this environment, told by files: nothing is imported.

Versions are those of the installed packages. Whether the server extension is enabled stands in JSON
files in Jupyter's configuration directories, which are looked through as jupyter_core does.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import site
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from vizproxy.facts.model import Fact, Jupyter
from vizproxy.facts.reading import (
    NotKnownError,
    fact,
    names_or_none,
    plain,
    text,
    text_or_none,
    within,
)

EXTENSION: Final = "vizproxy.jupyter"
COMMAND: Final = "vizproxy"

_CONFIG: Final = "jupyter_server_config"
_SYSTEM: Final = ("/usr/local/etc/jupyter", "/etc/jupyter")
_FALSE: Final = frozenset({"no", "n", "false", "off", "0", "0.0"})
_OWN_PATH: Final = re.compile(
    r"""^\s*(?:export\s+)?PATH=["']?(/[^"'\s;$]*)["']?\s*(?:$|;|\#)""", re.MULTILINE
)


def read(
    environ: Mapping[str, str] | None = None,
    root: Path = Path("/"),
    prefix: Path = Path(sys.prefix),
    version: Callable[[str], str] = importlib.metadata.version,
) -> Fact[Jupyter]:
    """Look at it; unknown where there is no Jupyter server. Never raises.

    ``environ`` is the environment of a Jupyter server (this process's, if not given), ``prefix``
    where its Python environment is, and ``version`` tells that of an installed package.
    """
    variables = os.environ if environ is None else environ
    return fact(lambda: _read(variables, root, prefix, version))


def _read(
    environ: Mapping[str, str], root: Path, prefix: Path, version: Callable[[str], str]
) -> Jupyter:
    server = fact(lambda: _version("jupyter_server", version))
    if server.value is None:
        raise NotKnownError(f"there is no Jupyter server in this environment: {server.reason}")
    return Jupyter(
        server=server,
        proxy=fact(lambda: _version("jupyter-server-proxy", version)),
        lab=fact(lambda: _version("jupyterlab", version)),
        enabled=fact(lambda: _enabled(_config_directories(environ, root, prefix))),
        command=fact(lambda: _command(environ, root, prefix)),
    )


def _version(package: str, version: Callable[[str], str]) -> str:
    try:
        return plain(version(package))
    except importlib.metadata.PackageNotFoundError:
        raise NotKnownError(f"{package} is not installed") from None


# ------------------------------------------------------------------------------- the extension


def _config_directories(environ: Mapping[str, str], root: Path, prefix: Path) -> Iterator[Path]:
    """Jupyter's configuration directories, the strongest first (``jupyter_core.paths``)."""
    if environ.get("JUPYTER_NO_CONFIG"):
        return
    for told in environ.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep):
        if told:
            yield Path(told)
    home = Path(environ.get("HOME") or "/")
    user = [Path(environ.get("JUPYTER_CONFIG_DIR") or home / ".jupyter")]
    if site.ENABLE_USER_SITE:
        user.append(Path(environ.get("PYTHONUSERBASE") or home / ".local") / "etc/jupyter")
    system = [within(root, place) for place in _SYSTEM]
    environment = [place for place in (prefix / "etc/jupyter",) if place not in system]
    yield from (environment + user) if _environment_first(environ, prefix) else (user + environment)
    yield from system


def _environment_first(environ: Mapping[str, str], prefix: Path) -> bool:
    """Whether the files of a Python environment of the user's own go before those in the home."""
    told = environ.get("JUPYTER_PREFER_ENV_PATH")
    if told is not None:
        return told.lower() not in _FALSE
    conda = environ.get("CONDA_PREFIX", "")
    own_conda = (
        bool(conda)
        and str(prefix).startswith(conda)
        and environ.get("CONDA_DEFAULT_ENV", "base") != "base"
    )
    if prefix == Path(sys.base_prefix) and not own_conda:
        return False
    return prefix.exists() and prefix.stat().st_uid == os.geteuid()


def _enabled(directories: Iterator[Path]) -> bool:
    """What the strongest file says that says anything of our extension; False if none does."""
    for directory in directories:
        parts = directory / f"{_CONFIG}.d"
        listed = (parts / name for name in names_or_none(parts) if name.endswith(".json"))
        for file in (directory / f"{_CONFIG}.json", *reversed(list(listed))):
            told = _told(file)
            if told is not None:
                return told
    return False


def _told(file: Path) -> bool | None:
    try:
        value: Any = json.loads(text(file))
        for key in ("ServerApp", "jpserver_extensions", EXTENSION):
            value = value[key]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return value if isinstance(value, bool) else None


# --------------------------------------------------------------------------------- the command


def _command(environ: Mapping[str, str], root: Path, prefix: Path) -> str:
    path = _login_path(environ, root, prefix)
    found = shutil.which(COMMAND, path=path)
    if found is None:
        raise NotKnownError(f"it is not on the PATH of login shells, {path}")
    return plain(found)


def _login_path(environ: Mapping[str, str], root: Path, prefix: Path) -> str:
    """The PATH of a terminal's shell, which is a login shell where a hub has started the server.

    Debian's /etc/profile sets it anew, once for root and then for all others; elsewhere it is the
    server's, to which our extension adds the environment's own commands. What the files in a home
    directory do is not known.
    """
    anew = _OWN_PATH.findall(text_or_none(root / "etc/profile") or "")
    if not anew:
        return os.pathsep.join([environ.get("PATH") or os.defpath, str(prefix / "bin")])
    return str(anew[0] if os.geteuid() == 0 else anew[-1])

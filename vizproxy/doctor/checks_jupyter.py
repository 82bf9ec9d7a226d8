"""The check of how the desktop is wired into Jupyter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vizproxy.doctor.case import Case
from vizproxy.doctor.check import Verdict, fine, lesser
from vizproxy.facts.model import Jupyter

LEAST_PROXY: Final = (4, 6)
"""The first jupyter-server-proxy that lets us say ourselves when a desktop was last used."""

_PIP: Final = "`pip install 'jupyter-server-proxy>={}.{}'`".format(*LEAST_PROXY)
_NO_TILE: Final = "JupyterLab has no tile that opens the desktop"


def jupyter(case: Case) -> Iterator[Verdict]:
    """If there is a JupyterLab, does it know of the desktop? Its server alone comes with us."""
    found = case.machine.system.jupyter.value
    if found is None or found.server.value is None or found.lab.value is None:
        yield fine("there is no JupyterLab here")
        return
    troubles = list(_troubles(found))
    if troubles:
        yield from troubles
        return
    yield fine(
        f"server {found.server.value}, jupyter-server-proxy {found.proxy.value}, JupyterLab "
        f"{found.lab.value}; the extension is enabled"
    )


def _troubles(found: Jupyter) -> Iterator[Verdict]:
    proxy = found.proxy.value
    if proxy is None:
        yield lesser(
            "jupyter-server-proxy is not installed",
            _NO_TILE,
            f"{_PIP} in the server's environment",
        )
    elif not _at_least(proxy, LEAST_PROXY):
        yield lesser(
            f"jupyter-server-proxy is {proxy}",
            "an open desktop counts as used for as long as its page is open, so idle servers live on",
            f"{_PIP} in the server's environment",
        )
    if found.enabled.value is False:
        yield lesser(
            "the server extension vizproxy.jupyter is not enabled",
            f"{_NO_TILE}, and terminals and notebooks do not find it",
            "`jupyter server extension enable vizproxy.jupyter`, and start the server again",
        )
    if found.command.value is None:
        yield lesser(
            f"the command `vizproxy` cannot be found: {found.command.reason}",
            "`vizproxy run` in a terminal of JupyterLab fails",
            "add the directory of the environment that vizproxy is installed in to PATH, in the image "
            "or in /etc/profile.d",
        )


def _at_least(version: str, least: tuple[int, ...]) -> bool:
    """Whether a version is not known to be older."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[: len(least)])
    return len(numbers) < len(least) or numbers >= least

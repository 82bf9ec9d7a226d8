"""The configuration of KubeSpawner that puts a desktop beside each notebook, made of a few choices.

It loads inside the hub or in the command line, and knows nothing of the desktop itself. In a hub that
has vizproxy installed, ``jupyterhub_config.py`` needs two lines; any other takes what ``vizproxy
kubernetes render`` prints::

    from vizproxy.kubernetes import configure, load

    configure(c, load("/etc/jupyterhub/desktop.toml"))
"""

from __future__ import annotations

from typing import Any

from vizproxy.kubernetes.builder import kubespawner
from vizproxy.kubernetes.choices import Choices
from vizproxy.kubernetes.merge import merge
from vizproxy.kubernetes.reading import load

__all__ = ["Choices", "configure", "kubespawner", "load"]


def configure(config: Any, choices: Choices) -> None:
    """Put the desktop beside each notebook, whatever a site has configured so far.

    ``config`` is traitlets' configuration, called ``c`` in ``jupyterhub_config.py``.

    Raises:
        ConfigError: the choices make no sense.
    """
    merge(config, kubespawner(choices))

"""The server extension: what the Jupyter server calls."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from jupyter_server.extension.application import ExtensionApp

from vizproxy.jupyter.session import Session

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


class VizproxyExtension(ExtensionApp):
    """Gives the server a desktop.

    It is an application, not a module with functions, because only applications are told when the
    server ends.
    """

    name = "vizproxy"
    _session: Session | None = None

    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        super()._link_jupyter_server_extension(serverapp)
        _log_to(serverapp.log)
        self._session = Session(serverapp, os.environ)
        self._session.link()

    def initialize(self) -> None:  # type: ignore[override]  # as its superclass
        """Prepare what needs the web application."""
        super().initialize()  # type: ignore[no-untyped-call]
        if self._session is not None:
            self._session.load()

    async def stop_extension(self) -> None:
        """The server ends."""
        if self._session is not None:
            await self._session.stop()


def _log_to(servers: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> None:
    """Let the server's log have what all of vizproxy logs, as it has what Tornado logs."""
    if isinstance(servers, logging.LoggerAdapter):
        servers = servers.logger
    ours = logging.getLogger("vizproxy")
    ours.parent = servers
    ours.setLevel(servers.level)

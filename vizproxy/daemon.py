"""The daemon: where all parts are made and handed to each other.

Nothing is started before everything that can be checked was checked: configuration, plan, programs,
files, listeners. Then the children start, and the daemon waits until a signal, or a bug of its own,
ends it. However it ends, children, sockets and files go with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TextIO

from vizproxy import __version__, logs, resources, runtime
from vizproxy.api.app import make_app
from vizproxy.api.services import Services
from vizproxy.config import Config
from vizproxy.desktop import Changes, RunningDesktop
from vizproxy.display import files, plan
from vizproxy.display.components import DisplayAddress, Stack
from vizproxy.errors import EXIT_INTERNAL
from vizproxy.gateway.access import Gatekeeper, new_token
from vizproxy.gateway.viewer import Gateway, Limits
from vizproxy.listen import listening
from vizproxy.runtime import Layout
from vizproxy.supervise import sharedmemory
from vizproxy.supervise.policy import Policy
from vizproxy.supervise.supervisor import Supervisor
from vizproxy.x11.screen import Screen
from vizproxy.x11.session import XSession

log = logging.getLogger(__name__)

ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on the machine before anything is started."""

    plan: plan.RenderingPlan
    programs: Mapping[str, str]
    templates: Path
    web: Path
    novnc: Path


def look_around(config: Config, environ: Mapping[str, str]) -> Found:
    """Find what the desktop needs, without touching anything.

    Raises:
        PlanError: the rendering plan cannot be carried out.
        MissingProgramError: something is not installed.
        BusyError: the display number is taken.
    """
    gpu_nodes = sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))
    found = Found(
        plan=plan.choose(config.display.plan, plan.Facts(tuple(gpu_nodes))),
        programs=files.find_programs(config, environ.get("PATH", "")),
        templates=resources.xorg_configs(),
        web=resources.web(),
        novnc=resources.novnc(config.web.novnc_dir),
    )
    if config.display.number is not None:
        files.check_display_free(config.display.number)
    return found


class Daemon:
    """One run of vizproxy.

    ``out`` gets what the user is to read; the log goes to ``err``. ``env_command`` is the shell
    command that prints this desktop's environment.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        *,
        out: TextIO,
        err: TextIO,
        env_command: str,
    ) -> None:
        self._config = config
        self._environ = environ
        self._out = out
        self._err = err
        self._env_command = env_command
        self._supervisor: Supervisor | None = None
        self._ending = asyncio.Event()
        self._bug: BaseException | None = None

    async def run(self) -> int:
        """Serve the desktop until told to end; return the exit code.

        Raises:
            VizproxyError: it cannot be started. Nothing is left behind.
        """
        config = self._config
        found = look_around(config, self._environ)
        settings = config.log
        with (
            self._handling_signals(),
            logs.logging_to(
                self._err, file=settings.file, level=settings.level, form=settings.format
            ) as writer,
            runtime.owned(config.runtime.dir) as layout,
        ):
            logs.write_first_line(writer, settings.file, f"vizproxy {__version__} starts")
            if removed := sharedmemory.remove_abandoned():
                log.info("removed %d segments of shared memory that a killed desktop left", removed)
            files.prepare_socket_directory()
            files.write_files(config, found.plan, layout, found.templates)
            await self._serve(found, layout, writer)
            log.info("the desktop has ended")
        return 0 if self._bug is None else EXIT_INTERNAL

    async def _serve(self, found: Found, layout: Layout, writer: logs.LogWriter) -> None:
        config = self._config
        token = new_token()
        runtime.write_private(layout.token, token.encode())
        urls: list[str] = []
        changes = Changes()
        session = XSession(layout.xauthority)
        address = DisplayAddress(config.display.number)
        bound = config.display.max_size
        screen = Screen(
            session,
            bound=(bound.width, bound.height),
            dpi=config.display.dpi,
            changed=changes.bump,
        )
        limits = Limits(*(getattr(config.viewer, f.name) for f in fields(Limits)))
        gateway = Gateway(
            rfb=layout.x11vnc_socket,
            websockify=layout.websockify_socket,
            limits=limits,
            screen_size=screen.sides,
            changed=changes.bump,
        )
        desktop = RunningDesktop(
            changes=changes,
            plan=found.plan,
            layout=layout,
            address=address,
            screen=screen,
            viewers=lambda: gateway.count,
            listening=lambda: urls,
            log_lines_lost=lambda: writer.lost,
        )
        gatekeeper = Gatekeeper(token, allowed_origins=config.http.allowed_origins)
        app = make_app(Services(desktop, screen, gateway, gatekeeper, found.web, found.novnc))
        stack = Stack(config, layout, found.programs, self._environ, session, screen, address)
        try:
            async with listening(app, config.http_socket, config.http.listen) as bound_urls:
                urls.extend(bound_urls)
                async with self._supervised(stack, desktop, changes):
                    await self._until_ended(desktop, urls, token)
                    log.info("the desktop is being ended")
                    desktop.begin_stopping()
                    await gateway.close()
        finally:
            await session.close()
            if address.number is not None:
                files.remove_dead_display(address.number)

    @contextlib.asynccontextmanager
    async def _supervised(
        self, stack: Stack, desktop: RunningDesktop, changes: Changes
    ) -> AsyncIterator[None]:
        settings = self._config.supervision
        policy = Policy(**{f.name: getattr(settings, f.name) for f in fields(settings)})
        supervisor = Supervisor(
            stack.components(), policy, changed=changes.bump, bug=self._found_bug
        )
        desktop.attach(supervisor)
        self._supervisor = supervisor
        try:
            supervisor.start()
            yield
        finally:
            try:
                await supervisor.stop()
            finally:
                supervisor.kill_all()

    async def _until_ended(self, desktop: RunningDesktop, urls: list[str], token: str) -> None:
        announcing = asyncio.create_task(self._announce(desktop, urls, token), name="announce")
        announcing.add_done_callback(self._announced)
        try:
            await self._ending.wait()
        finally:
            announcing.cancel()

    def _announced(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._found_bug(error)

    async def _announce(self, desktop: RunningDesktop, urls: list[str], token: str) -> None:
        """Tell the user, once there is a picture or is known to be none, where to look."""
        began = asyncio.get_running_loop().time()
        error = await desktop.settled()
        if error is not None:
            log.error("%s", error)
        else:
            log.info("ready in %.2f s", asyncio.get_running_loop().time() - began)
        status = await desktop.status()
        socket = self._config.http_socket
        # The token stands in the fragment, which browsers keep to themselves.
        places = [f"{url}#token={token}" for url in urls] or [f"{socket} (HTTP on a unix socket)"]
        lines = [
            "",
            f"  The desktop  {places[0]}",
            *(f"               {place}" for place in places[1:]),
        ]
        if error is None:
            lines += [
                f'  Programs     eval "$({self._env_command})", then start any on {status.display}',
                "  To end it    Ctrl-C",
            ]
        try:
            print(*lines, "", sep="\n", file=self._out, flush=True)
        except OSError as failure:
            logs.discard(self._out)
            log.warning("cannot print where the desktop is: %s", failure)

    # ends

    @contextlib.contextmanager
    def _handling_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self._end)
        loop.set_exception_handler(self._loop_exception)
        try:
            yield
        finally:
            for number in ENDING_SIGNALS:
                loop.remove_signal_handler(number)
            loop.set_exception_handler(None)

    def _end(self) -> None:
        """Begin to end; asked a second time, end at once."""
        if self._ending.is_set() and self._supervisor is not None:
            self._supervisor.kill_all()
        self._ending.set()

    def _found_bug(self, error: BaseException) -> None:
        """A bug ends the daemon, cleanly and with a telling exit code."""
        log.critical("a bug in vizproxy ends the desktop", exc_info=error)
        if self._bug is None:
            self._bug = error
        self._end()

    def _loop_exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        of_a_connection = {"transport", "socket"} & context.keys()
        if error is None or (of_a_connection and isinstance(error, OSError)):
            log.warning("%s: %s", context["message"], error)
        else:
            self._found_bug(error)

"""The daemon: the course of events, from the first look around to the end.

Nothing is started before everything that can be checked was checked: configuration, plan, programs,
files, listeners. Then the children start, and the daemon waits until a signal, or a bug of its own,
ends it. However it ends, children, sockets and files go with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, TextIO

from vizproxy import __version__, logs, runtime
from vizproxy.api.app import make_app
from vizproxy.api.metrics import make_metrics_app
from vizproxy.assembly import Found, Given, Parts, assemble, look_around
from vizproxy.broker import busy
from vizproxy.cgroups import MemoryWatch, OwnAccounts
from vizproxy.config import Config
from vizproxy.desktop import RunningDesktop
from vizproxy.display import files, numbers
from vizproxy.errors import EXIT_INTERNAL
from vizproxy.facts.calls import DriverCalls
from vizproxy.gateway.access import new_token
from vizproxy.listen import listening, listening_beside
from vizproxy.runtime import Layout
from vizproxy.supervise import sharedmemory
from vizproxy.supervise.policy import Policy
from vizproxy.supervise.supervisor import Supervisor

log = logging.getLogger(__name__)

ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

CANCEL_SECONDS: Final = 2.0
"""How long a task that was cancelled may take to end."""


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
        calls = DriverCalls()
        found = await look_around(config, self._environ, calls)
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
            if found.plan.warning:
                log.warning("%s", found.plan.warning)
            if found.plan.size_reason:
                log.info("the desktop's size is cut: %s", found.plan.size_reason)
            files.prepare_socket_directory()
            former = numbers.recall(layout)
            numbers.remove_dead(former.values())
            files.write_files(config, found.plan, found.facts, layout, found.templates)
            await self._serve(found, layout, writer, calls, former)
            log.info("the desktop has ended")
        return 0 if self._bug is None else EXIT_INTERNAL

    async def _serve(
        self,
        found: Found,
        layout: Layout,
        writer: logs.LogWriter,
        calls: DriverCalls,
        former: Mapping[str, int],
    ) -> None:
        config = self._config
        token = new_token()
        runtime.write_private(layout.token, token.encode())
        urls: list[str] = []
        parts = assemble(
            Given(
                config=config,
                found=found,
                layout=layout,
                environ=self._environ,
                token=token,
                calls=calls,
                displays=former,
                listening=lambda: urls,
                log_lines_lost=lambda: writer.lost,
            )
        )
        app = make_app(parts.services)
        scraped = make_metrics_app(parts.services.open_scrapes)
        try:
            async with (
                listening_beside(scraped, config.metrics.listen, "--metrics") as metrics_urls,
                listening(app, config.http_socket, config.http.listen) as bound_urls,
            ):
                for url in metrics_urls:
                    log.info("metrics are served at %smetrics", url)
                urls.extend(bound_urls)
                async with (
                    self._in_background("watch the desktop", parts.observer.watch()),
                    self._in_background("watch the GPU", parts.gpu.watch()),
                    self._in_background("broker", parts.broker.run()),
                    self._in_background("measure", parts.services.meter.run()),
                    self._in_background("publish", parts.services.publisher.run()),
                    self._in_background("busy apps", self._watch_busy_apps(parts)),
                    self._in_background("status", parts.desktop.follow(parts.services.app_changes)),
                    self._supervised(parts),
                    self._in_background("recovery", parts.recovery.follow(parts.changes)),
                ):
                    await self._until_ended(parts.desktop, urls, token)
                    log.info("the desktop is being ended")
                    parts.recovery.end()
                    parts.desktop.begin_stopping()
                    await asyncio.gather(parts.gateway.close(), parts.services.sockets.close())
        finally:
            await parts.damage.close()
            await parts.session.close()
            for address in parts.addresses:
                numbers.remove_dead(address.numbers)

    async def _watch_busy_apps(self, parts: Parts) -> None:
        default = self._config.broker.activity
        used = parts.services.idleness.used
        await busy.watch(parts.broker.snapshot, default, lambda: parts.gpu.percent, used)

    @contextlib.asynccontextmanager
    async def _supervised(self, parts: Parts) -> AsyncIterator[None]:
        settings = self._config.supervision
        policy = Policy(**{f.name: getattr(settings, f.name) for f in fields(settings)})
        memory = MemoryWatch(OwnAccounts())
        supervisor = Supervisor(
            parts.stack.components(),
            policy,
            changed=parts.changes.bump,
            bug=self._found_bug,
            shortage=memory.explain,
        )
        parts.desktop.attach(supervisor)
        parts.recovery.attach(supervisor)
        self._supervisor = supervisor
        try:
            async with self._in_background("watch the memory", memory.watch()):
                supervisor.start()
                yield
        finally:
            try:
                await supervisor.stop()
            finally:
                supervisor.kill_all()

    async def _until_ended(self, desktop: RunningDesktop, urls: list[str], token: str) -> None:
        async with self._in_background("announce", self._announce(desktop, urls, token)):
            await self._ending.wait()

    @contextlib.asynccontextmanager
    async def _in_background(
        self, name: str, work: Coroutine[Any, Any, None]
    ) -> AsyncIterator[None]:
        """Run a task beside what happens within, and no longer. What it raises is a bug."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._background_done)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_SECONDS)

    def _background_done(self, task: asyncio.Task[None]) -> None:
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

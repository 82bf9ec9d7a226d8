"""A Pod on this machine: ``podman kube play`` of the manifest that Kubernetes would get.

Podman takes Pods as Kubernetes does but for a few things, which are made up for here: its emptyDir
volumes belong to the container's user and are shared by all Pods that name them alike, where those of
Kubernetes are root's and open to all (mode 0777); and it has systemd run probes, which is not
everywhere, so tests carry these out themselves.

The Pod has no network but its own loopback: what listens there is reached by sockets that are made in
its network namespace (:meth:`Pod.reached`).
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import ctypes
import itertools
import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from tests.support import Daemon, eventually
from vizproxy.kubernetes.sidecar import NAME

Manifest = dict[str, Any]

_CLONE_NEWNET: Final = 0x40000000
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ran:
    """How a command has ended, and what it has said on standard output and on standard error."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Podman:
    """The command ``podman``; ``environ`` is what it needs besides this process's environment."""

    environ: Mapping[str, str]

    async def run(self, *argv: str, text: str = "", limit: float = 60) -> Ran:
        """Run it to its end, with a text on its standard input."""
        process = await asyncio.create_subprocess_exec(
            "podman",
            *argv,
            env={**os.environ, **self.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(limit):
                out, err = await process.communicate(text.encode())
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise AssertionError(f"podman {argv} took {limit} s: {out!r} {err!r}") from None
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def do(self, *argv: str, text: str = "", limit: float = 60) -> str:
        """Run it with success; return what it has printed."""
        ran = await self.run(*argv, text=text, limit=limit)
        assert ran.code == 0, f"podman {argv}: {ran}"
        return ran.out


@dataclass(frozen=True)
class Pod:
    """A running Pod. ``volumes`` has a directory for each of its emptyDir volumes."""

    podman: Podman
    name: str
    volumes: Path
    manifest: Manifest

    # containers

    def container(self, name: str) -> str:
        """What podman calls a container of the Pod."""
        return f"{self.name}-{name}"

    async def run(self, container: str, *argv: str, text: str = "", limit: float = 30) -> Ran:
        """Run a program in a container, as its user."""
        of = self.container(container)
        return await self.podman.run("exec", "--interactive", of, *argv, text=text, limit=limit)

    async def python(self, container: str, script: Path, *arguments: str, limit: float = 60) -> Ran:
        """Run a Python script of ours in a container, on the desktop if that runs."""
        text = await asyncio.to_thread(script.read_text)
        shell = ("sh", "-c", 'eval "$(vizproxy env 2>/dev/null)"; exec python3 - "$@"', "sh")
        return await self.run(container, *shell, *arguments, text=text, limit=limit)

    async def beside(
        self, image: str, *argv: str, options: Sequence[str] = (), user: str = "1000:0"
    ) -> Ran:
        """Run a program in one more container of the Pod, without its volumes unless told."""
        confined = ("--cap-drop=all", "--security-opt=no-new-privileges", "--user", user)
        return await self.podman.run(
            *("run", "--rm", "--pod", self.name, "--entrypoint", argv[0]),
            *(*confined, *options, image, *argv[1:]),
        )

    def mounted(self) -> tuple[str, ...]:
        """The options that give one more container the volumes of the notebook's."""
        places = {"vizproxy": "/run/vizproxy:ro", "vizproxy-x11": "/tmp/.X11-unix"}
        return tuple(
            option
            for name, place in places.items()
            for option in ("--volume", f"{self.volumes / name}:{place}")
        )

    async def state(self, container: str) -> dict[str, Any]:
        """What podman says of a container's state."""
        told = await self.podman.do("container", "inspect", self.container(container))
        state: dict[str, Any] = json.loads(told)[0]["State"]
        return state

    async def pid(self, container: str) -> int:
        """The first process of a container, by its number on this machine (0: it does not run)."""
        return int((await self.state(container))["Pid"])

    async def processes(self, container: str) -> list[psutil.Process]:
        """The processes of a container, as this machine sees them."""
        first = await self.pid(container)
        return await asyncio.to_thread(lambda: list(_in_namespace_of(first)))

    async def log(self, container: str) -> str:
        """What a container has written, all its runs together."""
        return (await self.podman.run("logs", self.container(container))).said

    async def start(self, container: str) -> None:
        await self.podman.do("start", self.container(container))

    async def stop(self, container: str, *, limit: int = 10) -> int:
        """End a container as Kubernetes does: TERM, and KILL after so many seconds. Its exit code."""
        await self.podman.do("stop", "--time", str(limit), self.container(container))
        return int((await self.state(container))["ExitCode"])

    async def kill(self, container: str) -> None:
        """Kill all of a container, until it has been started again by its restart policy."""
        before = await self.pid(container)
        assert before, f"{container} does not run"
        os.kill(before, signal.SIGKILL)  # the first process: all others in its namespace go with it

        async def again() -> bool:
            return await self.pid(container) not in {0, before}

        await eventually(again, timeout=20)

    # what it shares

    async def desktop(self) -> Daemon:
        """The daemon in the sidecar, by its socket on the volume."""
        told = json.loads(await self.podman.do("container", "inspect", self.container(NAME)))
        log = Path(told[0]["HostConfig"]["LogConfig"]["Path"])
        return _InAPod(self.volumes / "vizproxy" / "desktop", log)

    @contextlib.asynccontextmanager
    async def reached(self, port: int) -> AsyncIterator[int]:
        """A port of this machine's loopback that leads to one of the Pod's."""
        infra = json.loads(await self.podman.do("pod", "inspect", self.name))["InfraContainerID"]
        told = json.loads(await self.podman.do("container", "inspect", infra))
        enter = partial(_enter_network, int(told[0]["State"]["Pid"]))
        with ThreadPoolExecutor(1, initializer=enter) as inside:
            # A socket belongs to the namespace in which it was made, whoever uses it.
            forward = partial(_forward, inside, port)
            async with await asyncio.start_server(forward, "127.0.0.1", 0) as server:
                yield int(server.sockets[0].getsockname()[1])


class _InAPod(Daemon):
    """A daemon whose process is not ours."""

    def __init__(self, directory: Path, log: Path) -> None:
        self.directory = directory
        self.log = log

    async def ready(self) -> dict[str, Any]:
        return await self.until(lambda status: status["state"] == "ready", limit=30)


def _in_namespace_of(pid: int) -> list[psutil.Process]:
    namespace = _pid_namespace(pid)
    return [
        psutil.Process(p) for p in psutil.pids() if namespace and _pid_namespace(p) == namespace
    ]


def _pid_namespace(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None  # it has ended


def _enter_network(pid: int) -> None:
    """Move this thread, and no other, into a process's network namespace (setns(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{pid}/ns/net").open("rb") as namespace:
        if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the network of the Pod")


async def _forward(
    inside: ThreadPoolExecutor,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Join a connection with one to a port in the Pod, until either side ends."""
    loop = asyncio.get_running_loop()
    far = await loop.run_in_executor(inside, socket.socket)
    far.setblocking(False)
    try:
        await loop.sock_connect(far, ("127.0.0.1", port))
    except BaseException as error:
        far.close()
        writer.transport.abort()
        if isinstance(error, OSError):
            return
        raise
    far_reader, far_writer = await asyncio.open_connection(sock=far)
    await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()


def as_podman_takes_it(manifest: Manifest, name: str, volumes: Path) -> Manifest:
    """The same Pod, with what podman does otherwise made up for: see the top of this file."""
    pod = copy.deepcopy(manifest)
    pod["metadata"] = {"name": name}
    spec = pod["spec"]
    for volume in spec.get("volumes", ()):
        if volume.pop("emptyDir", None) is not None:
            directory = volumes / volume["name"]
            directory.mkdir(parents=True)
            directory.chmod(0o777)
            volume["hostPath"] = {"path": str(directory), "type": "Directory"}
    for container in spec["containers"]:
        container["imagePullPolicy"] = "Never"
        container.pop("ports", None)  # they are documentation, but podman would map them
        for probe in _PROBES:
            container.pop(probe, None)
    return pod


@contextlib.asynccontextmanager
async def running_pod(
    podman: Podman, manifest: Manifest, directory: Path, *, start: bool = True
) -> AsyncIterator[Pod]:
    """Run a Pod, from the start of its containers; nothing of it is left afterwards."""
    name = f"vizproxy-test-{os.getpid()}-{next(_numbers)}"
    volumes = directory / "volumes"
    played = as_podman_takes_it(manifest, name, volumes)
    file = directory / f"{name}.yaml"
    file.write_text(yaml.safe_dump(played))
    try:
        options = ("--network", "none", "--log-driver", "k8s-file", f"--start={str(start).lower()}")
        await podman.do("kube", "play", *options, str(file))
        yield Pod(podman, name, volumes, manifest)
    finally:
        await podman.do("pod", "rm", "--force", "--time", "0", name)

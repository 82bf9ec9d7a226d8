"""What the benchmarks of the viewer path share: starting the chain, measuring a way through it.

Every part is a process of its own, as in a session. All ways are measured in turn, several times in one
run, and compared as ratios; the numbers themselves depend on the machine. A ratio is taken within each
round, between measurements that were made one right after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

from bench.parts import KEYS, PASTE, SERVER_GREETING, UPDATE_REQUEST, VIEWER_GREETING
from vizproxy.gateway.viewer import SUBPROTOCOL

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 3.0
WARM_UP_SECONDS = 0.1
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MIB = 2**20


# ------------------------------------------------------------------------------------- processes


@contextlib.asynccontextmanager
async def started(
    log: Path, *command: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that ends with the block, or with this process if that is killed."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", *command),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for this process, which ends the others
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def until(
    ready: Callable[[], Awaitable[bool]], process: asyncio.subprocess.Process, log: Path
) -> None:
    """Wait until a process is ready; leave with its last words if it is not in time."""
    deadline = time.monotonic() + START_SECONDS
    while not await ready():
        if process.returncode is not None or time.monotonic() > deadline:
            said = await asyncio.to_thread(log.read_text, errors="replace")
            sys.exit(f"cannot start {log.stem}: it said\n{said[-2000:]}")
        await asyncio.sleep(0.02)


async def listens(socket: Path) -> bool:
    """Whether somebody listens on a unix socket."""
    try:
        _, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    writer.close()
    return True


class Parts:
    """The processes that were started, and the processor time that they cost."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._exits = contextlib.AsyncExitStack()
        self._processes: dict[str, psutil.Process] = {}

    async def start(
        self,
        name: str,
        *command: str,
        ready: Callable[[], Awaitable[bool]],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start one, and wait until it is ready."""
        log = self.directory / f"{name}.log"
        process = await self._exits.enter_async_context(
            started(log, *command, environment=environment)
        )
        await until(ready, process, log)
        self._processes[name] = psutil.Process(process.pid)

    async def listen(self, name: str, *command: str) -> Path:
        """Start one that listens on the unix socket of its name, which replaces ``{}``."""
        socket = self.directory / name
        words = (word.format(socket) for word in command)
        await self.start(name, sys.executable, "-m", *words, ready=lambda: listens(socket))
        return socket

    async def stop(self) -> None:
        """End all of them."""
        await self._exits.aclose()

    def cost(self) -> dict[str, float]:
        """The processor time in seconds that each has used; this process is the viewer."""
        times = psutil.Process().cpu_times()
        parts = {name: _seconds(process) for name, process in self._processes.items()}
        return {"viewer": times.user + times.system} | parts


def _seconds(process: psutil.Process) -> float:
    """What a process and all its children, ended or not, have used."""
    used = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


@contextlib.asynccontextmanager
async def chain() -> AsyncIterator[tuple[Parts, Path, Path]]:
    """The peer, websockify before it and the gateway before that; yields the two front sockets."""
    with tempfile.TemporaryDirectory(prefix="vizproxy-bench-") as directory:
        parts = Parts(Path(directory))
        try:
            peer = await parts.listen("peer", "bench.parts", "peer", "{}")
            bridge = await parts.listen(
                *("websockify", "websockify", "--unix-listen", "{}", "--unix-target", str(peer))
            )
            front = await parts.listen(
                *("gateway", "bench.parts", "gateway", "{}", str(peer), str(bridge))
            )
            yield parts, bridge, front
        finally:
            await parts.stop()


# ------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Way:
    """A way for a viewer to the peer. ``socket`` is a unix socket; without one, it is TCP."""

    name: str
    url: str = "http://bench/websockify"
    socket: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    deflate: bool = False


@dataclass
class Numbers:
    """What was measured on one way: for each round MiB/s, seconds for a MiB, and lists of ms."""

    throughput: list[float] = field(default_factory=list)
    cost: list[Mapping[str, float]] = field(default_factory=list)
    small: list[list[float]] = field(default_factory=list)
    large: list[list[float]] = field(default_factory=list)
    deflated: bool = False


@contextlib.asynccontextmanager
async def viewer(way: Way) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A viewer that was greeted."""
    unix = way.socket is not None
    connector = aiohttp.UnixConnector(str(way.socket)) if unix else aiohttp.TCPConnector()
    async with (
        aiohttp.ClientSession(connector=connector, headers=way.headers) as session,
        session.ws_connect(
            way.url,
            protocols=(SUBPROTOCOL,),
            max_msg_size=0,
            compress=15 if way.deflate else 0,
            # What is on its way would have to be read before the answer to a close frame.
            timeout=aiohttp.ClientWSTimeout(ws_close=0.1),
        ) as socket,
    ):
        await socket.send_bytes(VIEWER_GREETING)
        await receive(socket, len(SERVER_GREETING))
        yield socket


async def receive(socket: aiohttp.ClientWebSocketResponse, count: int) -> None:
    """Receive so many bytes, however they are cut."""
    while count > 0:
        count -= len(await socket.receive_bytes())


async def throughput(way: Way, seconds: float, numbers: Numbers, parts: Parts) -> None:
    """What a viewer receives when it is sent as much as it takes."""
    clock = time.perf_counter
    async with viewer(way) as socket:
        numbers.deflated = bool(socket.compress)
        await socket.send_bytes(UPDATE_REQUEST)
        warm = clock() + WARM_UP_SECONDS
        while clock() < warm:
            await socket.receive_bytes()
        before, began, received = parts.cost(), clock(), 0
        while clock() - began < seconds:
            received += len(await socket.receive_bytes())
        numbers.throughput.append(received / (clock() - began) / MIB)
        after = parts.cost()
        numbers.cost.append(
            {name: (after[name] - before[name]) / (received / MIB) for name in after}
        )


async def round_trips(way: Way, seconds: float, message: bytes) -> list[float]:
    """Milliseconds for a message there and back, time after time."""
    clock = time.perf_counter
    async with viewer(way) as socket:
        times, end = [], clock() + seconds
        while (sent := clock()) < end:
            await socket.send_bytes(message)
            await receive(socket, len(message))
            times.append((clock() - sent) * 1000)
        return times


async def measure(
    ways: Sequence[Way], parts: Parts, *, seconds: float, rounds: int
) -> dict[str, Numbers]:
    """Measure all ways in turn. ``seconds`` is for each way and quantity, all rounds together."""
    results = {way.name: Numbers() for way in ways}
    others = others_cost(parts)
    began = time.monotonic()
    each = seconds / rounds
    for number in range(rounds):
        # Another one begins each time: what the one before leaves behind is not always the same.
        turn = [ways[(number + n) % len(ways)] for n in range(len(ways))]
        for way in turn:
            await throughput(way, each, results[way.name], parts)
        for way in turn:
            results[way.name].small.append(await round_trips(way, each, KEYS))
        for way in turn:
            results[way.name].large.append(await round_trips(way, each, PASTE))
    busy = (others_cost(parts) - others) / (time.monotonic() - began)
    print(f"{max(busy, 0):.1f} of the CPUs were busy with something else")
    return results


def others_cost(parts: Parts) -> float:
    """The processor time in seconds that all but the parts have used, other machines included."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - sum(parts.cost().values())


# ------------------------------------------------------------------------------------- reporting


def report(results: Mapping[str, Numbers]) -> None:
    """Print what was measured: the median, and the range of the middle half of the rounds."""
    print(f"{'':34}{'64 KiB frames':>22}{'32 B and back':>20}{'64 KiB and back':>20}")
    print(f"{'':34}{'MiB/s':>22}{'ms (p99)':>20}{'ms (p99)':>20}")
    for name, numbers in results.items():
        print(
            f"{name:<34}{_spread(numbers.throughput, '.0f'):>22}"
            f"{_percentiles(numbers.small):>20}{_percentiles(numbers.large):>20}"
        )


def report_cost(results: Mapping[str, Numbers]) -> None:
    """Print where the time goes while blocks are sent."""
    print("Processor time of each part, in ms for a MiB")
    for name, numbers in results.items():
        parts = {
            part: statistics.median(cost[part] for cost in numbers.cost) * 1000
            for part in numbers.cost[0]
        }
        used = (f"{part} {value:.2f}" for part, value in parts.items() if value >= 0.005)
        print(f"{name:<34}{', '.join(used)}")


def report_ratio(results: Mapping[str, Numbers], one: str, other: str) -> None:
    """Print how one way compares to another."""
    first, second = results[one], results[other]
    small, large = (
        _ratios(map(statistics.median, a), map(statistics.median, b))
        for a, b in ((first.small, second.small), (first.large, second.large))
    )
    print(f"{one} / {other}")
    print(f"    throughput         {_spread(_ratios(first.throughput, second.throughput), '.2f')}")
    print(f"    32 B and back      {_spread(small, '.2f')}")
    print(f"    64 KiB and back    {_spread(large, '.2f')}")


def _ratios(one: Iterable[float], other: Iterable[float]) -> list[float]:
    return [a / b for a, b in zip(one, other, strict=True)]


def _spread(values: Sequence[float], form: str) -> str:
    """The median, and between which values the middle half of them lies."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def _percentiles(rounds: Sequence[Sequence[float]]) -> str:
    times = sorted(itertools.chain.from_iterable(rounds))
    return f"{statistics.median(times):.3f} ({times[len(times) * 99 // 100]:.3f})"


# ------------------------------------------------------------------------------------- beginning


def options(text: str, *, seconds: float) -> argparse.ArgumentParser:
    """The options of a benchmark, whose module's text is ``text``."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument(
        *("--seconds", "-s"),
        type=float,
        default=seconds,
        help="for each way and quantity (default: %(default)g)",
    )
    parser.add_argument(
        "--rounds", type=int, default=8, help="turns, two at least (default: %(default)d)"
    )
    return parser


def run(benchmark: Coroutine[object, object, None]) -> None:
    """Run a benchmark so that nothing is left behind when it is interrupted."""

    async def interruptible() -> None:
        if task := asyncio.current_task():
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}", flush=True)
        await benchmark

    keep_memory()
    try:
        asyncio.run(interruptible())
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


def keep_memory() -> None:
    """Keep freed memory in this process, the viewer.

    Else glibc gives that of large messages back and gets it again for the next ones, which may cost
    as much time as to receive them. A browser is not like that, and it is not what is measured.
    """
    with contextlib.suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 32 * MIB)
        mallopt(M_TRIM_THRESHOLD, 64 * MIB)

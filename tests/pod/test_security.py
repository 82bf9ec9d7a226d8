"""What the Pod keeps from whom: ports, rights, the display, and the sidecar from its own user."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
import pytest_asyncio

from tests.pod.podman import Manifest, Podman, Ran
from tests.pod.session import (
    NOTEBOOK,
    NOTEBOOK_IMAGE,
    PORT,
    SIDECAR,
    Session,
    running_session,
)
from tests.support import eventually
from vizproxy.kubernetes.choices import Choices, Metrics

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

EVERYBODY = 2**32 - 1
"""-1, as a property of X has it: kill(2) takes it for all processes."""

LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h)."""

COOKIE = "/run/vizproxy/desktop/Xauthority"
PLANTED_MARK = "was-run"


async def ports(session: Session) -> set[int]:
    """The TCP ports at which something listens in the Pod, at whatever address."""
    net = Path(f"/proc/{await session.pod.pid(NOTEBOOK)}/net")
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in (net / name).read_text().splitlines()[1:]
    ]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENS}


async def test_no_port_is_open_but_the_notebooks(session: Session) -> None:
    assert await ports(session) == {PORT}


async def test_the_metrics_port_is_open_if_it_was_asked_for(podman: Podman, tmp_path: Path) -> None:
    choices = Choices(metrics=Metrics(port=9464))
    async with running_session(podman, tmp_path, choices) as session:
        await session.desk()
        await session.lab.answers()
        assert await ports(session) == {PORT, 9464}
        async with session.pod.reached(9464) as port:
            await eventually(lambda: _serves_metrics(port))


async def _serves_metrics(port: int) -> bool:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        return response.status == 200 and "vizproxy_" in await response.text()


@pytest.mark.parametrize("container", [SIDECAR, NOTEBOOK])
async def test_no_process_has_rights(session: Session, container: str) -> None:
    for process in await session.pod.processes(container):
        status = dict(_rows(process))
        assert int(status["CapEff"], 16) == 0, process
        assert int(status["CapBnd"], 16) == 0, process
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), process
        assert status["Uid"].split() == ["1000"] * 4, process


def _rows(process: psutil.Process) -> list[tuple[str, str]]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return [(name, text.strip()) for name, _, text in (line.partition(":") for line in lines)]


async def test_the_sidecar_cannot_change_what_it_is_made_of(session: Session) -> None:
    for place in ("/", "/opt/vizproxy", "/usr/bin", "/etc", "/run", "/var/tmp"):
        ran = await session.pod.run(SIDECAR, "touch", f"{place}/x")
        assert ran.code != 0
        assert "Read-only file system" in ran.err, place


async def test_the_notebook_cannot_put_files_beside_the_sockets(session: Session) -> None:
    for place in ("/run/vizproxy", "/run/vizproxy/desktop"):
        ran = await session.pod.run(NOTEBOOK, "touch", f"{place}/x")
        assert "Read-only file system" in ran.err


async def test_another_container_cannot_use_the_display_without_the_volumes(
    session: Session,
) -> None:
    desk = await session.desk()
    number = await desk.daemon.display_number()
    # Containers of a Pod share the X server's abstract socket, and not its cookie.
    argv = ("timeout", "10", "xclock", "-display", f":{number}")
    for user in ("1000:0", "0:0"):
        ran = await session.pod.beside(NOTEBOOK_IMAGE, *argv, user=user)
        assert ran.code == 1, ran
        assert "Can't open display" in ran.err


async def test_another_user_cannot_use_it_even_with_the_volumes(session: Session) -> None:
    desk = await session.desk()
    number = await desk.daemon.display_number()
    mounted = session.pod.mounted()
    with_cookie = (*mounted, "--env", f"XAUTHORITY={COOKIE}")
    argv = ("timeout", "10", "xclock", "-display", f":{number}")
    own = await session.pod.beside(NOTEBOOK_IMAGE, "timeout", "1", *argv[2:], options=with_cookie)
    assert own.code == 124, "the user itself can, until its time is over"
    for user in ("2000:0", "2000:2000"):
        ran = await session.pod.beside(NOTEBOOK_IMAGE, *argv, options=with_cookie, user=user)
        assert ran.code == 1, ran
        ran = await session.pod.beside(
            *(NOTEBOOK_IMAGE, "vizproxy", "apps"),
            options=(*mounted, "--env", "VIZPROXY_SOCKET=/run/vizproxy/desktop/http.sock"),
            user=user,
        )
        assert ran.code != 0
        assert "it belongs to another user" in ran.err or "permission" in ran.err.lower(), ran


# tricks: the notebook's user wants a program to run in the sidecar


class Watched:
    """The sidecar, and what runs in it."""

    def __init__(self, session: Session, inside: Path) -> None:
        self.session = session
        self._tricks = inside / "tricks.py"
        self.programs: Counter[str] = Counter()

    async def running(self) -> Counter[str]:
        """The programs that run in the sidecar."""
        found: Counter[str] = Counter()
        for process in await self.session.pod.processes(SIDECAR):
            try:
                found[process.name()] += 1
            except psutil.NoSuchProcess:
                continue
        return found

    async def settled(self) -> None:
        """Wait until the desktop is ready; remember what runs."""
        await self.session.desk()
        self.programs = await self.running()

    async def tried(self, name: str, *arguments: str) -> Ran:
        """Try a trick in the notebook's container."""
        return await self.session.pod.python(NOTEBOOK, self._tricks, name, *arguments, limit=120)

    async def trick(self, name: str, *arguments: str) -> None:
        """Try a trick, of which all can be carried out that is not the sidecar's to refuse."""
        ran = await self.tried(name, *arguments)
        assert ran.code == 0, ran.said

    async def nothing_was_run(self) -> None:
        """The desktop is as it was, with no program besides, and nothing planted was ever run."""
        await self.session.desk()
        mark = self.session.pod.volumes / "vizproxy" / PLANTED_MARK
        assert not mark.exists(), mark.read_text()

        async def as_before() -> bool:
            assert await self.running() == self.programs
            return True

        await eventually(as_before)

    async def pid_inside(self, name: str) -> int:
        """The PID of a program of the sidecar, as it is known in there."""
        for process in await self.session.pod.processes(SIDECAR):
            if process.name() == name:
                return int(dict(_rows(process))["NSpid"].split()[-1])
        raise AssertionError(f"{name} does not run")


@pytest_asyncio.fixture(loop_scope="session")
async def watched(session: Session, inside: Path) -> Watched:
    made = Watched(session, inside)
    await made.settled()
    return made


async def test_nothing_can_be_planted(watched: Watched) -> None:
    ran = await watched.tried("plant")
    assert ran.code != 0
    assert "Read-only file system" in ran.err
    await watched.nothing_was_run()


@pytest.mark.parametrize("trick", ["settings-again", "chords", "remote", "keymap"])
async def test_the_sidecars_programs_start_no_others(watched: Watched, trick: str) -> None:
    await watched.trick(trick)
    await watched.nothing_was_run()


@pytest.mark.parametrize("whom", ["the daemon", "everybody"])
async def test_a_window_that_claims_to_be_of_the_sidecar_kills_nothing_there(
    watched: Watched, whom: str
) -> None:
    before = {p.pid for p in await watched.session.pod.processes(SIDECAR)}
    pid = EVERYBODY if whom == "everybody" else await watched.pid_inside("vizproxy")
    await watched.trick("force", str(pid))
    await watched.nothing_was_run()
    assert {p.pid for p in await watched.session.pod.processes(SIDECAR)} == before


# what was there before the daemon


def volume_is_writable(manifest: Manifest) -> None:
    """Let the notebook put files on the volume, as on a site that has made its own configuration."""
    for container in manifest["spec"]["containers"]:
        for mount in container["volumeMounts"]:
            mount.pop("readOnly", None)


@pytest_asyncio.fixture(loop_scope="session")
async def stopped(podman: Podman, tmp_path: Path, inside: Path) -> AsyncIterator[Watched]:
    """A sidecar that has ended, and a volume on which the notebook may put what it likes."""
    async with running_session(podman, tmp_path, changed=volume_is_writable) as session:
        made = Watched(session, inside)
        await made.settled()
        assert await session.pod.stop(SIDECAR) == 0
        yield made


async def test_a_sidecar_starts_from_its_own_files_whatever_was_planted(stopped: Watched) -> None:
    await stopped.trick("plant", "anew")
    await stopped.session.pod.start(SIDECAR)
    await stopped.session.desk()
    for trick in ("settings-again", "chords", "keymap"):
        await stopped.trick(trick)
    await stopped.nothing_was_run()


async def test_a_sidecar_writes_through_no_link(stopped: Watched) -> None:
    pod = stopped.session.pod
    await stopped.trick("link")
    await pod.start(SIDECAR)
    await stopped.nothing_was_run()
    temporary = {path.name for path in (pod.volumes / "vizproxy-tmp").rglob("*")}
    assert not {name for name in temporary if name.startswith("planted-")}
    assert not {".config", ".local", "menu.xml"} & temporary, "HOME is not what the link leads to"

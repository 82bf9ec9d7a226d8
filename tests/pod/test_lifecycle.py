"""Ends and starts of the Pod's containers, in every order, and what is found again afterwards."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.broker.desk import Desk
from tests.e2e.viewer import BACKGROUND, Viewer
from tests.jupyter.conftest import tab_of
from tests.jupyter.labpage import LabPage
from tests.pod.podman import Podman
from tests.pod.session import NOTEBOOK, SIDECAR, Session, running_session
from tests.support import eventually
from vizproxy.kubernetes.choices import Choices, Notebook

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

OPENSHIFT_UID = 1234560000
"""A user whom no image knows, in the group that owns what a container may write."""


async def shows_a_plain_program(session: Session, desk: Desk) -> None:
    """Start an X program in the notebook's container, without a lease; wait for its window."""
    await session.pod.podman.do(
        *("exec", "--detach", session.pod.container(NOTEBOOK)),
        *("sh", "-c", 'eval "$(vizproxy env)"; exec timeout 60 xeyes'),
    )
    await desk.window("xeyes", limit=20)


def sockets_of(session: Session) -> list[str]:
    return sorted(path.name for path in (session.pod.volumes / "vizproxy-x11").iterdir())


async def viewed(tab: LabPage) -> Viewer:
    """The desktop in JupyterLab's tab, connected."""
    viewer = await tab.desktop()
    await viewer.sees(BACKGROUND, 200, 200)
    return viewer


async def is_back(session: Session, viewer: Viewer, number: int) -> Desk:
    """Wait until a desktop has taken the place of its predecessor, and the page has found it."""
    desk = await session.desk()
    assert await desk.daemon.display_number() == number
    assert sockets_of(session) == [f"X{number}"]
    assert not (session.pod.volumes / "vizproxy" / "desktop" / "failure.txt").exists()
    await viewer.reaches("connected")
    await viewer.sees(BACKGROUND, 200, 200)
    await shows_a_plain_program(session, desk)
    return desk


async def test_a_sidecar_ends_within_the_second_that_it_is_given(
    session: Session, tab: LabPage, desk: Desk
) -> None:
    viewer = await viewed(tab)
    number = await desk.daemon.display_number()
    await shows_a_plain_program(session, desk)
    began = time.monotonic()
    assert await session.pod.stop(SIDECAR, limit=1) == 0, await session.pod.log(SIDECAR)
    assert time.monotonic() - began < 5, "podman's own work included"
    assert sockets_of(session) == []
    left = {path.name for path in desk.daemon.directory.iterdir()}
    assert left <= {"share", "displays"}, "what the next one takes over"
    await viewer.reaches("reconnecting")
    await session.pod.start(SIDECAR)
    await is_back(session, viewer, number)


async def test_a_sidecar_that_is_killed_comes_back(
    session: Session, tab: LabPage, desk: Desk
) -> None:
    viewer = await viewed(tab)
    number = await desk.daemon.display_number()
    await shows_a_plain_program(session, desk)
    before = {p.pid for p in await session.pod.processes(SIDECAR)}
    await session.pod.kill(SIDECAR)
    desk = await is_back(session, viewer, number)
    assert not before & {p.pid for p in await session.pod.processes(SIDECAR)}
    status = await desk.daemon.status()
    assert [c["restarts"] for c in status["components"]] == [0] * len(status["components"])


async def test_the_desktop_outlives_a_notebook_that_is_killed(
    session: Session, browser: Browser, tab: LabPage, desk: Desk
) -> None:
    viewer = await viewed(tab)
    before = await session.pod.pid(SIDECAR)
    terminal = await tab.terminal()
    await terminal.type("vizproxy run xclock &")
    await desk.app("xclock", lambda app: app["leased"], limit=20)
    await session.pod.kill(NOTEBOOK)
    await desk.until(lambda apps: not apps, limit=20)
    await session.lab.answers()
    assert await session.pod.pid(SIDECAR) == before
    await viewer.reaches("connected")
    async with tab_of(browser, session.lab) as other:
        await other.open(session.lab.url)
        await viewed(other)
        again = await other.terminal()
        await again.type("vizproxy run xclock &")
        await desk.window("xclock", limit=20)


@pytest.mark.parametrize("order", [(NOTEBOOK, SIDECAR), (SIDECAR, NOTEBOOK)], ids=" then ".join)
async def test_it_does_not_matter_which_container_starts_first(
    podman: Podman, tmp_path: Path, order: tuple[str, str]
) -> None:
    async with running_session(podman, tmp_path, order=order[:1]) as session:
        if order[0] == NOTEBOOK:
            await session.lab.answers()
            async with session.lab.get("desktop/", headers={"Accept": "text/html"}) as response:
                assert response.status == 503
        else:
            await session.desk()
        await session.pod.start(order[1])
        desk, _ = await asyncio.gather(session.desk(), session.lab.answers())

        async def terminals_have_it() -> bool:
            number = await desk.daemon.display_number()
            return (await session.lab.terminal('echo "$DISPLAY"')).strip() == f":{number}"

        await eventually(terminals_have_it)
        await shows_a_plain_program(session, desk)


async def test_any_user_will_do(podman: Podman, tmp_path: Path) -> None:
    choices = Choices(notebook=Notebook(uid=OPENSHIFT_UID, gid=0))
    async with running_session(podman, tmp_path, choices) as session:
        desk, _ = await asyncio.gather(session.desk(), session.lab.answers())
        for container in (SIDECAR, NOTEBOOK):
            assert (await session.pod.run(container, "id", "-u")).out == f"{OPENSHIFT_UID}\n"
        ran = await session.pod.run(NOTEBOOK, "vizproxy", "run", "--detach", "xclock")
        assert ran.code == 0, ran.said
        clock = await desk.app("xclock", lambda app: app["leased"] and app["pids"])
        await desk.window("xclock")
        assert (await desk.ask("DELETE", f"apps/{clock['id']}"))[0] == 202
        assert await session.pod.stop(SIDECAR, limit=1) == 0

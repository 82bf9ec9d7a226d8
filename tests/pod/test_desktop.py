"""The desktop in the Pod, as its user has it: through JupyterLab, from programs of other containers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.broker.desk import Desk
from tests.e2e.launching import Menu
from tests.e2e.panel import Panel
from tests.e2e.viewer import BACKGROUND
from tests.jupyter.labpage import LabPage
from tests.jupyter.test_lab import shows
from tests.pod.session import NOTEBOOK, NOTEBOOK_IMAGE, SIDECAR, Session

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

PUBLISHED = "/run/vizproxy/desktop/share/bin/vizproxy-run"


async def test_from_the_tile_to_a_programs_window(tab: LabPage, desk: Desk) -> None:
    viewer = await tab.desktop()
    await viewer.sees(BACKGROUND, 200, 200)
    terminal = await tab.terminal()
    number = await desk.daemon.display_number()
    assert (await terminal.prints('echo "$DISPLAY"')).split() == [f":{number}", "0"]
    await terminal.type("vizproxy run xclock &")
    # Its keeper tells the processes from the other container.
    await desk.app("xclock", lambda app: app["leased"] and app["pids"], limit=20)
    await desk.window("xclock")
    await tab.close_tab("Desktop")
    viewer = await tab.desktop()
    await shows(viewer, desk, "xclock")


async def test_the_menu_has_the_notebooks_programs(tab: LabPage, desk: Desk) -> None:
    panel = Panel(await tab.desktop())
    menu = Menu(panel)
    await panel.open()
    await menu.open()
    await menu.search.fill("meshlab")
    await menu.entry("MeshLab").click()
    app = await desk.app("MeshLab", lambda app: app["windows"], limit=60)
    assert app["leased"]


@pytest.mark.parametrize("container", [NOTEBOOK, SIDECAR])
async def test_the_check_up_finds_both_containers_well(
    session: Session, desk: Desk, container: str
) -> None:
    ran = await session.pod.run(container, "vizproxy", "doctor", "--json")
    found = json.loads(ran.out)["findings"]
    # How much room a machine's disk has is its own affair.
    assert {one["title"] for one in found if one["level"] != "green"} <= {"Disk"}, ran.said
    assert {"Desktop", "Shared memory", "X sockets", "Version"} <= {one["title"] for one in found}


async def test_containers_share_memory_and_no_processes(
    session: Session, desk: Desk, inside: Path
) -> None:
    ran = await session.pod.python(NOTEBOOK, inside / "shared_memory.py")
    assert ran.code == 0, ran.said
    told = json.loads(ran.out)
    assert told == {"attached": 2, "pixel": "00a000"}, "the program and the X server"

    pids = [await session.pod.pid(name) for name in (NOTEBOOK, SIDECAR)]
    spaces = {
        kind: {Path(f"/proc/{pid}/ns/{kind}").readlink() for pid in pids}
        for kind in ("pid", "mnt", "ipc", "net")
    }
    assert {kind: len(found) for kind, found in spaces.items()} == {
        "pid": 2,
        "mnt": 2,
        "ipc": 1,
        "net": 1,
    }
    seen = (await session.pod.run(NOTEBOOK, "sh", "-c", "cat /proc/[0-9]*/comm")).out
    assert "Xorg" not in seen


async def test_a_program_without_a_lease_is_on_the_desktop(session: Session, desk: Desk) -> None:
    script = 'eval "$(vizproxy env)"; exec timeout 60 xeyes'
    started = await session.pod.podman.do(
        *("exec", "--detach", session.pod.container(NOTEBOOK), "sh", "-c", script)
    )
    assert started
    eyes = await desk.app("xeyes", lambda app: app["windows"])
    assert not eyes["leased"]


async def test_the_published_launcher_starts_programs_of_the_notebook(
    session: Session, desk: Desk
) -> None:
    # xclock is there in any case; what is not used are the image's own Python and vizproxy.
    ran = await session.pod.run(
        NOTEBOOK, "env", "-i", "PATH=/usr/bin:/bin", PUBLISHED, "--detach", "xclock"
    )
    assert ran.code == 0, ran.said
    clock = await desk.app("xclock", lambda app: app["leased"] and app["pids"])
    assert ran.out == f"{clock['id']}\n"
    await desk.window("xclock")


async def test_the_published_launcher_needs_nothing_of_its_container(
    session: Session, desk: Desk, busybox: str
) -> None:
    mounted = session.pod.mounted()
    show = ("sh", "-c", "echo $DISPLAY $VIZPROXY_SOCKET")
    ran = await session.pod.beside(busybox, PUBLISHED, "--name", "box", *show, options=mounted)
    number = await desk.daemon.display_number()
    assert ran.out == f":{number} /run/vizproxy/desktop/http.sock\n", ran.said
    # In a container of its own, a program with a window.
    script = f"exec timeout 60 {PUBLISHED} --name third xlogo"
    await session.pod.podman.do(
        *("run", "--rm", "--detach", "--pod", session.pod.name, "--entrypoint", "sh"),
        *("--user", "1000:0", *mounted, NOTEBOOK_IMAGE, "-c", script),
    )
    third = await desk.app("third", lambda app: app["pids"], limit=20)
    assert third["leased"]
    await desk.window("xlogo")

"""Images, built once; and a Pod of them for all tests of a file.

Playwright's objects live on one event loop, so all of these tests and fixtures run on the session's.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.broker.desk import Desk
from tests.jupyter.conftest import tab_of
from tests.jupyter.labpage import LabPage
from tests.pod.podman import Podman
from tests.pod.session import SIDECAR, Session, running_session
from tests.support import ROOT

CACHE = ROOT / ".cache" / "podman"
BUSYBOX = "localhost/vizproxy-test-busybox"
PROGRAMS = ("cat", "env", "id", "readlink", "sh", "sleep", "touch")


@pytest.fixture(scope="session")
def podman() -> Podman:
    """Podman, as `make images` has set it up, with the images that are made of this tree."""
    if os.getuid() != 0:
        pytest.skip("only root reaches the sockets of a Pod whose user is another one")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in other processes need them, too
        made = subprocess.run(
            ("make", "--no-print-directory", "images"),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if made.returncode != 0:
        pytest.fail(made.stdout, pytrace=False)
    settings = CACHE / "containers.conf"
    return Podman({"CONTAINERS_CONF": str(settings)} if settings.exists() else {})


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def busybox(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """An image with neither Python nor a C library."""
    archive = tmp_path_factory.mktemp("busybox") / "busybox.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for name in PROGRAMS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    await podman.do("import", "--change", "ENV PATH=/bin", str(archive), BUSYBOX)
    yield BUSYBOX
    await podman.run("image", "rm", BUSYBOX)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def session(
    podman: Podman, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Session]:
    """A Pod for the tests of a file, with the desktop and JupyterLab ready."""
    async with running_session(podman, tmp_path_factory.mktemp("pod")) as running:
        await running.desk()
        await running.lab.answers()
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def desk(session: Session) -> AsyncIterator[Desk]:
    """The desktop of that Pod; the programs that a test leaves on it are ended."""
    if not await session.pod.pid(SIDECAR):  # after a test that has failed
        await session.pod.start(SIDECAR)
    desk = await session.desk()
    yield desk
    for app in await desk.apps():
        await desk.ask("DELETE", f"apps/{app['id']}")
    await desk.until(lambda apps: not apps, limit=20)


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser, session: Session, desk: Desk) -> AsyncIterator[LabPage]:
    """JupyterLab with its launcher, in a browser tab."""
    async with tab_of(browser, session.lab) as opened:
        await opened.open(session.lab.url)
        yield opened


@pytest.fixture
def inside() -> Path:
    """The scripts that are run in containers."""
    return Path(__file__).with_name("inside")

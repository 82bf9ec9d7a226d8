"""The desktop in the cells of a notebook: run by a real kernel, and shown by what it sends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from PIL import Image

from tests.broker.desk import XPROGRAM, Desk, kill_all
from tests.cli.running import environment
from tests.support import ROOT, Daemon, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

PAGE = "/user/zo%C3%AB/desktop/"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Shown:
    """What a notebook shows below a cell."""

    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    printed: str = ""
    error: str = ""
    traceback: str = ""


class Notebook:
    """A kernel, asked as a notebook asks it."""

    def __init__(self, manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        self.manager = manager
        self.client = client

    @property
    def pid(self) -> int:
        """The kernel's process."""
        pid = getattr(self.manager.provisioner, "pid", None)
        assert isinstance(pid, int)
        return pid

    @property
    def threads(self) -> int:
        """How many threads the kernel has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    async def cell(self, code: str, *, limit: float = 60) -> Shown:
        """Run a cell; return what is shown."""
        shown = Shown()

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    shown.printed += content["text"]
                case "execute_result":
                    shown.data, shown.metadata = content["data"], content["metadata"]
                case "error":
                    shown.error = f"{content['ename']}: {content['evalue']}"
                    shown.traceback = ESCAPES.sub("", "\n".join(content["traceback"]))

        async with asyncio.timeout(limit):
            await self.client.execute_interactive(code, output_hook=take)
        return shown

    async def value(self, code: str) -> str:
        """Run a cell that must not fail; return the text of its last line's value."""
        shown = await self.cell(code)
        assert not shown.error, shown.traceback
        return str(shown.data.get("text/plain", ""))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def notebook(
    shared: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Notebook]:
    """A notebook on a Jupyter server that has the desktop."""
    home = tmp_path_factory.mktemp("kernel")
    with contextlib.chdir(home):
        manager = AsyncKernelManager(connection_file=str(home / "kernel.json"))
        env = environment(
            VIZPROXY_SOCKET=str(shared.socket), VIZPROXY_PAGE=PAGE, IPYTHONDIR=str(home / "ipython")
        )
        await manager.start_kernel(env=env, cwd=str(home))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        made = Notebook(manager, client)
        await made.value("from vizproxy import AsyncDesktop, Desktop\ndesktop = Desktop()")
        await made.value(f"argv, place = {XPROGRAM!r}, {str(ROOT)!r}")
        yield made
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def desk(shared: Daemon, notebook: Notebook) -> AsyncIterator[Desk]:
    """The desktop, on which nothing but the kernel must be left at the end of a test."""
    made = Desk(shared)
    yield made
    try:
        await made.is_empty(but=notebook.pid)
    finally:
        kill_all([process for process in made.processes() if process.pid != notebook.pid])


async def test_a_screenshot_is_shown(notebook: Notebook) -> None:
    shown = await notebook.cell("desktop.screenshot()")
    assert shown.data["text/plain"] == "<Screenshot 1600x900>"
    picture = Image.open(io.BytesIO(base64.b64decode(shown.data["image/png"])))
    assert picture.size == (1600, 900)
    assert shown.metadata["image/png"] == {"width": 1600, "height": 900}


async def test_the_live_desktop_is_shown(notebook: Notebook) -> None:
    shown = await notebook.cell("desktop.display(height=900)")
    assert f'<iframe src="{PAGE}"' in shown.data["text/html"]
    assert "height: 900px" in shown.data["text/html"]


async def test_a_program_and_the_tables_with_it(notebook: Notebook) -> None:
    await notebook.value("app = desktop.run([*argv, '--title', 'A < B'], name='R&D', cwd=place)")
    window = await notebook.value("desktop.wait_for_window(app)")
    assert re.fullmatch(r"<Window 0x\w+ 'A < B': r-d-\d+, 200x100, active>", window)
    apps = (await notebook.cell("desktop.apps")).data
    assert "<td>R&amp;D</td><td>running</td><td>software</td>" in apps["text/html"]
    assert apps["text/plain"].startswith("id ")
    windows = (await notebook.cell("desktop.windows")).data
    assert "<td>A &lt; B</td><td>200x100</td>" in windows["text/html"]
    await notebook.value("desktop.stop(app)")
    assert await notebook.value("desktop.apps") == "no apps"


async def test_the_same_awaited(notebook: Notebook) -> None:
    await notebook.value(
        "import asyncio\n"
        "soon = AsyncDesktop()\n"
        "apps = await asyncio.gather(*(soon.run('sleep 600', name=name) for name in 'ab'))"
    )
    assert await notebook.value("len(await soon.apps())") == "2"
    await notebook.value("await asyncio.gather(*map(soon.stop, apps))")
    assert (await notebook.cell("await soon.screenshot()")).data["image/png"]


async def test_an_error_is_a_sentence_below_the_cell(notebook: Notebook) -> None:
    shown = await notebook.cell("desktop.run('no-such-program')")
    sentence = "cannot run no-such-program: there is no such program; try its full path"
    assert shown.error == f"NoSuchProgramError: {sentence}"
    assert shown.traceback.rstrip().endswith(sentence)
    assert "desktop.run('no-such-program')" in shown.traceback
    assert "During handling" not in shown.traceback
    assert "aiohttp" not in shown.traceback
    assert len(shown.traceback.splitlines()) < 60, shown.traceback


async def test_the_stop_button_ends_a_wait(notebook: Notebook) -> None:
    await notebook.value("app = desktop.run('sleep 600')")
    before = notebook.threads
    waiting = asyncio.create_task(notebook.cell("desktop.wait_for_end(app)"))

    async def waits() -> bool:
        return notebook.threads > before

    await eventually(waits)
    await notebook.manager.interrupt_kernel()
    shown = await waiting
    assert shown.error == "KeyboardInterrupt: "
    assert await notebook.value("desktop.apps[0].state") == "'starting'"
    await notebook.value("desktop.stop(app)")


@pytest.mark.slow
async def test_programs_outlive_the_kernel(notebook: Notebook) -> None:
    await notebook.value("app = desktop.run('sleep 600', name='stays')")
    await notebook.manager.restart_kernel()
    await notebook.client.wait_for_ready(timeout=60)
    app = await notebook.value("from vizproxy import Desktop\ndesktop = Desktop()\ndesktop.apps[0]")
    assert app.startswith("<App stays-")
    await notebook.value("desktop.stop(desktop.apps[0])")

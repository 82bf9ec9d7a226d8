"""JupyterLab in a browser tab, as its user has it: launcher, terminal, notebook, the desktop's tab."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Locator, Page

from tests.e2e.viewer import Viewer
from tests.support import eventually

SIZE = {"width": 1280, "height": 800}
_PATIENCE_MS = 30_000
_numbers = itertools.count(1)


class LabPage:
    """A tab with JupyterLab. ``home`` is the home directory of its user."""

    def __init__(self, page: Page, home: Path) -> None:
        self.page = page
        self.home = home
        self.errors: list[str] = []
        page.set_default_timeout(_PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def open(self, url: str) -> None:
        """Open a fresh workspace of the JupyterLab at ``url``, until its launcher is there."""
        await self.page.goto(f"{url}lab/workspaces/{uuid.uuid4().hex[:8]}")
        await self.card("Python 3 (ipykernel)").first.wait_for()

    # the launcher

    def card(self, title: str) -> Locator:
        """The tiles of this title."""
        label = self.page.locator(".jp-LauncherCard-label").get_by_text(title, exact=True)
        return self.page.locator(".jp-LauncherCard").filter(has=label)

    async def click_card(self, title: str) -> None:
        await self.launcher()
        await self.card(title).first.click()

    async def launcher(self) -> None:
        """Bring a launcher to the front: the one that is there, or another."""
        if not await self.page.locator(".jp-Launcher:visible").count():
            await self.page.locator(".lm-TabBar-addButton:visible").first.click()
            await self.page.locator(".jp-Launcher:visible").wait_for()

    # the tabs that it opens

    async def framed(self, url: str, n: int = 0) -> Viewer:
        """The page that JupyterLab shows in a tab of its own: the n-th whose address has ``url``."""
        frames = self.page.locator(f".jp-IFrame iframe[src*='{url}'], iframe[src*='{url}']")
        element = await frames.nth(n).element_handle()
        assert element is not None
        frame = await element.content_frame()
        assert frame is not None
        viewer = Viewer(self.page)
        viewer.frame = frame
        return viewer

    async def desktop(self, title: str = "Desktop") -> Viewer:
        """Click the tile; return the desktop in its tab once it is connected."""
        await self.click_card(title)
        viewer = await self.framed("/desktop/")
        await viewer.reaches("connected")
        return viewer

    async def terminal(self) -> Terminal:
        """Open a terminal, until its shell answers."""
        await self.click_card("Terminal")
        terminal = Terminal(self)
        await terminal.answers()
        return terminal

    async def notebook(self) -> Notebook:
        """Open a notebook, until its kernel is ready."""
        await self.click_card("Python 3 (ipykernel)")
        notebook = Notebook(self.page)
        await notebook.ready()
        return notebook

    async def close_tab(self, title: str) -> None:
        """Close a tab of JupyterLab's main area."""
        tab = self.page.locator("#jp-main-dock-panel .lm-TabBar-tab").filter(has_text=title)
        await tab.first.locator(".lm-TabBar-tabCloseIcon").click()


class Terminal:
    """A terminal in JupyterLab, which has the keyboard."""

    def __init__(self, lab: LabPage) -> None:
        self._lab = lab
        self._keys = lab.page.locator(".jp-Terminal:visible textarea")

    async def answers(self) -> None:
        """Wait until what is typed reaches the shell."""
        await self._keys.wait_for(state="attached")
        sign = self._lab.home / f"terminal-{next(_numbers)}"

        async def check() -> bool:
            await self.type(f" touch {sign}")
            await eventually(_exists(sign), timeout=1)
            return True

        await eventually(check, timeout=30)

    async def type(self, line: str) -> None:
        """Type a line and press Enter."""
        await self._keys.focus()
        await self._lab.page.keyboard.insert_text(line)
        await self._lab.page.keyboard.press("Enter")

    async def prints(self, command: str, *, limit: float = 20) -> str:
        """Run a command in the foreground; return what it has printed, and its status behind that."""
        out = self._lab.home / f"output-{next(_numbers)}"
        await self.type(f"{{ {command}; }} >{out} 2>&1; echo $? >>{out}; mv {out} {out}.done")
        done = out.with_name(f"{out.name}.done")
        await eventually(_exists(done), timeout=limit)
        return done.read_text()


class Notebook:
    """A notebook with a kernel of its own."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._panel = page.locator(".jp-NotebookPanel:visible")
        self._cells = self._panel.locator(".jp-CodeCell")

    async def ready(self) -> None:
        """Wait until cells are run: what is sent to a kernel that is just being connected is lost."""
        idle = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
        await self._panel.locator(idle).wait_for(state="attached")
        await self._cells.first.locator(".cm-content").click()
        await self._page.keyboard.insert_text("'ready'")

        async def answers() -> bool:
            await self._page.keyboard.press("Control+Enter")
            await eventually(lambda: self._is_done(0), timeout=3)
            return True

        await eventually(answers, timeout=30)
        await self._page.keyboard.press("Shift+Enter")
        await self._cells.nth(1).wait_for()

    async def run(self, code: str, *, limit: float = 30) -> Locator:
        """Run the last cell, until it is done; return its output. There is a new last cell then."""
        number = await self._cells.count() - 1
        await self._cells.nth(number).locator(".cm-content").click()
        await self._page.keyboard.insert_text(code)
        await self._page.keyboard.press("Shift+Enter")
        await eventually(lambda: self._is_done(number), timeout=limit)
        return self._cells.nth(number).locator(".jp-Cell-outputArea")

    async def _is_done(self, number: int) -> bool:
        prompt = await self._cells.nth(number).locator(".jp-InputPrompt").inner_text()
        return prompt.strip("[]: ").isdigit()


def _exists(path: Path) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return path.exists()

    return check

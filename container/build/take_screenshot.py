"""Takes the pictures in README.md from the running product: `make screenshot`.

A real desktop, by itself and in a real JupyterLab, seen through headless Chromium, with real programs.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

ROOT: Final = Path(__file__).resolve().parents[2]
PICTURES: Final = ROOT / ".github"
DESKTOP: Final = PICTURES / "desktop.png"
LAUNCHER: Final = PICTURES / "launcher.png"
TAB: Final = PICTURES / "tab.png"
CHECKUP: Final = PICTURES / "checkup.png"
SPAWN: Final = PICTURES / "spawn.png"
PROGRAMS: Final = (
    ("volume", sys.executable, "-m", "tests.vtk_volume"),
    ("gears", "glxgears", "-geometry", "300x300+560+60"),
    ("clock", "xclock", "-geometry", "240x240+560+420"),
)
"""What to call each program, and its command line."""

CHROMIUM: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def vizproxy(directory: str, command: str, *arguments: str) -> list[str]:
    """A command line of vizproxy for the desktop in ``directory``."""
    program = [sys.executable, "-m", "vizproxy.cli.main", command]
    return [*program, "--runtime-dir", directory, *arguments]


async def started(directory: str, **settings: str) -> tuple[asyncio.subprocess.Process, str]:
    """Start a desktop; return its process and its link, which it prints when it is ready."""
    command = vizproxy(directory, "serve", "--http", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env={**os.environ, **settings}
    )
    if process.stdout is None:
        raise RuntimeError("the daemon has no standard output")
    async for line in process.stdout:
        words = line.decode().split()
        if words and words[-1].startswith("http://"):
            return process, words[-1]
    raise RuntimeError("the desktop did not start")


async def photograph(browser: Browser, link: str) -> None:
    """Open the page and save what it shows once the programs have drawn themselves."""
    page = await browser.new_page(viewport={"width": 1280, "height": 720})
    await page.goto(link)
    await page.wait_for_selector("html[data-state=connected]", state="attached")
    await page.keyboard.press("Control+Alt+Shift+A")  # the list of apps
    await page.wait_for_timeout(4000)
    await page.screenshot(path=DESKTOP)
    await page.close()


async def photograph_lab(browser: Browser) -> None:
    """Save what JupyterLab's launcher shows, and the tab that its tile opens."""
    sys.path.insert(0, str(ROOT))
    from tests.jupyter.jupyterlab import running_lab  # noqa: PLC0415 - of the tests, beside the code
    from tests.jupyter.labpage import LabPage  # noqa: PLC0415
    from tests.support import eventually  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as directory:
        async with running_lab(Path(directory)) as lab:
            page = await browser.new_page(
                viewport={"width": 1280, "height": 800},
                extra_http_headers={"Authorization": f"token {lab.token}"},
            )
            shown = LabPage(page, lab.home)
            await shown.open(lab.url)
            await page.wait_for_timeout(2000)
            await page.screenshot(path=LAUNCHER)
            await shown.desktop()
            terminal = await shown.terminal()
            for name, *command in PROGRAMS:
                line = f"vizproxy run --detach --name {name} --framebuffer 512MiB {shlex.join(command)}"
                await terminal.type(f"cd {ROOT} && {line}")
            await page.locator(".lm-TabBar-tab", has_text="Desktop").first.click()
            desktop = lab.embedded()

            async def all_shown() -> bool:
                async with desktop.session() as session, session.get("api/v1/windows") as answer:
                    return len((await answer.json())["windows"]) == len(PROGRAMS)

            await eventually(all_shown, timeout=60)
            await page.wait_for_timeout(3000)
            await page.screenshot(path=TAB)
            await page.close()


async def main() -> None:
    """Take all pictures."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM
        )
        await photograph_lab(browser)
        await photograph_desktop(browser)
        await photograph_checkup(browser)
        await photograph_spawn(browser)
        await browser.close()


async def photograph_desktop(browser: Browser) -> None:
    """Start a desktop with programs, take its picture, end everything."""
    with tempfile.TemporaryDirectory() as directory:
        daemon, link = await started(directory)
        programs = [
            await asyncio.create_subprocess_exec(
                *vizproxy(directory, "run", "--name", name, "--framebuffer", "512MiB"),
                *("--", *command),
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
            )
            for name, *command in PROGRAMS
        ]
        try:
            await photograph(browser, link)
        finally:
            for process in (*programs, daemon):
                process.terminate()
                await process.wait()


async def photograph_checkup(browser: Browser) -> None:
    """Start a desktop that lacks VirtualGL on what it takes for a GPU, and ask it why."""
    with tempfile.TemporaryDirectory() as directory:
        daemon, link = await started(
            directory,
            VIZPROXY_DISPLAY_GPU_DRIVER="dummy",
            VIZPROXY_DISPLAY_VIRTUALGL_DIR="/opt/VirtualGL-3.0",
        )
        try:
            page = await browser.new_page(viewport={"width": 1000, "height": 700})
            await page.goto(link)
            await page.wait_for_selector("html[data-state=connected]", state="attached")
            await page.click("#advice-why")
            await page.wait_for_selector("#checkup-rows .finding")
            await page.screenshot(path=CHECKUP)
            await page.close()
        finally:
            daemon.terminate()
            await daemon.wait()


async def photograph_spawn(browser: Browser) -> None:
    """Ask a JupyterHub for a server with a GPU, and save the page on which to ask."""
    sys.path.insert(0, str(ROOT))
    from tests.kubernetes.cluster import Cluster  # noqa: PLC0415 - of the tests, beside the code
    from tests.kubernetes.dialog import SpawnDialog  # noqa: PLC0415
    from tests.kubernetes.hub import CHOICES, kube_hub, rendered  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as directory:
        config = await rendered(CHOICES)
        async with (
            kube_hub(Path(directory), config, Cluster([])) as hub,
            hub.browsing(browser, "ada") as page,
        ):
            await page.set_viewport_size({"width": 1000, "height": 560})
            dialog = SpawnDialog(page, hub)
            await dialog.open()
            await dialog.choose({"GPU": (await dialog.choices())["GPU"][1]})
            await page.screenshot(path=SPAWN)


if __name__ == "__main__":
    asyncio.run(main())

"""Takes the picture in README.md from the running product: `make screenshot`.

A real desktop, seen through headless Chromium, with real programs on it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import async_playwright

ROOT: Final = Path(__file__).resolve().parents[2]
PICTURE: Final = ROOT / ".github" / "desktop.png"
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


async def started(directory: str) -> tuple[asyncio.subprocess.Process, str]:
    """Start a desktop; return its process and its link, which it prints when it is ready."""
    command = vizproxy(directory, "serve", "--http", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    if process.stdout is None:
        raise RuntimeError("the daemon has no standard output")
    async for line in process.stdout:
        words = line.decode().split()
        if words and words[-1].startswith("http://"):
            return process, words[-1]
    raise RuntimeError("the desktop did not start")


async def photograph(link: str) -> None:
    """Open the page and save what it shows once the programs have drawn themselves."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        await page.goto(link)
        await page.wait_for_selector("html[data-state=connected]", state="attached")
        await page.keyboard.press("Control+Alt+Shift+A")  # the list of apps
        await page.wait_for_timeout(4000)
        await page.screenshot(path=PICTURE)
        await browser.close()


async def main() -> None:
    """Start everything, take the picture, end everything."""
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
            await photograph(link)
        finally:
            for process in (*programs, daemon):
                process.terminate()
                await process.wait()


if __name__ == "__main__":
    asyncio.run(main())

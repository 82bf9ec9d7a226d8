"""The wheel, as someone who has only the wheel gets it.

It is built from this checkout, installed into a fresh environment outside it, and started there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support import eventually

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "container" / "build" / "requirements.lock"
# What would let the installed daemon see this checkout
CHECKOUT_VARIABLES = ("PYTHONPATH", "VIRTUAL_ENV")
ENABLED = "etc/jupyter/jupyter_server_config.d/vizproxy.json"
"""What makes a Jupyter server load the extension."""


def run(*command: str | Path) -> None:
    """Run a command that has to succeed; its output is in the error when it does not."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out),
        ROOT,
    )
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def files(wheel: Path) -> frozenset[str]:
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` directory of an environment that holds the wheel and the locked packages."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", environment)
    pip = (environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile")
    run(*pip, "--require-hashes", "-r", LOCK)
    run(*pip, "--no-deps", wheel)
    return environment / "bin"


def under(files: frozenset[str], prefix: str) -> set[str]:
    return {name.removeprefix(prefix) for name in files if name.startswith(prefix)}


def checkout(directory: str, pattern: str = "*") -> Iterator[str]:
    """The files of a directory of the checkout, relative to it."""
    root = ROOT / directory
    for path in root.rglob(pattern):
        if path.is_file() and not {"node_modules", "novnc", "__pycache__"} & set(path.parts):
            yield str(path.relative_to(root))


class TestContent:
    def test_every_module_is_in(self, files: frozenset[str]) -> None:
        assert {*checkout("vizproxy", "*.py"), "py.typed"} <= under(files, "vizproxy/")

    def test_the_page_is_in(self, files: frozenset[str]) -> None:
        page = under(files, "vizproxy/web/")
        assert set(checkout("vizproxy/web")) <= page
        assert {"index.html", "package-lock.json"} <= page

    def test_the_server_templates_are_in(self, files: frozenset[str]) -> None:
        templates = under(files, "vizproxy/xorg-configs/")
        assert templates == set(checkout("xorg-configs"))
        assert templates

    def test_novnc_is_in_with_its_licences(self, files: frozenset[str]) -> None:
        novnc = under(files, "vizproxy/web/novnc/")
        assert {
            "LICENSE.txt",
            "core/rfb.js",
            "docs/LICENSE.MPL-2.0",
            "package.json",
            "vendor/pako/LICENSE",
            "vendor/pako/lib/zlib/inflate.js",
        } <= novnc

    def test_what_jupyter_needs_is_in(self, files: frozenset[str]) -> None:
        assert set(checkout("vizproxy/jupyter")) <= under(files, "vizproxy/jupyter/")
        (data,) = {name.partition("/")[0] for name in files if ".data/" in name}
        assert under(files, f"{data}/data/") == {ENABLED}

    def test_nothing_else_is_in(self, files: frozenset[str]) -> None:
        tops = {name.partition("/")[0] for name in files}
        assert {top for top in tops if not top.endswith((".data", ".dist-info"))} == {"vizproxy"}
        assert not [name for name in files if "node_modules" in name or "__pycache__" in name]


class Daemon:
    """``vizproxy serve`` of the installed wheel, with nothing of its own but a directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runtime_dir = home / "run"
        self.socket = self.runtime_dir / "http.sock"
        self.log = home / "daemon.log"

    @contextlib.asynccontextmanager
    async def running(self, program: Path) -> AsyncIterator[asyncio.subprocess.Process]:
        environment = {k: v for k, v in os.environ.items() if k not in CHECKOUT_VARIABLES}
        environment |= {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home)}
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(program, "serve", "--plan", "software", "--runtime-dir", self.runtime_dir),
                cwd=self.home,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def get(self, path: str) -> tuple[int, str]:
        connector = aiohttp.UnixConnector(str(self.socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://vizproxy{path}") as response,
        ):
            return response.status, await response.text()

    async def is_ready(self) -> bool:
        try:
            status, _ = await self.get("/readyz")
        except aiohttp.ClientConnectionError:
            return False
        return status == 200


def test_the_extension_is_enabled_where_the_wheel_is_installed(
    installed: Path, tmp_path: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in CHECKOUT_VARIABLES}
    done = subprocess.run(
        (installed / "jupyter-server", "extension", "list"),
        env={**environment, "HOME": str(tmp_path), "NO_COLOR": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert "vizproxy.jupyter enabled" in said
    assert re.search(r"^ *vizproxy\.jupyter \S* *OK$", said, re.MULTILINE), said


async def test_the_installed_daemon_serves_the_page_and_leaves_nothing(
    installed: Path, tmp_path: Path
) -> None:
    daemon = Daemon(tmp_path)
    async with daemon.running(installed / "vizproxy") as process:

        async def ready() -> bool:
            assert process.returncode is None, daemon.log.read_text()
            return await daemon.is_ready()

        await eventually(ready, timeout=30)
        page_status, page = await daemon.get("/")
        novnc_status, novnc = await daemon.get("/novnc/core/rfb.js")
        process.terminate()
        exit_code = await asyncio.wait_for(process.wait(), timeout=20)

    assert (page_status, novnc_status) == (200, 200)
    assert "<html" in page
    assert "class RFB" in novnc
    assert exit_code == 0, daemon.log.read_text()
    left = [path for path in daemon.runtime_dir.rglob("*") if not path.is_dir()]
    assert left == []

"""The whole desktop as a user without any right: no capability, no new privileges, no account."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.support import ROOT, children_of, running_daemon, window_on

NOBODY_ID = 12345
PACKAGES = sysconfig.get_path("purelib")
PYTHON_PATH = f"{ROOT}{os.pathsep}{PACKAGES}"
SETPRIV = (
    *("setpriv", "--reuid", str(NOBODY_ID), "--regid", str(NOBODY_ID), "--clear-groups"),
    *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
)
TRIAL = """
import subprocess, sys
import vizproxy.cli.serve, websockify, PIL.Image
# setpriv still found the program with root's rights; this finds it without.
subprocess.run([sys.executable, "-c", ""], check=True)
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


def interpreter():
    """A Python that anybody may run and that can load this one's packages.

    This one may lie in a home directory that is closed to others.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}")
    for candidate in candidates:
        if not Path(candidate).exists():
            continue
        tried = subprocess.run(
            [*SETPRIV, candidate, "-c", TRIAL],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": PYTHON_PATH},
            cwd="/",
            capture_output=True,
            check=False,
        )
        if tried.returncode == 0:
            return candidate
    return None


@pytest.fixture
def closed_directory():
    """A directory that belongs to the user. pytest's own lie below one that is closed to others."""
    path = Path(tempfile.mkdtemp(prefix="vizproxy-test-", dir="/tmp"))
    os.chown(path, NOBODY_ID, NOBODY_ID)
    yield path
    shutil.rmtree(path)


@pytest.mark.slow
async def test_the_desktop_needs_no_rights(closed_directory):
    python = interpreter()
    if python is None:
        pytest.skip("no Python that other users may run can load this one's packages")
    running = running_daemon(
        closed_directory,
        command=(*SETPRIV, python, "-m", "vizproxy.cli.main"),
        PYTHONPATH=PYTHON_PATH,
        PYTHONDONTWRITEBYTECODE="1",
        HOME="/nonexistent",
    )
    async with running as daemon, daemon.viewer() as viewer:
        for process in (psutil.Process(daemon.pid), *children_of(daemon.pid)):
            assert set(process.uids()) == {NOBODY_ID}, process
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "CapEff:\t0000000000000000" in status
            assert "CapBnd:\t0000000000000000" in status
            assert "NoNewPrivs:\t1" in status
        async with window_on(daemon):
            await viewer.until(lambda: viewer.pixel(100, 100) == (255, 0, 0))
        async with daemon.session() as session:
            body = {"width": 1001, "height": 777}
            async with session.put("api/v1/display", json=body) as response:
                assert response.status == 200
        await viewer.until(lambda: (viewer.width, viewer.height) == (1001, 777))
        assert await daemon.end() == 0
    assert list(closed_directory.iterdir()) == [daemon.log]

"""Fixtures of the tests of what is published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

MAKE_LAUNCHER = ROOT / "container" / "build" / "make_launcher.py"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher as an image has it."""
    made = tmp_path_factory.mktemp("image") / "vizproxy-share"
    subprocess.run((sys.executable, MAKE_LAUNCHER, made), check=True, capture_output=True)
    return made

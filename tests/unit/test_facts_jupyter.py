"""How vizproxy is wired into Jupyter, by the files of a made-up environment."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from jupyter_core import paths

from tests.unit.factual import make, told
from vizproxy.facts import jupyter
from vizproxy.facts.model import Fact, Jupyter, known, unknown

ON = json.dumps({"ServerApp": {"jpserver_extensions": {"vizproxy.jupyter": True}}}).encode()
OFF = ON.replace(b"true", b"false")
FRAGMENT = "etc/jupyter/jupyter_server_config.d/vizproxy.json"


def installed(**packages: str) -> Callable[[str], str]:
    """A stand-in for the metadata of installed packages."""

    def version(package: str) -> str:
        try:
            return packages[package.replace("-", "_")]
        except KeyError:
            raise importlib.metadata.PackageNotFoundError(package) from None

    return version


SERVER = installed(jupyter_server="2.21.1")


def look(root: Path, **environ: str) -> Jupyter:
    found = jupyter.read({"HOME": str(root / "home"), **environ}, root, root / "env", SERVER)
    assert told(found)
    assert found.value is not None
    return found.value


def test_no_jupyter(tmp_path: Path) -> None:
    assert jupyter.read({}, tmp_path, tmp_path, installed()) == unknown(
        "there is no Jupyter server in this environment: jupyter_server is not installed"
    )


def test_versions(tmp_path: Path) -> None:
    version = installed(jupyter_server="2.21.1", jupyter_server_proxy="4.6.0")
    found = jupyter.read({}, tmp_path, tmp_path, version).value
    assert found is not None
    assert (found.server, found.proxy) == (known("2.21.1"), known("4.6.0"))
    assert found.lab == unknown("jupyterlab is not installed")


# ------------------------------------------------------------------------------- the extension


@pytest.mark.parametrize(
    "path",
    [
        f"env/{FRAGMENT}",
        f"usr/local/{FRAGMENT}",
        FRAGMENT,
        "home/.jupyter/jupyter_server_config.json",
        "home/.jupyter/jupyter_server_config.d/any.json",
    ],
)
def test_enabled_wherever_jupyter_looks(tmp_path: Path, path: str) -> None:
    assert look(tmp_path).enabled == known(False)
    make(tmp_path, path, content=ON)
    assert look(tmp_path).enabled == known(True)


def test_the_stronger_file_decides(tmp_path: Path) -> None:
    make(tmp_path, FRAGMENT, content=ON)
    make(tmp_path, f"env/{FRAGMENT}", content=OFF)
    assert look(tmp_path).enabled == known(False)
    make(tmp_path, f"told/{FRAGMENT}", content=ON)
    told_place = str(tmp_path / "told/etc/jupyter")
    assert look(tmp_path, JUPYTER_CONFIG_PATH=told_place).enabled == known(True)


@pytest.mark.parametrize(("first", "expected"), [("0", False), ("yes", True)])
def test_home_or_environment(tmp_path: Path, first: str, expected: bool) -> None:
    make(tmp_path, f"env/{FRAGMENT}", content=ON)
    make(tmp_path, "home/.jupyter/jupyter_server_config.json", content=OFF)
    assert look(tmp_path, JUPYTER_PREFER_ENV_PATH=first).enabled == known(expected)


def test_a_file_goes_before_its_fragments(tmp_path: Path) -> None:
    make(tmp_path, "env/etc/jupyter/jupyter_server_config.json", content=OFF)
    make(tmp_path, f"env/{FRAGMENT}", content=ON)
    assert look(tmp_path).enabled == known(False)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"ServerApp": 1}', b"[" * 50_000])
def test_files_that_say_nothing(tmp_path: Path, content: bytes) -> None:
    make(tmp_path, "home/.jupyter/jupyter_server_config.json", content=content)
    make(tmp_path, f"env/{FRAGMENT}", content=ON)
    assert look(tmp_path).enabled == known(True)


def test_jupyter_without_any_configuration(tmp_path: Path) -> None:
    make(tmp_path, f"env/{FRAGMENT}", content=ON)
    assert look(tmp_path, JUPYTER_NO_CONFIG="1").enabled == known(False)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"JUPYTER_PREFER_ENV_PATH": "1"},
        {"JUPYTER_PREFER_ENV_PATH": "off"},
        {"JUPYTER_CONFIG_DIR": "/data/jupyter"},
        {"JUPYTER_CONFIG_PATH": "/a:/b", "PYTHONUSERBASE": "/data/base"},
    ],
)
def test_the_directories_are_jupyters_own(
    tmp_path: Path, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("JUPYTER_")]:
        monkeypatch.delenv(name)
    for name, value in {"HOME": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, value)
    prefix = Path(sys.prefix)
    ours = jupyter._config_directories(os.environ, Path("/"), prefix)
    assert [str(place) for place in ours] == paths.jupyter_config_path()


# --------------------------------------------------------------------------------- the command


DEBIAN = b"""if [ "$(id -u)" -eq 0 ]; then
  PATH="%s"
else
  PATH="%s"
fi
export PATH
"""


def make_command(directory: Path) -> str:
    make(directory, "vizproxy", content=b"#!/bin/sh\n")
    (directory / "vizproxy").chmod(0o755)
    return str(directory / "vizproxy")


def test_the_command_where_a_profile_sets_the_path_anew(tmp_path: Path) -> None:
    own, system = tmp_path / "env/bin", tmp_path / "usr/local/bin"
    path = str(system).encode()
    make(tmp_path, "etc/profile", content=DEBIAN % (path, path))
    make_command(own)
    missing = f"it is not on the PATH of login shells, {system}"
    assert look(tmp_path, PATH=str(own)).command == unknown(missing)
    link = make_command(system)
    assert look(tmp_path, PATH=str(own)).command == known(link)


@pytest.mark.parametrize(
    "profile", [b"", b'PATH="/opt/bin:$PATH"\nexport PATH\n', b"pathmunge /x\n"]
)
def test_the_command_where_the_path_is_kept(tmp_path: Path, profile: bytes) -> None:
    make(tmp_path, "etc/profile", content=profile)
    elsewhere = make_command(tmp_path / "elsewhere")
    assert look(tmp_path, PATH=str(tmp_path / "elsewhere")).command == known(elsewhere)


def test_the_command_of_the_environment(tmp_path: Path) -> None:
    """The server extension adds it to the PATH of terminals."""
    own = make_command(tmp_path / "env/bin")
    assert look(tmp_path, PATH="/nowhere").command == known(own)


def test_nothing_of_jupyter_is_imported() -> None:
    script = (
        "import sys; from vizproxy.facts import jupyter; jupyter.read();"
        "print([name for name in sys.modules if name.split('.')[0].startswith('jupyter')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_here() -> None:
    found: Fact[Jupyter] = jupyter.read()
    assert told(found)
    assert found.value is not None
    assert found.value.server == known(importlib.metadata.version("jupyter-server"))

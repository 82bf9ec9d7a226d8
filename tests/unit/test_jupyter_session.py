"""What a Jupyter server does when the desktop tells something new."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.support import eventually
from tests.unit.libraries import X11, other
from vizproxy import virtualgl
from vizproxy.jupyter.session import Session
from vizproxy.jupyter.sidecar import SidecarDesktop
from vizproxy.jupyter.surroundings import Surroundings
from vizproxy.virtualgl import FAKERS

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


async def test_a_virtualgl_that_is_published_later_is_found_when_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desktop publishes when it is up, and tells again then where it is."""
    monkeypatch.setattr(virtualgl, "DEFAULT_DIRECTORY", tmp_path / "none")
    session = Session(cast("ServerApp", None), {"PATH": ""})
    session._desktop = SidecarDesktop(tmp_path / "http.sock")
    process: dict[str, str] = {}
    terminals: dict[str, str] = {}
    session._surroundings = Surroundings(
        process=process,
        terminals=terminals,
        socket=session._desktop.socket,
        overrides=True,
        virtualgl_for=session._settings.virtualgl,
        find_virtualgl=lambda: session._virtualgl,
    )
    await session._find_virtualgl()
    session._desktop_is({"DISPLAY": ":7"}, ":8")

    async def is_idle() -> bool:
        return not session._tasks

    await eventually(is_idle)
    assert (process, terminals) == ({"DISPLAY": ":7"}, {})
    libraries = tmp_path / "share" / "VirtualGL" / "lib64"
    for name in FAKERS:
        other(X11, libraries / name)
    session._desktop_is({"DISPLAY": ":7"}, None)
    assert not session._tasks, "nobody needs it"
    session._desktop_is({"DISPLAY": ":7"}, ":8")
    await eventually(is_idle)
    assert terminals["LD_LIBRARY_PATH"] == str(libraries)
    assert terminals["VGL_DISPLAY"] == ":8"
    session._desktop_is({"DISPLAY": ":7"}, ":8")
    assert not session._tasks, "it is known"

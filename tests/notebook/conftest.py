"""Fixtures of the notebooks' tests."""

from __future__ import annotations

import pytest

from tests.broker.conftest import desk
from tests.broker.desk import Desk
from tests.cli.conftest import compiled_once
from vizproxy import AsyncDesktop, Desktop

__all__ = ["compiled_once", "desk"]


@pytest.fixture
def desktop(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desktop:
    """The module's desktop, as a notebook finds it."""
    monkeypatch.setenv("VIZPROXY_SOCKET", str(desk.socket))
    return Desktop()


@pytest.fixture
def async_desktop(desktop: Desktop) -> AsyncDesktop:
    """The same, for whoever can wait."""
    return AsyncDesktop(desktop.socket)

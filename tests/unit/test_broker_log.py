"""The broker: what it writes into the log says which app it is about."""

from __future__ import annotations

import logging

import pytest

from tests.unit.brokerdesk import NO_TIME, Desk, shown
from tests.unit.broking import LIMITS
from vizproxy.broker import broker
from vizproxy.errors import AdmissionError


async def test_lines_about_an_app_carry_its_lease(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("vizproxy"), "propagate", True)
    monkeypatch.setattr(broker, "BACKSTOP_SECONDS", 0.0)
    caplog.set_level(logging.INFO, logger="vizproxy")
    desk = Desk(NO_TIME)
    async with desk.running():
        await desk.starts(pids=(10,))
        await desk.sees(*shown(1, 10))
        await desk.broker.stop("voreen-1")
        assert await desk.broker.until(lambda: bool(desk.session.done), 5)
        await desk.sees()
        desk.broker.end("voreen-1", "it has ended")
        await desk.starts("mesher")
        desk.broker.end("mesher-2", "exited with status 3", failed=True, output=("a secret",))
        with pytest.raises(AdmissionError):
            await desk.starts("huge", 2 * LIMITS.framebuffer)
    assert [
        (record.levelname, getattr(record, "lease", None), record.getMessage().partition(":")[0])
        for record in caplog.records
    ] == [
        ("INFO", "voreen-1", "voreen-1 got a lease"),
        ("INFO", "voreen-1", "voreen-1 is being ended"),
        ("WARNING", "voreen-1", "voreen-1 does not end; its connection to the X server is cut"),
        ("INFO", "voreen-1", "the lease of voreen-1 has ended"),
        ("INFO", "mesher-2", "mesher-2 got a lease"),
        ("ERROR", "mesher-2", "mesher-2 exited with status 3"),
        ("WARNING", None, "cannot start huge"),
    ]
    assert "secret" not in caplog.text

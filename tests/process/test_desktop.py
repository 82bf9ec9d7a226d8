"""The desktop starts, in order, and beside others."""

import time

import pytest

from tests.support import part, running_daemon

BACKGROUND = (0x2B, 0x30, 0x3B)


async def test_a_viewer_sees_the_desktop_once_it_is_ready(tmp_path):
    began = time.monotonic()
    async with running_daemon(tmp_path) as daemon:
        took = time.monotonic() - began
        print(f"start-up: {took:.2f} s from exec to ready")  # noqa: T201
        status = await daemon.status()
        assert status["picture"]
        assert {c["state"] for c in status["components"]} == {"ready"}
        async with daemon.viewer() as viewer:
            assert viewer.name == "vizproxy"
            assert (viewer.width, viewer.height) == (1600, 900)
            await viewer.until(lambda: viewer.pixel(100, 100) == BACKGROUND)
    assert "ready in " in daemon.log.read_text()


async def test_children_start_once_what_they_need_is_ready(daemon):
    lines = daemon.log.read_text().splitlines()

    def when(component, transition):
        return next(n for n, text in enumerate(lines) if component in text and transition in text)

    xorg_ready = when("xorg", "starting -> ready")
    assert when("wm ", "stopped -> starting") > xorg_ready
    assert when("x11vnc", "stopped -> starting") > xorg_ready
    assert when("websockify", "stopped -> starting") < xorg_ready


async def test_what_waits_says_for_what(tmp_path):
    never = tmp_path / "never"
    never.write_text("#!/bin/sh\nexec sleep 1000\n")
    never.chmod(0o755)
    settings = {"VIZPROXY_PROGRAMS_XORG": str(never), "VIZPROXY_DISPLAY_NUMBER": ""}
    async with running_daemon(tmp_path, wait=False, **settings) as daemon:
        status = await daemon.until(lambda s: part(s, "websockify")["state"] == "ready")
        assert status["state"] == "starting"
        assert status["summary"] == "waiting for: X server, VNC server"
        assert part(status, "xorg")["state"] == "starting"
        assert part(status, "x11vnc")["state"] == "stopped"
        assert part(status, "x11vnc")["reason"] == "waits for the X server"
        assert status["display"] is None
        assert status["environment"] == {}


@pytest.mark.slow
async def test_two_daemons_have_a_display_each(tmp_path):
    async with (
        running_daemon(tmp_path / "one", wait=False) as one,
        running_daemon(tmp_path / "two", wait=False) as two,
    ):
        await one.ready()
        await two.ready()
        assert await one.display_number() != await two.display_number()
        async with one.viewer() as at_one, two.viewer() as at_two:
            await at_one.until(lambda: at_one.pixel(9, 9) == BACKGROUND)
            await at_two.until(lambda: at_two.pixel(9, 9) == BACKGROUND)


async def test_a_display_number_that_was_asked_for(daemon, tmp_path):
    taken = await daemon.display_number()
    number = str(taken)
    second = running_daemon(tmp_path / "2", wait=False, VIZPROXY_DISPLAY_NUMBER=number)
    async with second as refused:
        assert await refused.ended() == 75
        assert "another X server runs there" in refused.log.read_text()

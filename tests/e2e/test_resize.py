"""The desktop is as large as the window, or the picture is fitted to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import NewViewer
from tests.e2e.viewer import BACKGROUND, RED, Observer, Viewer, link_to, observer_on
from tests.support import Daemon, eventually, running_daemon

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def resize_window(viewer: Viewer, width: int, height: int) -> None:
    await viewer.page.set_viewport_size({"width": width, "height": height})


async def root_gets(observer: Observer, width: int, height: int) -> None:
    """Wait until the program hears that the X screen has a size."""
    while True:
        told = await observer.next("root")
        if (told["width"], told["height"]) == (width, height):
            return


async def size_of(desktop: Daemon) -> tuple[int, int]:
    display = (await desktop.status())["display"]
    return display["width"], display["height"]


async def test_the_desktop_follows_the_window(viewer: Viewer, desktop: Daemon) -> None:
    await viewer.is_of_size(1000, 700)
    async with observer_on(desktop) as observer:
        for width, height in [(801, 603), (1333, 777), (640, 901), (1000, 700)]:
            await resize_window(viewer, width, height)
            await root_gets(observer, width, height)
            await viewer.is_of_size(width, height)
            await viewer.sees(RED, 150, 150)
            await viewer.sees(BACKGROUND, width - 1, height - 1)
            canvas = await viewer.canvas()
            assert (canvas["width"], canvas["height"]) == (width, height), "pixel by pixel"
            assert (canvas["left"], canvas["top"]) == (0, 0)
            assert await size_of(desktop) == (width, height)
    assert await viewer.state() == "connected"
    assert not viewer.problems


async def test_many_sizes_in_a_row_end_with_the_last(viewer: Viewer, desktop: Daemon) -> None:
    async with observer_on(desktop) as observer:
        for step in range(30):
            await resize_window(viewer, 700 + 13 * step, 500 + 7 * step)
        await root_gets(observer, 700 + 13 * 29, 500 + 7 * 29)
        await viewer.is_of_size(700 + 13 * 29, 500 + 7 * 29)
        await viewer.sees(RED, 150, 150)
    assert [seen["state"] for seen in await viewer.states()][-1] == "connected"


async def test_clicks_hit_after_a_resize(viewer: Viewer, desktop: Daemon) -> None:
    async with observer_on(desktop, "--place", "300x200+900+600") as observer:
        await resize_window(viewer, 1201, 803)
        await viewer.is_of_size(1201, 803)
        await viewer.sees(RED, 1199, 799)
        await viewer.click(1199, 799)
        told = await observer.next("button")
        assert (told["x"], told["y"]) == (1199, 799)


async def test_scale_keeps_the_desktop_and_fits_the_picture(
    viewer: Viewer, desktop: Daemon
) -> None:
    await viewer.is_of_size(1000, 700)
    await viewer.choose_mode("scale")
    async with observer_on(desktop) as observer:
        await resize_window(viewer, 500, 600)

        async def fitted() -> bool:
            canvas = await viewer.canvas()
            return bool((canvas["width"], canvas["height"]) == (500, 350))

        await eventually(fitted)
        canvas = await viewer.canvas()
        assert canvas["top"] == 125, "in the middle"
        await viewer.sees(RED, 150, 150)
        await viewer.click(250, 180)
        told = await observer.next("button")
        assert abs(told["x"] - 250) <= 1
        assert abs(told["y"] - 180) <= 1
        assert await size_of(desktop) == (1000, 700)
        assert not [event for event in observer.told if event["event"] == "root"]

        await viewer.choose_mode("resize")
        await root_gets(observer, 500, 600)
        await viewer.is_of_size(500, 600)


async def test_actual_size_scrolls(viewer: Viewer, desktop: Daemon) -> None:
    await viewer.is_of_size(1000, 700)
    await viewer.choose_mode("actual")
    async with observer_on(desktop, "--place", "100x100+890+590") as observer:
        await resize_window(viewer, 500, 400)
        canvas = await viewer.canvas()
        assert (canvas["width"], canvas["height"]) == (1000, 700)
        await viewer.page.evaluate(
            "for (const e of document.querySelectorAll('#screen, #screen *')) e.scrollTo(9e3, 9e3)"
        )
        assert (await viewer.canvas())["left"] <= -500, "the far corner can be reached"
        await viewer.sees(RED, 950, 650)
        await viewer.click(950, 650)
        told = await observer.next("button")
        assert (told["x"], told["y"]) == (950, 650)
        assert await size_of(desktop) == (1000, 700)


async def test_the_mode_is_remembered(viewer: Viewer, desktop: Daemon) -> None:
    await viewer.choose_mode("scale")
    await viewer.page.reload()
    await viewer.reaches("connected")
    scale = viewer.frame.locator("#modes [data-mode=scale]")
    assert await scale.get_attribute("aria-checked") == "true"
    before = await size_of(desktop)
    await resize_window(viewer, 777, 555)
    await viewer.choose_mode("resize")
    await viewer.is_of_size(777, 555)
    assert before != (777, 555)
    await viewer.page.reload()
    await viewer.reaches("connected")
    resize = viewer.frame.locator("#modes [data-mode=resize]")
    assert await resize.get_attribute("aria-checked") == "true"


async def test_a_dense_screen(desktop: Daemon, link: str, new_viewer: NewViewer) -> None:
    viewer = await new_viewer(640, 480, device_scale_factor=2)
    await viewer.open(link)
    await viewer.is_of_size(640, 480)
    canvas = await viewer.canvas()
    assert (canvas["width"], canvas["height"]) == (640, 480)
    async with observer_on(desktop, "--place", "100x100+500+300") as observer:
        await viewer.sees(RED, 599, 399)
        await viewer.click(599, 399)
        told = await observer.next("button")
        assert (told["x"], told["y"]) == (599, 399)


async def test_a_window_too_small_for_a_desktop(viewer: Viewer, desktop: Daemon) -> None:
    await viewer.is_of_size(1000, 700)
    await resize_window(viewer, 90, 63)  # as in a notebook whose tab is being folded
    await resize_window(viewer, 90, 64)
    await viewer.is_of_size(90, 64)
    await resize_window(viewer, 600, 400)
    await viewer.is_of_size(600, 400)
    assert not await viewer.frame.locator("#toasts p").count()


async def test_a_window_larger_than_the_desktop_may_become(
    tmp_path: Path, new_viewer: NewViewer
) -> None:
    limited = running_daemon(
        tmp_path,
        *("--http", "127.0.0.1:0", "--size", "640x480"),
        VIZPROXY_DISPLAY_MAX_SIZE="800x600",
    )
    async with limited as daemon:
        viewer = await new_viewer(1600, 900)
        await viewer.open(await link_to(daemon))
        await viewer.is_of_size(800, 600)
        canvas = await viewer.canvas()
        assert (canvas["width"], canvas["height"]) == (1200, 900), "scaled up to fit"
        async with observer_on(daemon) as observer:
            await viewer.sees(RED, 150, 150)
            await viewer.click(150, 150)
            told = await observer.next("button")
            assert abs(told["x"] - 150) <= 1
        assert not await viewer.frame.locator("#toasts p").count()

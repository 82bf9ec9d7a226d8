"""JupyterLab with a desktop of its own: the tile, terminals, the menu of programs, notebooks."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import vizproxy.jupyter
from tests.broker.desk import Desk
from tests.e2e.launching import Menu
from tests.e2e.panel import Panel
from tests.e2e.viewer import BACKGROUND, BLUE, GREEN, Colour, Viewer
from tests.jupyter.conftest import GREEN as GREEN_CODE
from tests.jupyter.installed import install, window_program
from tests.jupyter.jupyterlab import JupyterLab
from tests.jupyter.labpage import LabPage
from tests.jupyter.processes import programs_of
from tests.support import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

ICON = Path(vizproxy.jupyter.__file__).with_name("desktop.svg")
SECTION = ".jp-Launcher-section"
FULL_SCREEN = "document.fullscreenElement?.tagName ?? ''"


async def on_its_page(tab: LabPage, lab: JupyterLab, query: str = "") -> Viewer:
    """The desktop's page in a browser tab of its own."""
    viewer = Viewer(tab.page)
    await viewer.open(lab.page + query)
    return viewer


async def shows(viewer: Viewer, desk: Desk, title: str) -> None:
    """Wait until a window is there and there is something in its place in the picture."""
    place = (await desk.window(title))["geometry"]
    steps = (1, 3, 5, 7)
    spots = [
        (place["x"] + i * place["width"] // 8, place["y"] + j * place["height"] // 8)
        for i, j in itertools.product(steps, steps)
    ]

    async def check() -> bool:
        seen = {await viewer.pixel(x, y) for x, y in spots}
        return bool(seen - {BACKGROUND, None})

    await eventually(check, timeout=20)


async def is_of_colour(viewer: Viewer, desk: Desk, title: str, colour: Colour) -> None:
    """Wait until the picture has a window, of a colour, where the window is."""
    seen: object = None

    async def check() -> bool:
        nonlocal seen
        place = (await desk.window(title))["geometry"]
        seen = await viewer.pixel(
            place["x"] + place["width"] // 2, place["y"] + place["height"] // 2
        )
        return seen == colour

    await eventually(check, timeout=20, of=lambda: f"{colour} wanted, {seen} seen")


async def test_the_tile_opens_the_desktop_in_a_tab_of_jupyterlab(
    page: LabPage, lab: JupyterLab
) -> None:
    section = page.page.locator(SECTION).filter(has=page.card("Desktop"))
    assert await section.locator(".jp-Launcher-sectionTitle").inner_text() == "Notebook"
    icon = page.card("Desktop").locator("img")
    assert await icon.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    async with lab.get("server-proxy/icon/desktop") as response:
        assert response.content_type == "image/svg+xml"
        assert await response.read() == ICON.read_bytes()

    viewer = await page.desktop()
    await viewer.sees(BACKGROUND, 200, 200)
    assert viewer.frame.url == lab.page
    assert page.page.url.startswith(f"{lab.url}lab/"), "it is in JupyterLab"
    frame = viewer.frame.locator

    button = frame("#fullscreen")
    for wanted, label in (("IFRAME", "Leave full screen"), ("", "Full screen")):
        await frame("#handle").hover()
        await button.click()
        await frame(f"#fullscreen[aria-label='{label}']").wait_for(state="attached")
        assert await page.page.evaluate(FULL_SCREEN) == wanted
        await frame("#screen").hover(position={"x": 300, "y": 300})

    await frame("#handle").hover()
    async with page.page.context.expect_page() as opening:
        await frame("#new-tab").click()
    other = Viewer(await opening.value)
    await other.reaches("connected")
    assert other.page.url == lab.page
    await other.sees(BACKGROUND, 200, 200)


async def test_programs_of_a_terminal_are_on_the_desktop(page: LabPage, desk: Desk) -> None:
    terminal = await page.terminal()
    await terminal.type("vizproxy run xclock &")
    await terminal.type("xeyes &")
    clock = await desk.app("xclock", lambda app: app["windows"], limit=20)
    eyes = await desk.app("xeyes", lambda app: app["windows"])
    assert clock["leased"]
    assert not eyes["leased"], "it was started without `vizproxy run`"
    viewer = await page.desktop()
    panel = Panel(viewer)
    await panel.open()
    for name in ("xclock", "xeyes"):
        await panel.app(name).wait_for()
        await panel.window(name).wait_for()
        await shows(viewer, desk, name)


async def test_the_menu_starts_programs_beside_jupyter(
    tab: LabPage, lab: JupyterLab, desk: Desk
) -> None:
    viewer = await on_its_page(tab, lab)
    panel = Panel(viewer)
    menu = Menu(panel)
    await panel.open()
    await menu.open()
    await viewer.frame.locator(".entry[data-icon=shown]", has_text="Meadow").wait_for()
    sections = await menu.sections()
    assert sections[0] == ("Favourites", ["Brain"]), "what has a tile"
    assert "Meadow" in dict(sections)["Graphics"]
    await menu.search.fill("meadow")
    await menu.lists(("", ["Meadow"]))
    await menu.entry("Meadow").click()
    await is_of_colour(viewer, desk, "Grass", GREEN)
    app = await desk.app("Meadow")
    assert app["leased"]
    ours = {process.pid for process in programs_of(lab.directory)}
    assert set(app["pids"]) <= ours, "it has the environment of the server"
    assert (await desk.window("Grass"))["app"] == app["id"]
    await panel.window("Grass").wait_for()

    await menu.open()
    await menu.entry("Broken").click()
    message = viewer.frame.locator("#messages .notice", has_text="Broken")
    await message.wait_for()
    output = message.locator("pre").first
    await eventually(lambda: _text_is(output, "no licence\ntry again"))


async def _text_is(locator, text: str) -> bool:
    return bool(text in (await locator.text_content() or ""))


async def test_a_program_that_is_installed_later_comes_into_the_menu(
    tab: LabPage, lab: JupyterLab, desk: Desk
) -> None:
    viewer = await on_its_page(tab, lab)
    install(lab.home, "later", "Latecomer", window_program("Late", GREEN_CODE))
    panel = Panel(viewer)
    await panel.open()
    await Menu(panel).open()
    await Menu(panel).entry("Latecomer").click()
    await desk.window("Late")


async def test_a_notebook_sees_the_desktop(page: LabPage, lab: JupyterLab, desk: Desk) -> None:
    notebook = await page.notebook()
    shot = await notebook.run("from vizproxy import Desktop\nDesktop().screenshot()")
    picture = shot.locator("img")
    await picture.wait_for()
    assert (await picture.get_attribute("src") or "").startswith("data:image/png;base64,")
    size = await picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    display = (await desk.daemon.status())["display"]
    assert size == [display["width"], display["height"]]

    await notebook.run("import subprocess; eyes = subprocess.Popen(['xeyes'])")
    eyes = await desk.app("xeyes", lambda app: app["windows"], limit=20)
    assert not eyes["leased"], "the kernel has DISPLAY and XAUTHORITY"

    await notebook.run("Desktop().display")
    viewer = await page.framed("/desktop/")
    await viewer.reaches("connected")
    assert viewer.frame.url.startswith(lab.page)

    program = window_program("Started in a cell", GREEN_CODE)
    told = await notebook.run(f"app = Desktop().run({list(program)!r}, name='cell'); app.id")
    assert (await desk.app("cell"))["id"] in await told.inner_text()
    await is_of_colour(viewer, desk, "Started in a cell", GREEN)
    windows = await notebook.run("[window.title for window in Desktop().windows]")
    assert "Started in a cell" in await windows.inner_text()


async def test_a_programs_tile_opens_the_desktop_with_it_in_front(
    page: LabPage, desk: Desk
) -> None:
    viewer = await page.desktop("Brain")
    await is_of_colour(viewer, desk, "Cortex", BLUE)
    first = await desk.app("Brain")
    assert first["leased"]
    await page.close_tab("Brain")
    again = await page.desktop("Brain")
    await is_of_colour(again, desk, "Cortex", BLUE)
    assert [app["id"] for app in await desk.apps()] == [first["id"]], "it is raised, not started"

"""The icons of programs: where they are found, and in what form they are given out."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xdg.IconTheme import IconTheme

from tests.unit.installing import SVG, Installed, colour_of, noise, picture, size_of
from vizproxy.jupyter.icons import MAX_BYTES, MAX_SIDE, Icon, _distance, load, read

RED, GREEN, BLUE = (255, 0, 0), (0, 128, 0), (0, 0, 255)

XPM = b"""/* XPM */
static char * icon[] = {
"4 2 2 1",
"  c None",
". c #0000FF",
".. .",
" ..."};
"""


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def one(name: str, installed: Installed) -> Icon | None:
    return load([name], installed.environ).get(name)


def hicolor(installed: Installed) -> None:
    sizes = {f"{n}x{n}/apps": f"Size={n} Type=Threshold" for n in (16, 32, 48, 64, 256)}
    installed.theme(
        "hicolor", {**sizes, "scalable/apps": "Size=128 MinSize=8 MaxSize=512 Type=Scalable"}
    )


# ------------------------------------------------------------------------------------ where they are


def test_the_size_that_is_wanted_is_taken(installed: Installed) -> None:
    hicolor(installed)
    for size, colour in ((16, "red"), (48, "green"), (256, "blue")):
        installed.icon(f"icons/hicolor/{size}x{size}/apps/kate.png", picture(size, colour))
    found = one("kate", installed)
    assert found is not None
    assert found == Icon("image/png", picture(48, "green"))


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [((16, 32), 32), ((16, 64), 64), ((16, 256), 256), ((64, 256), 64), ((32, 64), 64)],
)
def test_or_else_the_nearest_that_is_not_smaller(
    sizes: tuple[int, ...], taken: int, installed: Installed
) -> None:
    hicolor(installed)
    for size in sizes:
        colour = "red" if size == taken else "blue"
        installed.icon(f"icons/hicolor/{size}x{size}/apps/kate.png", picture(size, colour))
    found = one("kate", installed)
    assert found is not None
    assert colour_of(found.data) == RED


def test_what_can_be_of_any_size_is_near(installed: Installed) -> None:
    hicolor(installed)
    installed.icon("icons/hicolor/64x64/apps/kate.png", picture(64))
    installed.icon("icons/hicolor/scalable/apps/kate.svg", SVG)
    assert one("kate", installed) == Icon("image/svg+xml", SVG)


@pytest.mark.parametrize(
    ("told", "distance"),
    [
        ("Size=48 Type=Fixed", 0),
        ("Size=24 Type=Fixed", 24),
        ("Size=24 Scale=2 Type=Fixed", 0),
        ("Size=64 Type=Fixed", 16),
        ("Size=46", 0),
        ("Size=45", 1),
        ("Size=40 Threshold=10", 0),
        ("Size=64 Type=Threshold", 14),
        ("Size=16 MinSize=8 MaxSize=32 Type=Scalable", 16),
        ("Size=128 MinSize=64 MaxSize=512 Type=Scalable", 16),
        ("Size=48 Type=Scalable", 0),
        ("Size=nonsense Type=Fixed", 48),
    ],
)
def test_distances(told: str, distance: int, installed: Installed) -> None:
    index = installed.theme("hicolor", {"apps": told})
    theme = IconTheme()
    theme.parse(str(index))
    assert _distance(theme, "apps")[1] == distance


def test_a_user_s_own_icons_come_first(installed: Installed) -> None:
    hicolor(installed)
    place = "icons/hicolor/48x48/apps/kate.png"
    installed.icon(place, picture(48, "blue"))
    installed.icon(place, picture(48, "red"), root=installed.own)
    found = one("kate", installed)
    assert found is not None
    assert colour_of(found.data) == RED


def test_other_themes_and_none(installed: Installed) -> None:
    hicolor(installed)
    installed.theme("Adwaita", {"48x48/legacy": "Size=48 Type=Fixed"})
    installed.icon("icons/Adwaita/48x48/legacy/utilities-terminal.png", picture(48, "green"))
    installed.icon("icons/hicolor/48x48/apps/both.png", picture(48, "red"))
    installed.icon("icons/Adwaita/48x48/legacy/both.png", picture(48, "blue"))
    installed.icon("pixmaps/old.xpm", XPM)
    installed.icon("icons/loose.svg", SVG)
    installed.icon(".icons/mine.svg", SVG, root=installed.home)
    wanted = ["utilities-terminal", "both", "old", "loose", "mine", "none"]
    found = load(wanted, installed.environ)
    assert found.keys() == set(wanted) - {"none"}
    assert colour_of(found["both"].data) == RED
    assert found["old"].media_type == "image/png"


@pytest.mark.parametrize("name", ["org.kde.kate", "kate.png", "kate.svg", "kate.xpm"])
def test_names_with_dots_and_suffixes(name: str, installed: Installed) -> None:
    hicolor(installed)
    for there in ("org.kde.kate", "kate"):
        installed.icon(f"icons/hicolor/48x48/apps/{there}.png", picture(48))
    assert one(name, installed) == Icon("image/png", picture(48))


def test_a_path(installed: Installed) -> None:
    path = installed.icon("opt/voreen.svg", SVG)
    assert one(str(path), installed) == Icon("image/svg+xml", SVG)
    link = path.with_name("link.svg")
    link.symlink_to(path)
    assert one(str(link), installed) == Icon("image/svg+xml", SVG)


def test_a_name_leads_nowhere_else(installed: Installed) -> None:
    hicolor(installed)
    installed.icon("icons/hicolor/secret.png", picture(48))
    for name in ("../secret", "../../secret", "apps/../../secret", "", ".", "..", "x\0y", "/x\0y"):
        assert one(name, installed) is None


def test_what_is_new_is_found(installed: Installed) -> None:
    hicolor(installed)
    installed.icon("icons/hicolor/48x48/apps/kate.png", picture(48))
    assert one("kate", installed)
    assert one("kwrite", installed) is None
    installed.icon("icons/hicolor/48x48/apps/kwrite.png", picture(48))
    assert one("kwrite", installed)


@pytest.mark.parametrize(
    "index",
    [b"", b"nonsense", b"[Icon Theme]\nDirectories=\n", b"\xff\0" * 99, b"x" * 1_100_000],
    ids=["empty", "nonsense", "no directories", "binary", "endless"],
)
def test_a_broken_theme_is_left_out(index: bytes, installed: Installed) -> None:
    installed.icon("icons/hicolor/index.theme", index)
    installed.icon("icons/hicolor/48x48/apps/kate.png", picture(48, "red"))
    installed.icon("pixmaps/kate.png", picture(48, "blue"))
    found = one("kate", installed)
    assert found is not None
    assert colour_of(found.data) == BLUE


def test_themes_that_are_no_files(installed: Installed) -> None:
    (installed.system / "icons" / "hicolor").mkdir(parents=True)
    os.mkfifo(installed.system / "icons" / "hicolor" / "index.theme")
    (installed.system / "icons" / "Adwaita" / "index.theme").mkdir(parents=True)
    installed.icon("pixmaps/kate.png", picture(48, "blue"))
    assert one("kate", installed)


# ------------------------------------------------------------------------------------- what they are


def test_a_large_picture_is_shrunk(installed: Installed) -> None:
    path = installed.icon("large.png", picture(512, "blue"))
    found = read(path)
    assert found.media_type == "image/png"
    assert size_of(found.data) == (MAX_SIDE, MAX_SIDE)
    assert colour_of(found.data) == BLUE


def test_a_picture_of_many_bytes_is_shrunk(installed: Installed) -> None:
    data = noise(600)
    assert len(data) > MAX_BYTES
    found = read(installed.icon("noise.png", data))
    assert len(found.data) <= MAX_BYTES


@pytest.mark.parametrize(
    ("form", "mode"), [("JPEG", "RGB"), ("GIF", "P"), ("ICO", "RGBA"), ("PNG", "L"), ("PNG", "1")]
)
def test_other_formats_become_png(form: str, mode: str, installed: Installed) -> None:
    found = read(installed.icon("x", picture(200, "white", form, mode)))
    assert found.data.startswith(b"\x89PNG")
    assert max(size_of(found.data)) <= MAX_SIDE


def test_xpm_becomes_png(installed: Installed) -> None:
    found = read(installed.icon("x.xpm", XPM))
    assert found.media_type == "image/png"
    assert size_of(found.data) == (4, 2)
    assert colour_of(found.data) == BLUE


BROKEN = {
    "empty": b"",
    "text": b"hello",
    "cut": picture(48)[:60],
    "cut in the middle": noise(100)[:5000],
    "a large SVG": SVG + b" " * MAX_BYTES,
    "a compressed SVG": gzip.compress(SVG),
    "too many pixels": picture(4100, mode="1", colour="white"),
    "another format": picture(48, form="BMP", mode="RGB"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_icon(name: str, installed: Installed) -> None:
    path = installed.icon("x.png", BROKEN[name])
    assert one(str(path), installed) is None


def test_a_picture_of_a_few_bytes_that_is_huge(installed: Installed) -> None:
    header = bytearray(picture(1, mode="1", colour="white"))
    header[16:24] = (60_000).to_bytes(4) * 2  # the size in IHDR
    assert one(str(installed.icon("bomb.png", bytes(header))), installed) is None


def test_only_files_are_read(installed: Installed) -> None:
    pipe, directory = installed.root / "pipe.png", installed.root / "directory.png"
    os.mkfifo(pipe)
    directory.mkdir()
    locked = installed.icon("locked.png", picture(48))
    endless = installed.root / "endless.png"
    endless.symlink_to("/dev/zero")
    around = installed.root / "around.png"
    around.symlink_to(around)
    for path in (pipe, directory, endless, around, locked.with_name("none.png"), Path("/")):
        assert one(str(path), installed) is None


def test_a_file_without_end(installed: Installed) -> None:
    path = installed.root / "sparse.png"
    with path.open("wb") as file:
        file.truncate(10 * 1024**3)
    assert one(str(path), installed) is None


@given(data=st.one_of(st.binary(), st.binary().map(lambda data: picture(8)[:40] + data)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.png"
    path.write_bytes(data)
    load([str(path)], {"HOME": str(tmp_path)})

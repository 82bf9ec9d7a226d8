"""The programs that the menu offers: which are found, and what they are started with."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import xdg.Locale
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.installing import Installed
from vizproxy.api.launcher import parse_offers
from vizproxy.config import Tile
from vizproxy.jupyter import entries, offer
from vizproxy.jupyter.entries import Entry, find, of_tiles
from vizproxy.jupyter.execline import BrokenLineError, Fields, arguments, unescaped


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


@pytest.fixture
def in_german() -> Iterator[None]:
    before = xdg.Locale.langs
    xdg.Locale.update("de_AT.UTF-8")
    yield
    xdg.Locale.langs = before


def ids(installed: Installed) -> list[str]:
    return [entry.id for entry in find(installed.environ)]


def only(installed: Installed) -> Entry:
    (entry,) = find(installed.environ)
    return entry


# -------------------------------------------------------------------------------- which are found


def test_what_conda_has_installed_is_found_after_the_systems(installed: Installed) -> None:
    conda = installed.root / "conda"
    installed.environ["CONDA_PREFIX"] = str(conda)
    installed.application("b", Name="Of conda", data=conda / "share")
    assert only(installed).name == "Of conda"
    installed.application("b", Name="Of the system")
    assert only(installed).name == "Of the system"


@pytest.mark.parametrize("running", ["jupyterlab", "jupyter-notebook", "openbox", "x11vnc"])
def test_what_runs_already_is_not_offered(running: str, installed: Installed) -> None:
    installed.application(running)
    assert ids(installed) == []


def test_an_application(installed: Installed) -> None:
    installed.application(
        "org.kde.kate",
        Name="Kate",
        GenericName="Editor",
        Comment="Edit  text\\nfiles",
        Categories="Qt;Utility;",
        Keywords="text;source\\;code;text",
        Exec="kate -b %U",
        Path="/srv",
        Icon="kate",
    )
    assert only(installed) == Entry(
        id="org.kde.kate",
        name="Kate",
        comment="Edit text files",
        categories=("Qt", "Utility"),
        keywords=("Editor", "text", "source;code"),
        argv=("kate", "-b"),
        directory=Path("/srv"),
        icon="kate",
        tile=False,
    )


def test_the_little_that_an_application_needs(installed: Installed) -> None:
    installed.application("least")
    assert only(installed) == Entry("least", "least", "", (), (), ("true",), None, "", False)


def test_a_generic_name_stands_for_a_comment(installed: Installed) -> None:
    installed.application("x", GenericName="Volume renderer")
    assert only(installed).comment == "Volume renderer"


def test_texts_are_of_the_language_that_is_spoken_here(
    installed: Installed, in_german: None
) -> None:
    installed.application(
        "x", {"Name[de]": "Texteditor", "Keywords[de]": "Schrift;"}, Name="Text editor"
    )
    installed.application("y", {"Name[fr]": "Autre", "Name[de_AT]": "Jause"}, Name="Other")
    assert [entry.name for entry in find(installed.environ)] == ["Jause", "Texteditor"]


@pytest.mark.parametrize(
    "keys",
    [
        {"Type": "Link", "URL": "http://example.org"},
        {"Type": "Directory"},
        {"Type": ""},
        {"NoDisplay": "true"},
        {"Hidden": "true"},
        {"OnlyShowIn": "GNOME;KDE;"},
        {"TryExec": "no-such-program"},
        {"TryExec": "/nonexistent/program"},
        {"TryExec": "plain-file"},
        {"Exec": ""},
        {"Exec": "%f"},
        {"Exec": '"" x'},
        {"Exec": "date +%Y"},
        {"Exec": "x %"},
        {"Exec": 'x "never ends'},
        {"Exec": "x\0y"},
        {"Path": "/x\0y"},
        {"Name": ""},
        {"Name": "\x07 \x1b"},
        {"Terminal": "true"},
    ],
    ids=str,
)
def test_what_is_left_out(keys: dict[str, str], installed: Installed) -> None:
    (installed.bin / "plain-file").touch()
    installed.application("one", keys)
    installed.application("other")
    assert ids(installed) == ["other"]


def test_what_is_no_reason_to_leave_it_out(installed: Installed) -> None:
    installed.program("there")
    installed.application("a", NotShowIn="GNOME;")
    installed.application("b", TryExec="there")
    installed.application("c", TryExec=str(installed.bin / "there"))
    installed.application("d", NoDisplay="false", Hidden="false", DBusActivatable="true")
    installed.application("e", text="[KDE Desktop Entry]\nType=Application\nName=e\nExec=e\n")
    assert ids(installed) == ["a", "b", "c", "d", "e"]


def test_ids_tell_of_directories_below(installed: Installed) -> None:
    installed.application("kde4/dolphin")
    installed.application("a/b/c/d/deep")
    installed.application("a/b/c/d/e/too-deep")
    for nameless in ("", ".", ".."):
        installed.application(nameless, Name="nameless")
    assert ids(installed) == ["a-b-c-d-deep", "kde4-dolphin"]


def test_the_first_of_an_id_counts(installed: Installed) -> None:
    installed.application("x", Name="of the system")
    installed.application("x", Name="of the machine", data=installed.root / "local")
    assert only(installed).name == "of the machine"
    own = installed.application("x", Name="my own", data=installed.own)
    assert only(installed).name == "my own"
    installed.application("x", Hidden="true", data=installed.own)
    assert not ids(installed)
    own.write_text("nonsense")
    assert only(installed).name == "of the machine"


def test_xdg_data_home_and_relative_directories(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.application("elsewhere", data=tmp_path / "data")
    installed.application("relative", data=tmp_path / "relative")
    installed.application("not-looked-for", data=installed.own)
    monkeypatch.chdir(tmp_path)
    installed.environ |= {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_DATA_DIRS": "relative:"}
    assert ids(installed) == ["elsewhere"]


def test_without_any_directory(tmp_path: Path) -> None:
    assert find({"HOME": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path / "none")}) == ()


# ----------------------------------------------------------------------------------- broken files


def test_nothing_is_in_the_way_of_others(
    installed: Installed, caplog: pytest.LogCaptureFixture
) -> None:
    there = installed.system / "applications"
    installed.application("good")
    broken = {
        "empty": "",
        "no group": "Name=x\n",
        "other group": "[Other]\nName=x\n",
        "no pair": "[Desktop Entry]\nType\n",
        "binary": "\x7fELF\x00\x01\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "wide": "\ufeff[Desktop Entry]\nType=Application\nName=x\nExec=x\n",
        "endless": "[Desktop Entry]\nType=Application\nExec=x\nName=x" + "x" * 300_000,
    }
    for name, text in broken.items():
        installed.application(name, text=text)
    (there / "directory.desktop").mkdir()
    (there / "nowhere.desktop").symlink_to(there / "nothing")
    (there / "circle.desktop").symlink_to(there / "circle.desktop")
    (there / "null.desktop").symlink_to("/dev/zero")
    (there / "around").symlink_to(there)
    os.mkfifo(there / "pipe.desktop")
    (there / os.fsdecode(b"not-utf8-\xff.desktop")).write_text("[Desktop Entry]\n")
    (there / f"{'long' * 60}.desktop").write_text("[Desktop Entry]\n")
    with caplog.at_level(logging.DEBUG, logger=entries.__name__):
        assert ids(installed) == ["good"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(broken) + 6
    assert all("is left out: " in line and line.isprintable() for line in told)


def test_links_to_files_and_directories_are_followed(installed: Installed, tmp_path: Path) -> None:
    exported = Installed(tmp_path / "exported")
    exported.application("app", Name="Exported")
    there = installed.own / "applications"
    there.mkdir()
    (there / "flat.desktop").symlink_to(exported.system / "applications" / "app.desktop")
    (there / "whole").symlink_to(exported.system / "applications")
    assert ids(installed) == ["flat", "whole-app"]


KEYS = st.sampled_from(
    [
        *("Type", "Name", "Exec", "Icon", "Path", "Terminal", "TryExec", "Categories", "Keywords"),
        *("Comment", "GenericName", "Hidden", "OnlyShowIn", "Name[de]", "[Desktop Entry]", "", "#"),
    ]
)
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from('\\"%;$` \tsnfFuUick\0\u2028€')),
    st.sampled_from(["Application", "true", "false", "x"]),
)


@given(st.lists(st.tuples(KEYS, VALUES)), st.binary(max_size=40))
def test_whatever_is_installed_can_be_offered(lines: list[tuple[str, str]], more: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        installed = Installed(Path(directory))
        text = "[Desktop Entry]\nType=Application\nName=x\nExec=x\n"
        text += "".join(f"{key}={value}\n" for key, value in lines)
        path = installed.application("any", text=text)
        path.write_bytes(path.read_bytes() + more)
        offered = parse_offers(json.loads(offer.look(installed.environ, ()).message))
        assert {each.id for each in offered} <= {"any"}


# ----------------------------------------------------------------------------------- command lines

ARGUMENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
FIELDS = Fields("Kate é", "/usr/share/applications/kate.desktop", "kate")


def as_specified(argv: list[str]) -> str:
    """The value of ``Exec`` for a command line: quoted, and then escaped as any value is."""
    quoted = ['"' + re.sub(r'(["`$\\])', r"\\\1", argument) + '"' for argument in argv]
    line = " ".join(quoted).replace("%", "%%").replace("\\", "\\\\")
    return line.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


@given(ARGUMENT.filter(bool), st.lists(ARGUMENT))
def test_what_was_quoted_comes_back(program: str, rest: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        installed = Installed(Path(directory))
        installed.application("x", Exec=as_specified([program, *rest]))
        assert only(installed).argv == (program, *rest)


@given(st.lists(st.text(st.sampled_from("$(){}[]<>|&;*?#~!=`^abc/."), min_size=1), min_size=1))
def test_nothing_has_the_meaning_that_a_shell_gives_it(words: list[str]) -> None:
    assert arguments(" ".join(words), FIELDS) == tuple(words)


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("kate", ("kate",)),
        ("  kate \t -n ", ("kate", "-n")),
        ("kate %f %F %u %U %d %D %n %N %v %m", ("kate",)),
        ("kate --open=%u x", ("kate", "--open=", "x")),
        ("kate %i %c %k", ("kate", "--icon", "kate", FIELDS.name, FIELDS.path)),
        ("kate -caption %c", ("kate", "-caption", "Kate é")),
        ("kate -x=%c-%k", ("kate", f"-x=Kate é-{FIELDS.path}")),
        ("kate 100%% %%f", ("kate", "100%", "%f")),
        ('kate ""', ("kate", "")),
        ('kate "a b" "\\"\\`\\$\\\\" "\\n"', ("kate", "a b", '"`$\\', "\\n")),
        ('sh -c "cd \\"\\$HOME\\"; exec kate"', ("sh", "-c", 'cd "$HOME"; exec kate')),
        ('kate --title="a b"', ("kate", "--title=a b")),
        ("kate 'a \"b\\'", ("kate", 'a "b\\')),
        ("kate a\\ b", ("kate", "a b")),
        ("env A=$HOME kate > /tmp/x; rm *", ("env", "A=$HOME", "kate", ">", "/tmp/x;", "rm", "*")),
        ("kate\u00a0x", ("kate\u00a0x",)),
    ],
)
def test_command_lines(line: str, argv: tuple[str, ...]) -> None:
    assert arguments(line, FIELDS) == argv


def test_an_icon_that_is_not_there_is_no_argument() -> None:
    assert arguments("kate %i %f", Fields("Kate", "/x", "")) == ("kate",)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("kate %y", "there is no field code %y"),
        ("kate %", "there is no field code %"),
        ('kate "x', "it ends within quotes"),
        ("kate 'x", "it ends within quotes"),
        ("kate \\", "it ends within quotes"),
        ("", "it names no program"),
        ("%U", "it names no program"),
        ("a\0b", "it has a zero byte"),
    ],
)
def test_broken_command_lines(line: str, why: str) -> None:
    with pytest.raises(BrokenLineError, match=re.escape(why)):
        arguments(line, FIELDS)


def test_escapes() -> None:
    assert unescaped(r"a\sb\nc\td\\se\;f\$\q") == "a b\nc\td\\se;f\\$\\q"


def test_a_program_for_a_terminal_gets_one(installed: Installed) -> None:
    installed.application("vim", Exec="vim %F", Terminal="true")
    assert not ids(installed)
    xterm = installed.program("xterm")
    assert only(installed).argv == (str(xterm), "-e", "vim")
    preferred = installed.program("x-terminal-emulator")
    assert only(installed).argv == (str(preferred), "-e", "vim")


# ------------------------------------------------------------------------------------------- tiles


def test_tiles_come_first_and_have_ids_of_their_own(installed: Installed) -> None:
    installed.application("aaa")
    installed.application("tile.voreen", Name="not this one")
    tiles = [
        Tile("Voreen 6.0", ("voreen", "--fast"), Path("/opt/voreen.svg")),
        Tile("Voreen", ("voreen",), None),
        Tile("voreën!", ("other",), None),
        Tile("Voreen 2", ("third",), None),
        Tile("…", ("odd",), None),
        Tile("画像", ("viewer",), None),
    ]
    found = find(installed.environ, tiles)
    assert [entry.id for entry in found] == [
        "tile.voreen-6-0",
        "tile.voreen",
        "tile.voreen-2",
        "tile.voreen-2-2",
        "tile.program",
        "tile.画像",
        "aaa",
    ]
    assert found[0] == Entry(
        id="tile.voreen-6-0",
        name="Voreen 6.0",
        comment="",
        categories=(),
        keywords=(),
        argv=("voreen", "--fast"),
        directory=None,
        icon="/opt/voreen.svg",
        tile=True,
    )
    assert found[:6] == of_tiles(tiles)

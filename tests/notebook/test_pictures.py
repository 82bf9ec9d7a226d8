"""The pictures of the desktop in a notebook: one that stands still, and the live one."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from vizproxy import Desktop
from vizproxy.errors import FileSystemError, NotReadyError
from vizproxy.notebook import Display, Screenshot

PAGE = "/user/zo%C3%AB/desktop/"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Desktop:
    """A desktop as the kernel of a Jupyter server finds it."""
    monkeypatch.setenv("VIZPROXY_SOCKET", "/run/vizproxy/http.sock")
    monkeypatch.setenv("VIZPROXY_PAGE", PAGE)
    return Desktop()


def iframe(display: Display) -> dict[str, str | None]:
    """The attributes of the one element that is shown."""
    found: list[tuple[str, dict[str, str | None]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Parser().feed(display._repr_html_())
    ((tag, attributes),) = found
    assert tag == "iframe"
    return attributes


def test_the_live_desktop(served: Desktop) -> None:
    assert iframe(served.display) == {
        "src": PAGE,
        "title": "Desktop",
        "style": "width: 100%; height: 600px; border: 0",
        "allow": "fullscreen; clipboard-read; clipboard-write",
    }


def test_its_size(served: Desktop) -> None:
    style = iframe(served.display(height=900, width="50em"))["style"]
    assert style == "width: 50em; height: 900px; border: 0"
    assert served.display(height=900)(width=400) == Display(PAGE, 400, 900)
    assert served.display() == served.display


def test_no_address_gets_out_of_its_place() -> None:
    odd = '/user/"><script>/&amp;/desktop/'
    assert iframe(Display(odd))["src"] == odd
    assert "height" in (iframe(Display(PAGE, height='"><b>'))["style"] or "")


def test_without_a_server(served: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        NotReadyError, match=r"own desktop is the one at /run/.*; try `desktop\.scr"
    ):
        _ = Desktop("/run/other.sock").display
    monkeypatch.delenv("VIZPROXY_PAGE")
    with pytest.raises(NotReadyError, match="no notebook of a server with a Desktop tile; try"):
        _ = served.display


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "#123456").save(file, "PNG")
    return file.getvalue()


def test_a_screenshot(tmp_path: Path) -> None:
    shot = Screenshot(png(1366, 300))
    assert repr(shot) == "<Screenshot 1366x300>"
    assert shot._repr_png_() == (shot.png, {"width": 1366, "height": 300})
    assert shot.image.getpixel((5, 5)) == (0x12, 0x34, 0x56)
    assert shot.save(tmp_path / "a.png") == tmp_path / "a.png"
    assert (tmp_path / "a.png").read_bytes() == shot.png
    with pytest.raises(FileSystemError, match=r"^cannot write the picture to .*: no such file or"):
        shot.save(str(tmp_path / "nowhere" / "a.png"))

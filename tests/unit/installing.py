"""Applications and icons that a test installs, in data directories of its own."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>\n'


class Installed:
    """The data directories of a user and of a system, below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.own = self.home / ".local" / "share"
        self.system = root / "usr" / "share"
        self.bin = root / "bin"
        for directory in (self.own, self.system, self.bin):
            directory.mkdir(parents=True)
        self.environ = {
            "HOME": str(self.home),
            "PATH": str(self.bin),
            "XDG_DATA_DIRS": f"{root / 'local'}:{self.system}",
        }

    def application(
        self,
        file: str,
        keys: Mapping[str, str] | None = None,
        *,
        data: Path | None = None,
        text: str | None = None,
        **more: str,
    ) -> Path:
        """Install ``applications/file.desktop`` with these keys, or with any ``text``."""
        path = (data or self.system) / "applications" / f"{file}.desktop"
        path.parent.mkdir(parents=True, exist_ok=True)
        given = {"Type": "Application", "Name": file, "Exec": "true", **(keys or {}), **more}
        lines = "".join(f"{key}={value}\n" for key, value in given.items() if value)
        content = "[Desktop Entry]\n" + lines if text is None else text
        path.write_text(content, encoding="utf-8", errors="surrogateescape")
        return path

    def program(self, name: str, body: str = "exit 0") -> Path:
        """Install a program, as a shell script."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def icon(self, place: str, data: bytes, *, root: Path | None = None) -> Path:
        """Install an icon below ``icons``, or at any other place of the data directory."""
        path = (root or self.system) / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def theme(self, name: str, directories: dict[str, str], *, root: Path | None = None) -> Path:
        """Install a theme with directories, and what is told of each: ``Size=48 Type=Fixed``."""
        sections = "".join(
            f"\n[{directory}]\n" + told.replace(" ", "\n") + "\n"
            for directory, told in directories.items()
        )
        listed = ",".join(directories)
        index = f"[Icon Theme]\nName={name}\nComment=x\nDirectories={listed}\n{sections}"
        return self.icon(f"icons/{name}/index.theme", index.encode(), root=root)


def picture(side: int, colour: str = "red", form: str = "PNG", mode: str = "RGBA") -> bytes:
    """A square picture of one colour."""
    written = io.BytesIO()
    Image.new(mode, (side, side), colour).save(written, form)
    return written.getvalue()


def noise(side: int) -> bytes:
    """A picture that cannot be compressed, as PNG."""
    written = io.BytesIO()
    Image.effect_noise((side, side), 200).convert("RGB").save(written, "PNG")
    return written.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    """The size of a picture."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.size


def colour_of(data: bytes) -> tuple[int, ...]:
    """The colour of a picture's first pixel."""
    with Image.open(io.BytesIO(data)) as image:
        found = image.convert("RGB").getpixel((0, 0))
        assert isinstance(found, tuple)
        return found

"""Pictures of the desktop: one that stands still, and the live one."""

from __future__ import annotations

import html
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from vizproxy.errors import FileSystemError, NotReadyError, system_reason
from vizproxy.thisside import PAGE_VARIABLE, SOCKET_VARIABLE

if TYPE_CHECKING:
    from PIL.Image import Image

_SIZE: Final = slice(16, 24)
"""Where a PNG has its width and height: each 4 bytes, in the chunk that is always the first."""


@dataclass(frozen=True, slots=True, repr=False)
class Screenshot:
    """A picture of the desktop. A notebook shows it.

    ``png`` is the picture as a PNG file; :attr:`image` is it for Pillow, and by that for NumPy:
    ``numpy.asarray(shot.image)``.
    """

    png: bytes

    @property
    def width(self) -> int:
        """How many pixels it is wide."""
        return int.from_bytes(self.png[_SIZE][:4])

    @property
    def height(self) -> int:
        """How many pixels it is high."""
        return int.from_bytes(self.png[_SIZE][4:])

    @property
    def image(self) -> Image:
        """The picture as a :class:`PIL.Image.Image`."""
        from PIL import Image  # noqa: PLC0415 - most only look at it

        return Image.open(io.BytesIO(self.png))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the PNG file; return its path.

        Raises:
            FileSystemError: it cannot be written.
        """
        file = Path(path)
        try:
            file.write_bytes(self.png)
        except OSError as error:
            why = system_reason(error)
            raise FileSystemError(f"write the picture to {file}", why, "another file") from None
        return file

    def __repr__(self) -> str:
        return f"<Screenshot {self.width}x{self.height}>"

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        # A pixel of the desktop is a pixel of the page, however many the screen has for that.
        return self.png, {"width": self.width, "height": self.height}


@dataclass(frozen=True, slots=True)
class Display:
    """The live desktop, which a notebook shows in the cell's output: with mouse and keyboard.

    Sizes are pixels, or anything that CSS knows: ``desktop.display(height="80vh")``.
    """

    page: str
    width: int | str = "100%"
    height: int | str = 600

    def __call__(self, *, width: int | str | None = None, height: int | str | None = None) -> Self:
        """The same of another size."""
        return replace(
            self,
            width=self.width if width is None else width,
            height=self.height if height is None else height,
        )

    def _repr_html_(self) -> str:
        style = f"width: {_css(self.width)}; height: {_css(self.height)}; border: 0"
        return (
            f'<iframe src="{html.escape(self.page)}" title="Desktop" style="{html.escape(style)}" '
            'allow="fullscreen; clipboard-read; clipboard-write"></iframe>'
        )


def live(socket: Path) -> Display:
    """The live desktop behind a socket, on the page of the Jupyter server that started this process.

    Raises:
        NotReadyError: there is no such server, or its desktop is another one.
    """
    page, served = os.environ.get(PAGE_VARIABLE), os.environ.get(SOCKET_VARIABLE)
    action = "show the live desktop here"
    hint = "`desktop.screenshot()`, or `vizproxy url` for a link to it"
    if not page:
        raise NotReadyError(action, "this is no notebook of a server with a Desktop tile", hint)
    if served and Path(served).absolute() != socket:
        raise NotReadyError(action, f"the server's own desktop is the one at {served}", hint)
    return Display(page)


def _css(size: int | str) -> str:
    return f"{size}px" if isinstance(size, int) else size

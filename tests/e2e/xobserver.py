"""A program on the desktop that a browser test plays with: it tells all that happens to it.

It shows a frameless window of one colour and prints one JSON object a line: ``{"event": "shown"}``,
then keys, buttons, the pointer while a button is down, and the size of the root window when that
changes. F9 gives the window its next colour. Run as ``python -m tests.e2e.xobserver``; it ends when
the X server does.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from Xlib import XK, X
from Xlib.display import Display
from Xlib.error import ConnectionClosedError

MASK = (
    X.KeyPressMask
    | X.KeyReleaseMask
    | X.ButtonPressMask
    | X.ButtonReleaseMask
    | X.ButtonMotionMask
    | X.ExposureMask
)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--colours", default="ff0000,00a000,0000ff")
    parser.add_argument("--place", default="300x200+100+80", help="WxH+X+Y")
    arguments = parser.parse_args()
    width, height, x, y = (int(n) for n in arguments.place.replace("x", "+").split("+"))
    try:
        Observer((x, y, width, height), arguments.colours.split(",")).run()
    except (ConnectionClosedError, ConnectionError):
        return 1
    return 0


class Observer:
    """The program: one window, and a loop over its events."""

    def __init__(self, place: tuple[int, int, int, int], colours: list[str]) -> None:
        self._display = Display()
        screen = self._display.screen()
        self._colours = [int(colour, 16) for colour in colours]
        self._root = screen.root
        self._root.change_attributes(event_mask=X.StructureNotifyMask)
        self._window = screen.root.create_window(
            *place,
            0,
            screen.root_depth,
            background_pixel=self._colours[0],
            override_redirect=True,  # at its place, and without a frame
            event_mask=MASK,
        )
        self._names = keysym_names()

    def run(self) -> None:
        self._window.map()
        while self._display.next_event().type != X.Expose:
            pass
        self._window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
        self._display.sync()
        say(event="shown")
        while True:
            self._handle(self._display.next_event())

    def _handle(self, event: Any) -> None:
        if event.type in {X.KeyPress, X.KeyRelease}:
            self._key(event)
        elif event.type in {X.ButtonPress, X.ButtonRelease}:
            down = event.type == X.ButtonPress
            say(event="button", button=event.detail, down=down, x=event.root_x, y=event.root_y)
        elif event.type == X.MotionNotify:
            say(event="motion", x=event.root_x, y=event.root_y)
        elif event.type == X.ConfigureNotify and event.window == self._root:
            say(event="root", width=event.width, height=event.height)
        elif event.type == X.MappingNotify:
            self._display.refresh_keyboard_mapping(event)

    def _key(self, event: Any) -> None:
        plain, shifted = (self._display.keycode_to_keysym(event.detail, n) for n in (0, 1))
        keysym = shifted if event.state & X.ShiftMask and shifted else plain
        name = self._names.get(keysym, hex(keysym))
        down = event.type == X.KeyPress
        say(event="key", key=name, down=down, state=event.state)
        if name == "F9" and down:
            self._colours.append(self._colours.pop(0))
            self._window.change_attributes(background_pixel=self._colours[0])
            self._window.clear_area()


def keysym_names() -> dict[int, str]:
    """Names of keysyms; a printable Latin-1 character is its own name."""
    # Of several names for one keysym, any: it is what Xlib lists last.
    names = {v: k.removeprefix("XK_") for k, v in vars(XK).items() if k.startswith("XK_")}
    latin1 = [*range(0x20, 0x7F), *range(0xA0, 0x100)]
    return {**names, **{number: chr(number) for number in latin1}}


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

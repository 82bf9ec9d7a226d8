"""A program on the desktop: a window of one colour that tells what it gets.

Prints ``shown``, then ``key KEYSYM`` and ``button NUMBER X Y`` for each press; with ``--moving`` it
repaints itself without end instead. Run as ``python -m tests.xprogram``; ends when the X server does.
"""

from __future__ import annotations

import argparse
import sys

from Xlib import X
from Xlib.display import Display
from Xlib.error import ConnectionClosedError


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--colour", default="ff0000")
    parser.add_argument("--place", default="200x100+40+60", help="WxH+X+Y")
    parser.add_argument("--moving", action="store_true")
    arguments = parser.parse_args()
    try:
        run(arguments.colour, arguments.place, moving=arguments.moving)
    except (ConnectionClosedError, ConnectionError):
        return 1
    return 0


def run(colour: str, place: str, *, moving: bool) -> None:
    width, height, x, y = (int(part) for part in place.replace("x", "+").split("+"))
    display = Display()
    root = display.screen().root
    window = root.create_window(
        *(x, y, width, height, 0),
        display.screen().root_depth,
        background_pixel=int(colour, 16),
        override_redirect=True,  # at its place, and without a frame
        event_mask=X.ExposureMask | X.KeyPressMask | X.ButtonPressMask,
    )
    window.map()
    window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
    display.sync()
    say("shown")
    if moving:
        repaint_for_ever(display, window, width, height)
    while True:
        event = display.next_event()
        if event.type == X.KeyPress:
            say(f"key {display.keycode_to_keysym(event.detail, 1 if event.state & 1 else 0)}")
        elif event.type == X.ButtonPress:
            say(f"button {event.detail} {event.root_x} {event.root_y}")


def repaint_for_ever(display: Display, window, width: int, height: int) -> None:
    shade = 0
    context = window.create_gc()
    while True:
        shade = (shade + 7) % 256
        context.change(foreground=shade << 8 | 255 - shade)
        window.fill_rectangle(context, 0, 0, width, height)
        display.sync()


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

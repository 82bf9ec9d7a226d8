"""A program on the desktop: a window of one colour that tells what it gets.

Prints ``shown``, then ``key KEYSYM`` and ``button NUMBER X Y`` for each press, ``delete`` when it is
asked to close; with ``--moving`` it repaints itself without end instead. Run as
``python -m tests.xprogram``; ends when the X server does, and when it is asked to.

A line on its input is a command: ``title TEXT``, ``titles NUMBER`` (that many, as fast as it can),
``pixmaps BYTES`` (so many more), ``free`` (all pixmaps), ``dialog TEXT`` (a window that belongs to the
first), ``property NAME TYPE FORMAT HEX``, ``hide``, ``show``, ``move X Y``, ``end``. It answers each
with ``done``.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import sys

from Xlib import X, Xatom
from Xlib.display import Display
from Xlib.error import ConnectionClosedError
from Xlib.protocol import event as xevent

_PIXMAP_SIDE = 1024  # of 4 MiB


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--colour", default="ff0000")
    parser.add_argument("--place", default="200x100+40+60", help="WxH+X+Y")
    parser.add_argument("--moving", action="store_true")
    parser.add_argument("--pause", type=float, default=0, help="seconds between two movements")
    parser.add_argument("--managed", action="store_true", help="let the window manager have it")
    parser.add_argument("--title", default="xprogram")
    parser.add_argument("--class", default="Xprogram", dest="class_name")
    parser.add_argument("--no-pid", action="store_true", help="do not tell the process id")
    parser.add_argument("--ignore-delete", action="store_true", help="stay when asked to close")
    parser.add_argument("--no-delete", action="store_true", help="understand no such question")
    parser.add_argument("--dialog-on-delete", action="store_true", help="open a dialog instead")
    parser.add_argument("--pixmaps", type=int, default=0, metavar="BYTES")
    try:
        Program(parser.parse_args()).run()
    except (ConnectionClosedError, ConnectionError):
        return 1
    return 0


class Program:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.display = Display()
        self.screen = self.display.screen()
        self.pixmaps: list = []
        self.window = self.make_window(options.title)

    def run(self) -> None:
        self.allocate(self.options.pixmaps)
        self.window.map()
        if not self.options.managed:
            self.window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
        self.display.sync()
        say("shown")
        if self.options.moving:
            self.repaint_for_ever()
        waiting_for = [self.display.fileno(), sys.stdin.fileno()]
        unread = b""
        while True:
            while self.display.pending_events():
                self.handle(self.display.next_event())
            readable, _, _ = select.select(waiting_for, [], [])
            if sys.stdin.fileno() in readable:
                got = os.read(sys.stdin.fileno(), 4096)
                if not got:
                    waiting_for.remove(sys.stdin.fileno())
                *lines, unread = (unread + got).split(b"\n")
                for line in lines:
                    self.obey(*line.decode().split(" ", 1))
                    self.display.sync()
                    say("done")

    # windows

    def make_window(self, title: str, transient_for=None):
        width, height, x, y = (int(n) for n in self.options.place.replace("x", "+").split("+"))
        window = self.screen.root.create_window(
            *(x, y, width, height, 0),
            self.screen.root_depth,
            background_pixel=int(self.options.colour, 16),
            override_redirect=not self.options.managed,  # at its place, and without a frame
            event_mask=X.ExposureMask | X.KeyPressMask | X.ButtonPressMask,
        )
        self.set_title(window, title)
        window.set_wm_class(self.options.class_name.lower(), self.options.class_name)
        window.set_wm_client_machine(socket.gethostname())
        if not self.options.no_pid:
            pid = self.display.get_atom("_NET_WM_PID")
            window.change_property(pid, Xatom.CARDINAL, 32, [os.getpid()])
        if not self.options.no_delete:
            window.set_wm_protocols([self.display.get_atom("WM_DELETE_WINDOW")])
        if transient_for is not None:
            window.set_wm_transient_for(transient_for)
        return window

    def set_title(self, window, title: str) -> None:
        utf8 = self.display.get_atom("UTF8_STRING")
        window.change_property(self.display.get_atom("_NET_WM_NAME"), utf8, 8, title.encode())
        window.set_wm_name(title.encode("ascii", "replace"))

    def allocate(self, size: int) -> None:
        """Make pixmaps of ``size`` bytes in all: 32 bits a pixel."""
        pixels = size // 4
        while pixels > 0:
            width = min(pixels, _PIXMAP_SIDE)
            height = min(pixels // width, _PIXMAP_SIDE)
            self.pixmaps.append(self.window.create_pixmap(width, height, 24))
            pixels -= width * height

    # events and commands

    def handle(self, event) -> None:
        if event.type == X.KeyPress:
            keysym = self.display.keycode_to_keysym(event.detail, 1 if event.state & 1 else 0)
            say(f"key {keysym}")
        elif event.type == X.ButtonPress:
            say(f"button {event.detail} {event.root_x} {event.root_y}")
        elif event.type == X.ClientMessage:
            say("delete")
            if self.options.dialog_on_delete:
                self.make_window("Save changes?", self.window).map()
            elif not self.options.ignore_delete:
                sys.exit(0)

    def obey(self, command: str, argument: str = "") -> None:
        getattr(self, f"do_{command}")(argument)

    def do_title(self, title: str) -> None:
        self.set_title(self.window, title)

    def do_titles(self, number: str) -> None:
        for n in range(int(number)):
            self.set_title(self.window, f"{self.options.title} {n + 1}")
            self.display.flush()

    def do_pixmaps(self, size: str) -> None:
        self.allocate(int(size))

    def do_free(self, _: str) -> None:
        while self.pixmaps:
            self.pixmaps.pop().free()

    def do_dialog(self, title: str) -> None:
        self.make_window(title, self.window).map()

    def do_property(self, argument: str) -> None:
        name, kind, form, value = argument.split(" ")
        atom, kind_atom = self.display.get_atom(name), self.display.get_atom(kind)
        self.window.change_property(atom, kind_atom, int(form), bytes.fromhex(value))

    def do_hide(self, _: str) -> None:
        self.window.unmap()
        # ICCCM 4.1.4: the window manager is to hear of it even if the window was iconic
        self.screen.root.send_event(
            xevent.UnmapNotify(event=self.screen.root, window=self.window, from_configure=False),
            event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask,
        )

    def do_show(self, _: str) -> None:
        self.window.map()

    def do_move(self, place: str) -> None:
        x, y = (int(n) for n in place.split())
        self.window.configure(x=x, y=y)

    def do_end(self, _: str) -> None:
        sys.exit(0)

    def repaint_for_ever(self) -> None:
        width, height = (int(n) for n in self.options.place.split("+")[0].split("x"))
        shade = 0
        context = self.window.create_gc()
        while True:
            shade = (shade + 7) % 256
            context.change(foreground=shade << 8 | 255 - shade)
            self.window.fill_rectangle(context, 0, 0, width, height)
            self.display.sync()
            select.select([], [], [], self.options.pause)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

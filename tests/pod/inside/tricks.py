"""What a user of the notebook may try in order to have something run in the sidecar.

``plant`` puts files where the sidecar's programs look for their settings; what comes after that has
these programs read them, or asks them for something that they should not do. All that is planted makes
a file on the volume if it is ever run: MARK.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from Xlib import XK, X, Xatom
from Xlib.display import Display
from Xlib.error import ConnectionClosedError
from Xlib.ext import xtest
from Xlib.protocol import event

VOLUME = Path("/run/vizproxy")
RUNTIME = VOLUME / "desktop"
HOME = RUNTIME / ".vizproxy-home"
MARK = VOLUME / "was-run"
SOCKETS = Path("/tmp/.X11-unix")

_COMMAND = f"/bin/sh -c 'echo $0 $$ >>{MARK}'"
_EXECUTE = f'<action name="Execute"><command>{_COMMAND}</command></action>'
OPENBOX = f"""<?xml version="1.0" encoding="UTF-8"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <keyboard><keybind key="A-x">{_EXECUTE}</keybind></keyboard>
  <mouse><context name="Root">
    <mousebind button="Right" action="Press">{_EXECUTE}</mousebind>
  </context></mouse>
  <menu><file>{HOME}/menu.xml</file></menu>
</openbox_config>
"""
MENU = f"""<?xml version="1.0" encoding="UTF-8"?>
<openbox_menu xmlns="http://openbox.org/3.4/menu">
  <menu id="client-list-combined-menu" label="x" execute="{_COMMAND}"/>
  <menu id="root-menu" label="x"><item label="x">{_EXECUTE}</item></menu>
</openbox_menu>
"""
XORG = f'Section "Files"\n    ModulePath "{VOLUME}/modules"\nEndSection\n'
PYTHON = f"open({str(MARK)!r}, 'a').write('python')\n"
X11VNCRC = f"afteraccept {_COMMAND}\n"
AUTOSTART = f"#!/bin/sh\n{_COMMAND}\n"
PLANTED = {
    **dict.fromkeys(("xorg.conf", "xorg3d.conf", ".vizproxy-home/.config/xorg.conf"), XORG),
    **dict.fromkeys(("openbox.xml", ".vizproxy-home/.config/openbox/rc.xml"), OPENBOX),
    **dict.fromkeys((".vizproxy-home/menu.xml", ".vizproxy-home/.config/openbox/menu.xml"), MENU),
    ".vizproxy-home/.config/openbox/autostart": AUTOSTART,
    ".vizproxy-home/.local/lib/python3.11/site-packages/usercustomize.py": PYTHON,
    ".vizproxy-home/.local/lib/python3.11/site-packages/x.pth": f"import os; {PYTHON}",
    **dict.fromkeys(("websockify.py", "numpy.py", "sitecustomize.py", "vizproxy.toml"), PYTHON),
    ".vizproxy-home/.x11vncrc": X11VNCRC,
    "share/bin/vglrun": AUTOSTART,
    "share/VirtualGL/bin/vglrun": AUTOSTART,
    "share/bin/vizproxy-run": AUTOSTART,
}
CHORDS = (
    *(("Control_L", "Alt_L", key) for key in ("BackSpace", "Delete", "t", "Escape", "KP_Add")),
    *(("Control_L", "Alt_L", f"F{number}") for number in range(1, 13)),
    *(("Alt_L", f"F{number}") for number in (1, 2, 3)),
    *(("Super_L", key) for key in ("e", "r", "space", "Return", "d")),
    *(("Alt_L", key) for key in ("x", "Escape", "space")),
    *(("Control_L", "Escape"), ("Menu",), ("Print",), ("Return",), ("Escape",)),
)


# files


def plant(*, anew: bool) -> None:
    """Put settings of ours wherever they might be read; ``anew``: no daemon runs now."""
    if anew:
        shutil.rmtree(RUNTIME, ignore_errors=True)
        RUNTIME.mkdir(mode=0o700)
        (RUNTIME / "lock").write_text("vizproxy 1\n")  # as one that was killed leaves it
    for name, content in PLANTED.items():
        path = RUNTIME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(content)
        path.chmod(0o755)


def link() -> None:
    """Have the names that a daemon writes lead elsewhere: to what it has for itself."""
    shutil.rmtree(RUNTIME, ignore_errors=True)
    RUNTIME.mkdir(mode=0o700)
    (RUNTIME / "lock").write_text("vizproxy 1\n")
    for name in (
        "Xauthority",
        "token",
        "xorg.log",
        "xorg.conf",
        "openbox.xml",
        "share",
        "failure.txt",
    ):
        (RUNTIME / name).symlink_to(f"/tmp/planted-{name}")
    (RUNTIME / ".vizproxy-home").symlink_to("/tmp")


# the window manager


def control(display: Display, order: int) -> None:
    """Tell openbox to read its settings again (1) or to start again (2)."""
    root = display.screen().root
    kind = display.get_atom("_OB_CONTROL")
    message = event.ClientMessage(window=root, client_type=kind, data=(32, [order, 0, 0, 0, 0]))
    root.send_event(message, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
    display.sync()


def press(display: Display, keys: Iterable[str]) -> None:
    codes = [display.keysym_to_keycode(XK.string_to_keysym(key)) for key in keys]
    for code in filter(None, codes):
        xtest.fake_input(display, X.KeyPress, code)
    for code in filter(None, reversed(codes)):
        xtest.fake_input(display, X.KeyRelease, code)
    display.sync()


def click(display: Display, button: int) -> None:
    """Click on the empty desktop, and on the first two entries of the menu that comes."""
    xtest.fake_input(display, X.MotionNotify, x=1500, y=850)
    for kind in (X.ButtonPress, X.ButtonRelease):
        xtest.fake_input(display, kind, button)
    display.sync()
    time.sleep(0.2)
    for key in ("Down", "Return", "Down", "Down", "Return", "Escape", "Escape"):
        press(display, [key])


def settings_again(display: Display) -> None:
    for order in (1, 2):
        control(display, order)
        time.sleep(1)  # for what does not happen, there is nothing to wait for
        press(display, ("Alt_L", "x"))
        for button in (1, 2, 3):
            click(display, button)


def chords(display: Display) -> None:
    for chord in CHORDS:
        press(display, chord)
    for button in (1, 2, 3, 4, 5):
        click(display, button)
    time.sleep(1)


def force(display: Display, pid: int) -> None:
    """A window that says it is a process of the sidecar, hangs, and is closed by force."""
    screen = display.screen()
    window = screen.root.create_window(100, 100, 300, 200, 0, screen.root_depth, background_pixel=0)
    window.set_wm_client_machine(socket.gethostname())  # which is the sidecar's, too
    window.change_property(display.get_atom("_NET_WM_PID"), Xatom.CARDINAL, 32, [pid])
    names = ("WM_DELETE_WINDOW", "_NET_WM_PING")
    window.set_wm_protocols([display.get_atom(name) for name in names])
    window.map()
    display.sync()
    kind = display.get_atom("_NET_CLOSE_WINDOW")
    close = event.ClientMessage(window=window, client_type=kind, data=(32, [0, 2, 0, 0, 0]))
    for _ in range(8):
        screen.root.send_event(
            close, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask
        )
        display.sync()
        time.sleep(1)
    for _ in range(2):  # the question's second answer, and that of the next: TERM, then KILL
        for keys in ("Tab", "Return"):
            press(display, [keys])
            time.sleep(0.3)
        time.sleep(1)


# x11vnc and the X server


def remote(display: Display) -> None:
    """x11vnc's remote control, by the properties that it is given by (x11vnc(1), -remote)."""
    root = display.screen().root
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(2)
        port = server.getsockname()[1]
        orders = (f"127.0.0.1:{port}", "cmd=unsafe", f"cmd=afteraccept:{_COMMAND}", "cmd=stop")
        for name in ("VNC_CONNECT", "X11VNC_REMOTE"):
            for order in orders:
                atom = display.get_atom(name)
                root.change_property(atom, Xatom.STRING, 8, order.encode())
                display.sync()
                time.sleep(0.3)
        try:
            server.accept()
        except TimeoutError:
            return
        raise SystemExit("x11vnc connects where it is told to")


class _Names(ctypes.Structure):
    """XkbComponentNamesRec (XKBlib)."""

    _fields_ = [
        (n, ctypes.c_char_p)
        for n in ("keymap", "keycodes", "types", "compat", "symbols", "geometry")
    ]


def keymap() -> None:
    """The X server has xkbcomp(1) compile the keymap that a client names, by way of a shell."""
    libx11 = ctypes.CDLL("libX11.so.6")
    libx11.XOpenDisplay.restype = ctypes.c_void_p
    libx11.XkbGetKeyboardByName.restype = ctypes.c_void_p
    display = ctypes.c_void_p(libx11.XOpenDisplay(None))
    evil = (f'us"; {_COMMAND}; echo "', f"us`{_COMMAND}`", f"us$({_COMMAND})", f"{VOLUME}/keymap")
    for name in evil:
        text = name.encode()
        for place in ("keycodes", "types", "compat", "symbols", "geometry"):
            names = _Names(**{"symbols": b"pc+us", place: text})
            libx11.XkbGetKeyboardByName(display, 0x100, ctypes.byref(names), 0, 0, 1)
    libx11.XCloseDisplay(display)


TRICKS = {"settings-again": settings_again, "chords": chords, "remote": remote}


def main(trick: str, *arguments: str) -> int:
    if trick == "plant":
        plant(anew=arguments == ("anew",))
    elif trick == "link":
        link()
    elif trick == "keymap":
        keymap()
    elif trick == "force":
        with contextlib.suppress(ConnectionClosedError):  # it is the one that was ended
            force(Display(), int(arguments[0]))
    else:
        TRICKS[trick](Display())
    json.dump({"uid": os.getuid()}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Draw on the desktop by MIT-SHM, from this container; print what came of it as JSON.

Its requests are those of the protocol's document (MIT-SHM 1.1): python-xlib does not have them.
The X server can only attach a segment that is made here if both containers are in one IPC namespace.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path

from Xlib import X
from Xlib.display import Display
from Xlib.protocol import rq

SIDE = 64
COLOUR = b"\x00\xa0\x00\x00"  # blue, green, red, unused: as the server wants its 32 bits a pixel
_IPC_CREAT, _IPC_RMID = 0o1000, 0


class Attach(rq.Request):
    _request = rq.Struct(
        *(rq.Card8("opcode"), rq.Opcode(1), rq.RequestLength()),
        *(rq.Card32("segment"), rq.Card32("shmid"), rq.Card8("read_only"), rq.Pad(3)),
    )


class PutImage(rq.Request):
    _request = rq.Struct(
        *(rq.Card8("opcode"), rq.Opcode(3), rq.RequestLength()),
        *(rq.Drawable("drawable"), rq.GC("gc")),
        *(rq.Card16(name) for name in ("total_width", "total_height", "x", "y", "width", "height")),
        *(rq.Int16("to_x"), rq.Int16("to_y"), rq.Card8("depth"), rq.Card8("format")),
        *(rq.Card8("send_event"), rq.Pad(1), rq.Card32("segment"), rq.Card32("offset")),
    )


def main() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    size = SIDE * SIDE * len(COLOUR)
    shmid = libc.shmget(0, ctypes.c_size_t(size), _IPC_CREAT | 0o600)
    address = libc.shmat(shmid, None, 0)
    ctypes.memmove(address, COLOUR * (SIDE * SIDE), size)

    display = Display()
    screen = display.screen()
    window = screen.root.create_window(
        10, 10, SIDE, SIDE, 0, screen.root_depth, background_pixel=0, override_redirect=True
    )
    window.map()
    extension = display.query_extension("MIT-SHM")
    assert extension is not None
    opcode = extension.major_opcode
    segment = display.display.allocate_resource_id()
    Attach(display=display.display, opcode=opcode, segment=segment, shmid=shmid, read_only=0)
    display.sync()  # an error of Attach comes before
    attached = next(
        int(row[6])
        for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        if (row := line.split())[1] == str(shmid)
    )
    libc.shmctl(shmid, _IPC_RMID, None)
    PutImage(
        display=display.display,
        opcode=opcode,
        drawable=window,
        gc=window.create_gc(),
        total_width=SIDE,
        total_height=SIDE,
        x=0,
        y=0,
        width=SIDE,
        height=SIDE,
        to_x=0,
        to_y=0,
        depth=screen.root_depth,
        format=X.ZPixmap,
        send_event=0,
        segment=segment,
        offset=0,
    )
    pixel = window.get_image(5, 5, 1, 1, X.ZPixmap, 0xFFFFFFFF).data
    json.dump({"attached": attached, "pixel": pixel[:3].hex()}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

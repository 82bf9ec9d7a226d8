"""Programs that misbehave, as shell scripts in the place of a real one."""

from __future__ import annotations

import shutil
from pathlib import Path

X11VNC = shutil.which("x11vnc") or "x11vnc"

GIVES_UP = """
echo trying very hard
echo 'no luck: café' >&2
exit 3
"""

IS_REAL = f'exec {X11VNC} "$@"'

IGNORES_TERM = f"""
trap '' TERM
sleep 1000 &   # ignores it too: an ignored signal stays ignored over fork and exec
echo $! > {{pid_file}}
{X11VNC} "$@" &
wait
sleep 1000
"""

LEAVES_CHILD_WITH_PIPE = """
sleep 1000 &
echo $! > {pid_file}
echo the leader ends
exit 3
"""

LEAVES_STRANGER_WITH_PIPE = """
setsid sh -c 'echo $$ > {pid_file}; exec sleep 1000' &
while [ ! -s {pid_file} ]; do :; done
echo the leader ends
exit 3
"""


def write_script(path: Path, body: str, **values: object) -> Path:
    """Write an executable shell script; ``{name}`` in it are filled in."""
    for name, value in values.items():
        body = body.replace("{" + name + "}", str(value))
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path

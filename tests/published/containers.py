"""Containers of programs, as far as mounts make one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def with_mounts(setup: str, *argv: str | Path) -> tuple[str, ...]:
    """A command that sees mounts of its own, which a shell's ``setup`` makes."""
    return (*UNSHARE, "sh", "-ec", f'{setup}; exec "$@"', "sh", *map(str, argv))


class Busybox:
    """A container with nothing but busybox: no Python, no glibc, not even a dynamic loader.

    The desktop's runtime directory is mounted at ``place`` in it.
    """

    def __init__(self, root: Path, runtime_dir: Path, place: str) -> None:
        self.root = root
        self.share = f"{place}/share"
        (root / "bin").mkdir(parents=True)
        busybox = shutil.which("busybox")
        assert busybox is not None, "install busybox-static"
        shutil.copy(busybox, root / "bin" / "busybox")
        for name in ("cat", "env", "readlink", "sh", "sleep", "true"):
            (root / "bin" / name).symlink_to("busybox")
        self._mounts = {"/proc": "proc", "/dev": "dev", str(runtime_dir): place.lstrip("/")}
        for inside in self._mounts.values():
            (root / inside).mkdir(parents=True)

    def command(self, *argv: str, environ: Sequence[str] = ()) -> tuple[str, ...]:
        """A command in the container, with an environment of its own."""
        setup = "; ".join(
            f"mount --rbind '{outside}' '{self.root / inside}'"
            for outside, inside in self._mounts.items()
        )
        inner = ("chroot", str(self.root), "/bin/env", "-i", "PATH=/bin", *environ)
        return with_mounts(setup, *inner, *argv)

    def launched(self, *argv: str, environ: Sequence[str] = ()) -> tuple[str, ...]:
        """A command that the launcher starts there."""
        return self.command(f"{self.share}/bin/vizproxy-run", *argv, environ=environ)


def environment(**changed: str) -> dict[str, str]:
    """The environment of who makes a container."""
    return {"PATH": os.environ["PATH"], **changed}

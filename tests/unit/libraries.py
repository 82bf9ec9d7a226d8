"""Shared libraries as other containers have them, made of one that is here."""

from __future__ import annotations

import re
import struct
from pathlib import Path

X11 = next(Path("/usr/lib").glob("*-linux-gnu/libX11.so.6"))
XCB = X11.with_name("libxcb.so.1")


def other(source: Path, target: Path, *renamed: tuple[str, str]) -> Path:
    """Copy a library, with other names of what it needs; they must be as long as the true ones."""
    content = source.read_bytes()
    for name, instead in renamed:
        assert len(name) == len(instead)
        assert name.encode() in content
        content = content.replace(name.encode() + b"\0", instead.encode() + b"\0")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def too_new(source: Path, target: Path) -> Path:
    """Copy a library, so that it needs a glibc that is not there yet."""
    found = re.search(rb"GLIBC_2\.\d\d(?=\0)", source.read_bytes())
    assert found is not None
    there, wanted = found[0].decode(), "GLIBC_2.99"
    other(source, target, (there, wanted))
    # The loader compares the names' hashes first.
    content = target.read_bytes()
    before, after = (struct.pack("=I", _elf_hash(name)) for name in (there, wanted))
    assert before in content
    target.write_bytes(content.replace(before, after))
    return target


def _elf_hash(name: str) -> int:
    """The hash of a symbol's name in the System V ABI."""
    value = 0
    for character in name.encode():
        value = (value << 4) + character
        value = (value ^ ((value & 0xF0000000) >> 24)) & 0x0FFFFFFF
    return value

"""What is published for the containers of programs, and what becomes of it when that fails."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
import threading
from pathlib import Path

import pytest

from tests.support import eventually
from vizproxy.publish import Publisher, StoppedError, Tree, found, publish
from vizproxy.runtime import PUBLISHING, Layout
from vizproxy.virtualgl import VirtualGL


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What an image has to be published."""
    directory = tmp_path / "source"
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "vizproxy-run").write_text("#!/bin/sh\n")
    (directory / "bin" / "vizproxy-run").chmod(0o755)
    (directory / "launcher" / "lib").mkdir(parents=True)
    (directory / "launcher" / "lib" / "libc.so.6").write_bytes(b"library" * 1000)
    return directory


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    root = tmp_path / "run"
    root.mkdir(mode=0o700)
    return Layout(root)


def published(source: Path, layout: Layout, virtualgl: VirtualGL | None = None) -> bool:
    return publish(found(source, virtualgl), layout, threading.Event())


def names(directory: Path) -> set[str]:
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if not p.is_dir()}


def nothing_else_is_in(layout: Layout) -> bool:
    return {path.name for path in layout.root.iterdir()} <= {"share"}


def test_a_tree_is_copied_for_the_user_alone(source: Path, layout: Layout) -> None:
    assert published(source, layout)
    assert names(layout.share) == {"bin/vizproxy-run", "launcher/lib/libc.so.6"}
    library = layout.share / "launcher" / "lib" / "libc.so.6"
    assert library.read_bytes() == b"library" * 1000
    for path, mode in (
        (layout.share, 0o700),
        (layout.share / "bin", 0o700),
        (layout.share / "bin" / "vizproxy-run", 0o700),
        (library, 0o600),
    ):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert nothing_else_is_in(layout)


def test_what_is_there_already_is_left_alone(source: Path, layout: Layout) -> None:
    """Programs that run use it."""
    published(source, layout)
    library = layout.share / "launcher" / "lib" / "libc.so.6"
    before = library.stat()
    assert not published(source, layout)
    assert library.stat().st_ino == before.st_ino


@pytest.mark.parametrize("change", ["content", "missing", "mode", "link"])
def test_what_is_not_as_it_should_be_is_made_anew(
    source: Path, layout: Layout, tmp_path: Path, change: str
) -> None:
    published(source, layout)
    script = layout.share / "bin" / "vizproxy-run"
    match change:
        case "content":
            script.write_text("#!/bin/sh\necho another\n")
        case "missing":
            script.unlink()
        case "mode":
            script.chmod(0o600)
        case "link":
            script.rename(tmp_path / "elsewhere")
            script.symlink_to(tmp_path / "elsewhere")
    assert published(source, layout)
    assert not script.is_symlink()
    assert script.read_text() == "#!/bin/sh\n"
    assert os.access(script, os.X_OK)
    assert nothing_else_is_in(layout)


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling"])
def test_something_else_in_its_place_goes_and_nothing_beyond_it(
    source: Path, layout: Layout, tmp_path: Path, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    match kind:
        case "file":
            layout.share.write_text("planted")
        case "directory":
            (layout.share / "bin").mkdir(parents=True)
            (layout.share / "bin" / "vizproxy-run").symlink_to(outside / "file")
        case "link":
            layout.share.symlink_to(outside)
        case "dangling":
            layout.share.symlink_to(tmp_path / "nowhere")
    assert published(source, layout)
    assert not layout.share.is_symlink()
    assert names(layout.share) == {"bin/vizproxy-run", "launcher/lib/libc.so.6"}
    assert names(outside) == {"file"}
    assert (outside / "file").read_text() == ""
    assert nothing_else_is_in(layout)


def test_what_a_killed_daemon_was_making_is_removed(source: Path, layout: Layout) -> None:
    left = layout.root / f"{PUBLISHING}abc" / "new" / "bin"
    left.mkdir(parents=True)
    (left / "half").touch()
    published(source, layout)
    assert nothing_else_is_in(layout)


def test_a_daemon_that_ends_meanwhile_leaves_nothing(source: Path, layout: Layout) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        publish(found(source, None), layout, stop)
    assert list(layout.root.iterdir()) == []


def test_one_that_fails_leaves_what_was_there(source: Path, layout: Layout) -> None:
    published(source, layout)
    (source / "later").write_text("new")
    tree = found(source, None)
    broken = Tree({**tree.files, next(iter(tree.files)): source / "nothing"})
    with pytest.raises(FileNotFoundError):
        publish(broken, layout, threading.Event())
    assert names(layout.share) == {"bin/vizproxy-run", "launcher/lib/libc.so.6"}
    assert nothing_else_is_in(layout)


# ---------------------------------------------------------------------------------- VirtualGL


@pytest.fixture
def virtualgl(tmp_path: Path) -> VirtualGL:
    tree = tmp_path / "VirtualGL"
    for name in (
        "bin/vglrun",
        "bin/.vglrun.vars64",
        "bin/glxinfo",
        "lib64/libdlfaker.so",
        "lib64/libvglfaker.so",
        "lib64/libother.so",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
        (tree / name).chmod(0o755)
    return VirtualGL(tree / "bin" / "vglrun", tree / "lib64")


def test_virtualgl_is_published_with_its_script(
    source: Path, layout: Layout, virtualgl: VirtualGL
) -> None:
    published(source, layout, virtualgl)
    assert names(layout.share / "VirtualGL") == {
        "bin/vglrun",
        "bin/.vglrun.vars64",
        "lib64/libdlfaker.so",
        "lib64/libvglfaker.so",
    }
    assert os.access(layout.share / "VirtualGL" / "bin" / "vglrun", os.X_OK)


def test_libraries_without_a_script(source: Path, layout: Layout, virtualgl: VirtualGL) -> None:
    published(source, layout, VirtualGL(None, virtualgl.libraries))
    assert names(layout.share / "VirtualGL") == {"lib64/libdlfaker.so", "lib64/libvglfaker.so"}
    published(source, layout, VirtualGL(virtualgl.vglrun, None))  # of no use alone


def test_what_the_libraries_need_is_published_but_for_the_c_library(
    source: Path, layout: Layout, tmp_path: Path
) -> None:
    """Any library will do that needs another one."""
    directory = tmp_path / "lib"
    directory.mkdir()
    library = next(Path("/usr/lib").glob("*-linux-gnu/libX11.so.6"))
    for name in ("libdlfaker.so", "libvglfaker.so"):
        (directory / name).symlink_to(library)
    published(source, layout, VirtualGL(None, directory))
    needed = names(layout.share / "VirtualGL" / "needed")
    assert {"libxcb.so.1/libxcb.so.1", "libXau.so.6/libXau.so.6"} <= needed
    assert not [name for name in needed if name.startswith(("libc.", "ld-", "linux-"))]
    assert not (layout.share / "VirtualGL" / "lib64" / "libvglfaker.so").is_symlink()


# -------------------------------------------------------------------------------- the publisher


class Publishing:
    """A publisher, and what is seen of it."""

    def __init__(self, source: Path | None, layout: Layout) -> None:
        self.ready = asyncio.Event()
        self.done = 0
        self.publisher = Publisher(
            source, lambda: None, layout, ready=self.ready.wait, done=self.is_done
        )

    def is_done(self) -> None:
        assert self.publisher.is_published
        self.done += 1


async def test_it_waits_for_the_desktop(
    source: Path, layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made = Publishing(source, layout)
    task = asyncio.create_task(made.publisher.run())
    await asyncio.sleep(0)
    assert not layout.share.exists()
    made.ready.set()
    await task
    assert made.done == 1
    assert names(layout.share)
    assert str(layout.share) in caplog.text


async def test_without_a_source_nothing_is_published(layout: Layout) -> None:
    made = Publishing(None, layout)
    await made.publisher.run()
    assert not made.publisher.is_published
    assert list(layout.root.iterdir()) == []


async def test_a_failure_is_logged_and_no_more(
    layout: Layout, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Publishing(tmp_path / "not there", layout)
    made.ready.set()
    await made.publisher.run()
    assert not made.publisher.is_published
    (record,) = caplog.records
    why = os.strerror(errno.ENOENT).lower()
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"cannot publish in {layout.share} what programs")
    assert f"{why} ({tmp_path / 'not there'})" in record.getMessage()


async def test_a_daemon_that_ends_does_not_wait_for_it(layout: Layout, tmp_path: Path) -> None:
    source = tmp_path / "slow"
    source.mkdir()
    os.mkfifo(source / "a-fifo")  # it is opened when somebody writes, which may be never
    (source / "b").touch()
    made = Publishing(source, layout)
    made.ready.set()
    task = asyncio.create_task(made.publisher.run())

    async def has_begun() -> bool:
        return any(layout.root.iterdir())

    async def has_stopped() -> bool:
        return not any(layout.root.iterdir())

    await eventually(has_begun)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    (source / "a-fifo").open("wb").close()
    await eventually(has_stopped)  # and has taken away what it had begun

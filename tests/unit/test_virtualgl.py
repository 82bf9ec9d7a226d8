"""Finding VirtualGL, and what a program is started with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.libraries import X11, XCB, other, too_new
from vizproxy import libraries, virtualgl
from vizproxy.errors import MissingProgramError
from vizproxy.libraries import LOADERS
from vizproxy.virtualgl import FAKERS, VirtualGL, display_here, find, get, without

HERE = find(None, os.environ)


def make_libraries(directory: Path, *, names: tuple[str, ...] = FAKERS) -> Path:
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).touch()
    return directory


def make_script(tree: Path, *, mode: int = 0o755) -> Path:
    script = tree / "bin" / "vglrun"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(mode)
    return script


# ---------------------------------------------------------------------------------- finding it


def test_as_its_own_packages_install_it(tmp_path: Path) -> None:
    script = make_script(tmp_path / "opt" / "VirtualGL")
    libraries = make_libraries(tmp_path / "opt" / "VirtualGL" / "lib64")
    assert find(None, {}, root=tmp_path) == VirtualGL(script, libraries)


def test_none(tmp_path: Path) -> None:
    assert find(None, {"PATH": str(tmp_path)}, root=tmp_path) is None
    assert find(tmp_path / "nowhere", {}, root=tmp_path) is None


def test_a_configured_directory_is_the_only_one_that_counts(tmp_path: Path) -> None:
    make_script(tmp_path / "opt" / "VirtualGL")
    script = make_script(tmp_path / "mine")
    assert find(tmp_path / "mine", {}, root=tmp_path) == VirtualGL(script, None)
    assert find(tmp_path / "other", {}, root=tmp_path) is None


def test_on_the_path_by_a_link(tmp_path: Path) -> None:
    tree = tmp_path / "srv" / "VirtualGL"
    libraries = make_libraries(tree / "lib")
    make_script(tree)
    link = tmp_path / "bin" / "vglrun"
    link.parent.mkdir()
    link.symlink_to(tree / "bin" / "vglrun")
    environ = {"PATH": str(link.parent)}
    assert find(None, environ, root=tmp_path) == VirtualGL(link, libraries)


@pytest.mark.parametrize(
    "place", ["usr/lib64", "usr/lib64/VirtualGL", "usr/lib/x86_64-linux-gnu", "usr/local/lib"]
)
def test_libraries_among_the_systems(tmp_path: Path, place: str) -> None:
    libraries = make_libraries(tmp_path / place)
    assert find(None, {"PATH": ""}, root=tmp_path) == VirtualGL(None, libraries)


def test_half_of_it_does_not_count(tmp_path: Path) -> None:
    make_script(tmp_path / "a", mode=0o644)
    make_libraries(tmp_path / "a" / "lib64", names=FAKERS[:1])
    assert find(tmp_path / "a", {}) is None


def test_where_a_program_is_to_be_started_its_absence_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingProgramError) as error:
        get(tmp_path, {})
    assert str(error.value) == (
        f"cannot draw through VirtualGL: VirtualGL is not in {tmp_path}; try installing it in the "
        "container of the program, too, display.virtualgl_dir, or `--plan software`"
    )
    make_script(tmp_path)
    assert get(tmp_path, {}) == VirtualGL(tmp_path / "bin" / "vglrun", None)


# ------------------------------------------------------------------ what the desktop has published


def publish(share: Path, *supplied: str, lacking: tuple[tuple[str, str], ...] = ()) -> VirtualGL:
    """Publish libraries, which need what this container lacks, and supply some of that."""
    tree = share / "VirtualGL"
    for name in FAKERS:
        other(X11, tree / "lib64" / name, *lacking)
    for name in supplied:
        source = XCB if "cb" in name else XAU
        other(source, tree / "needed" / name / name, *TRANSITIVE if source == XCB else ())
    places = tuple(tree / "needed" / name for name in supplied)
    return VirtualGL(None, tree / "lib64", places)


XAU = X11.with_name("libXau.so.6")
DIRECT = (("libxcb.so.1", "libqcb.so.1"),)
TRANSITIVE = (("libXau.so.6", "libQau.so.6"),)


def test_published_libraries_are_taken_last(tmp_path: Path) -> None:
    share = tmp_path / "share"
    published = publish(share)
    assert find(None, {}, root=tmp_path, share=share) == published
    assert find(tmp_path / "configured", {}, root=tmp_path, share=share) is None
    own = make_libraries(tmp_path / "usr" / "lib64")
    assert find(None, {}, root=tmp_path, share=share) == VirtualGL(None, own)
    assert find(None, {}, root=tmp_path / "elsewhere") is None
    assert find(None, {}, root=tmp_path / "elsewhere", share=tmp_path / "none") is None


def test_libraries_that_are_missing_here_are_supplied_and_no_others(tmp_path: Path) -> None:
    """One of them needs another in turn."""
    published = publish(tmp_path, "libqcb.so.1", "libQau.so.6", lacking=DIRECT)
    other(XAU, tmp_path / "VirtualGL" / "needed" / "libX11.so.6" / "libX11.so.6")
    found = find(None, {}, root=tmp_path, share=tmp_path)
    assert found == published
    assert found is not None
    env = found.environment(":1", {"LD_LIBRARY_PATH": "/own"})
    places = [str(tmp_path / "VirtualGL" / "needed" / n) for n in ("libqcb.so.1", "libQau.so.6")]
    assert env["LD_LIBRARY_PATH"].split(":") == [str(found.libraries), "/own", *places]
    assert found.environment(":1", env)["LD_LIBRARY_PATH"] == env["LD_LIBRARY_PATH"]
    loaded = subprocess.run(["/bin/true"], env=env, capture_output=True, text=True, check=True)
    assert loaded.stderr == ""


def test_a_program_may_bring_what_is_missing_itself(tmp_path: Path) -> None:
    published = publish(tmp_path, lacking=DIRECT)
    own = tmp_path / "conda"
    other(XCB, own / "libqcb.so.1")
    assert find(None, {}, root=tmp_path, share=tmp_path) is None
    environ = {"LD_LIBRARY_PATH": f":{own}"}
    assert find(None, environ, root=tmp_path, share=tmp_path) == published


@pytest.mark.parametrize("supplied", [(), ("libqcb.so.1",)])
def test_where_something_stays_missing_there_is_none(
    tmp_path: Path, supplied: tuple[str, ...]
) -> None:
    publish(tmp_path, *supplied, lacking=DIRECT)
    assert find(None, {}, root=tmp_path, share=tmp_path) is None


def test_libraries_for_a_newer_glibc_cannot_be_used(tmp_path: Path) -> None:
    published = publish(tmp_path)
    assert published.libraries is not None
    too_new(X11, published.libraries / FAKERS[-1])
    assert find(None, {}, root=tmp_path, share=tmp_path) is None


def test_nor_can_any_where_there_is_no_glibc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path)
    for loaders in ({}, dict.fromkeys(LOADERS, "lib/ld-musl.so.1")):
        monkeypatch.setattr(libraries, "LOADERS", loaders)
        assert find(None, {}, root=tmp_path, share=tmp_path) is None


# ----------------------------------------------------------------------------- starting through it

WHOLE = VirtualGL(Path("/v/bin/vglrun"), Path("/v/lib64"))
BARE = VirtualGL(None, Path("/v/lib64"))


def test_a_gpu_whose_node_is_not_in_this_container_is_the_first(tmp_path: Path) -> None:
    node = tmp_path / "card1"
    assert display_here(str(node)) == "egl0"
    node.touch()
    assert display_here(str(node)) == str(node)
    assert [display_here(display) for display in (":1", "egl1")] == [":1", "egl1"]


def test_by_the_script() -> None:
    command = WHOLE.command(":1", ["app", "-d", "x y"])
    assert command == ("/v/bin/vglrun", "-d", ":1", "--", "app", "-d", "x y")
    environment = WHOLE.environment(":1", {"HOME": "/h", "LD_PRELOAD": "libmine.so"})
    assert environment == {
        "HOME": "/h",
        "VGL_COMPRESS": "proxy",
        "VGL_GUI": "none",
        "LD_LIBRARY_PATH": "/v/lib64",
        "LD_PRELOAD": "libmine.so",
    }


def test_by_the_libraries_alone() -> None:
    assert BARE.command("egl0", ["app", "-x"]) == ("app", "-x")
    environment = BARE.environment("egl0", {"LD_PRELOAD": "libmine.so", "LD_LIBRARY_PATH": "/m"})
    assert environment["LD_PRELOAD"] == "libdlfaker.so:libvglfaker.so:libmine.so"
    assert environment["LD_LIBRARY_PATH"] == "/v/lib64:/m"
    assert (environment["VGL_DISPLAY"], environment["VGL_ISACTIVE"]) == ("egl0", "1")


@pytest.mark.parametrize("installed", [WHOLE, BARE])
def test_what_the_user_has_set_stays(installed: VirtualGL) -> None:
    chosen = {"VGL_COMPRESS": "jpeg", "VGL_GUI": "ctrl-f1", "VGL_FPS": "20"}
    assert installed.environment(":1", chosen).items() >= chosen.items()


names = st.sampled_from(
    ["libdlfaker.so", "libvglfaker.so", "/opt/VirtualGL/lib64/libvglfaker-nodl.so", "libgefaker.so"]
)
OTHERS = ["libmine.so", "/usr/lib/libjemalloc.so.2", "libother.so"]
others = st.sampled_from(OTHERS)


def preloaded(environ: dict[str, str]) -> list[str]:
    return environ.get("LD_PRELOAD", "").replace(":", " ").split()


@given(entries=st.lists(names | others), separator=st.sampled_from([":", " ", "::"]))
def test_a_preload_is_taken_out_and_put_in_once(entries: list[str], separator: str) -> None:
    kept = [entry for entry in entries if entry in OTHERS]
    environ = {"LD_PRELOAD": separator.join(entries), "VGL_ISACTIVE": "1", "A": "b"}
    cleaned = without(environ)
    assert "VGL_ISACTIVE" not in cleaned
    assert cleaned["A"] == "b"
    assert preloaded(cleaned) == kept
    once = BARE.environment(":1", environ)
    assert preloaded(once) == preloaded(BARE.environment(":1", once)) == [*FAKERS, *kept]


@given(st.dictionaries(st.sampled_from(["LD_PRELOAD", "VGL_FPS", "B"]), others))
def test_other_preloads_are_left_alone(environ: dict[str, str]) -> None:
    assert without(environ) == environ


# ------------------------------------------------------------------------------- the real script


@pytest.mark.skipif(HERE is None or HERE.vglrun is None, reason="there is no vglrun here")
@pytest.mark.parametrize("own", [{}, {"LD_PRELOAD": "libmine.so", "LD_LIBRARY_PATH": "/mine"}])
def test_we_set_what_vglrun_sets(own: dict[str, str]) -> None:
    assert HERE is not None
    environ = {"PATH": os.environ["PATH"], "DISPLAY": ":7", **own}
    printer = "/usr/bin/env"

    def started_by(installed: VirtualGL) -> dict[str, str]:
        done = subprocess.run(
            installed.command(":5", [printer, "-0"]),
            env=installed.environment(":5", environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the linker does not know libmine.so
            check=True,
        )
        lines = done.stdout.decode().split("\0")
        pairs = dict(line.split("=", 1) for line in lines if line)
        path = pairs["LD_LIBRARY_PATH"].split(":")
        pairs["LD_LIBRARY_PATH"] = ":".join(dict.fromkeys(path))  # vglrun adds it once more
        return {name: value for name, value in pairs.items() if name not in {"_", "PWD", "OLDPWD"}}

    assert started_by(HERE) == started_by(VirtualGL(None, HERE.libraries))


@pytest.mark.skipif(HERE is None or HERE.vglrun is None, reason="there is no vglrun here")
@pytest.mark.parametrize("status", [0, 3, 126, -9, -15])
def test_the_end_of_the_program_is_the_programs_own(status: int) -> None:
    assert HERE is not None
    own = f"exit {status}" if status >= 0 else f"kill -{-status} $$"
    command = HERE.command(":5", ["/bin/sh", "-c", f"echo $$; {own}"])
    environment = HERE.environment(":5", {**os.environ, "DISPLAY": ":7"})
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid, "vglrun gave way to the program"
    assert process.returncode == status


def test_the_default_directory_is_where_the_packages_have_it() -> None:
    assert Path("/") / virtualgl.DEFAULT_DIRECTORY == Path("/opt/VirtualGL")

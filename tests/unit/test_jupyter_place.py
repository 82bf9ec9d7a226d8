"""Where a Jupyter server finds its desktop."""

from __future__ import annotations

import os
from pathlib import Path

from vizproxy.jupyter.place import Embedded, Facts, Sidecar, choose, look_around
from vizproxy.runtime import Layout, check_socket_path

UID = 1000


def facts(
    environ: dict[str, str] | None = None,
    *,
    owners: dict[str, int] | None = None,
    existing: tuple[str, ...] = (),
    pid: int = 42,
) -> Facts:
    return Facts(
        environ=environ or {},
        uid=UID,
        pid=pid,
        cwd=Path("/home/zoe"),
        owner=lambda path: (owners or {}).get(str(path)),
        exists=lambda path: str(path) in existing,
    )


def test_the_variable_names_the_sidecars_socket():
    told = facts({"VIZPROXY_SOCKET": "/srv/d/http.sock"}, owners={"/run/vizproxy": 0})
    assert choose(told) == Sidecar(Path("/srv/d/http.sock"))


def test_a_relative_socket_starts_from_the_servers_directory():
    assert choose(facts({"VIZPROXY_SOCKET": "d/http.sock"})) == Sidecar(
        Path("/home/zoe/d/http.sock")
    )


def test_the_shared_directory_means_a_sidecar_even_before_it_listens():
    own, volume = (facts(owners={"/run/vizproxy": uid}) for uid in (UID, 0))
    assert choose(own) == Sidecar(Path("/run/vizproxy/http.sock"))
    assert choose(volume) == Sidecar(Path("/run/vizproxy/desktop/http.sock"))


def test_an_empty_variable_is_none():
    assert isinstance(choose(facts({"VIZPROXY_SOCKET": ""})), Embedded)


def test_a_desktop_of_its_own_is_in_the_users_runtime_directory():
    place = choose(facts({"XDG_RUNTIME_DIR": "/run/user/1000"}, owners={"/run/user/1000": UID}))
    assert place == Embedded(Path("/run/user/1000/vizproxy-jupyter-42"))
    assert isinstance(place, Embedded)
    assert place.socket == Path("/run/user/1000/vizproxy-jupyter-42/http.sock")


def test_a_runtime_directory_that_is_not_ours_is_not_used():
    elsewhere = Embedded(Path("/tmp/vizproxy-1000-jupyter-42"))
    for parent, owners in (
        ("/run/user/0", {"/run/user/0": 0}),
        ("/run/user/1000", {}),
        ("run/user", {"run/user": UID}),
        ("", {"": UID, ".": UID}),
    ):
        assert choose(facts({"XDG_RUNTIME_DIR": parent}, owners=owners)) == elsewhere


def test_a_runtime_directory_with_too_long_a_path_is_not_used():
    for length in range(40, 110):
        parent = f"/{'x' * length}"
        place = choose(facts({"XDG_RUNTIME_DIR": parent}, owners={parent: UID}, pid=4194304))
        assert isinstance(place, Embedded)
        check_socket_path(Layout(place.runtime_dir).websockify_socket)
        if length < 50:
            assert place.runtime_dir.parent == Path(parent)


def test_servers_with_the_same_number_have_directories_of_their_own():
    taken = ("/tmp/vizproxy-1000-jupyter-42", "/tmp/vizproxy-1000-jupyter-42-2")
    assert choose(facts(existing=taken)) == Embedded(Path("/tmp/vizproxy-1000-jupyter-42-3"))


def test_the_facts_are_true_of_this_process(tmp_path: Path):
    true = look_around()
    assert (true.uid, true.pid, true.cwd) == (os.getuid(), os.getpid(), Path.cwd())
    assert true.owner(tmp_path) == os.getuid()
    (tmp_path / "file").touch()
    assert true.owner(tmp_path / "file") is None
    assert true.owner(tmp_path / "none") is None
    (tmp_path / "broken").symlink_to(tmp_path / "none")
    assert true.exists(tmp_path / "broken")
